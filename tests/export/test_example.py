"""The example runs an exported network without torch and gives our probabilities."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.export.networks import ragged, random_predictor

from sulsul.export import export_onnx

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "onnx_predict.py"
FORBIDDING = """
import runpy, sys
for name in ("torch", "sulsul"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
MODEL = {"layers": [{"kind": "gru", "units": 4, "bidirectional": True}]}


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"ngrams": [1, 3], "reserved": ["pad", "start", "oov"], "max_length": 5},
        {"ngrams": [2, 4], "ngram_buckets": 40, "reserved": ["pad"], "vocabulary_size": 20},
        {"ngrams": [3, 4], "ngram_min_frequency": 3, "reserved": ["pad"], "vocabulary_size": 5},
        {"tokenizer": "char", "max_length": 6, "truncate": "front"},
        {"tokenizer": "subword", "vocabulary_size": 60, "reserved": ["pad", "start", "oov"], "max_length": 5},
        {"reserved": ["pad"], "max_length": 3, "pad_to": 4, "pad_side": "before", "truncate": "front"},
    ],
    ids=["word", "n-grams", "hashed n-grams", "few n-grams", "char", "subword", "padded, unknown words dropped"],
)
def test_the_example_needs_no_torch(text: dict[str, object], tmp_path: Path) -> None:
    kind = "summed-embedding" if "ngrams" in text else "embedding"
    predictor = random_predictor(text=text, model=MODEL | {"input": {"kind": kind, "size": 5}})
    predictor.bundle.save(tmp_path / "run")
    export_onnx(predictor, tmp_path / "model.onnx")
    texts = [*ragged(), "cafe\u0301 낱말3"]
    files = [str(tmp_path / "model.onnx"), str(tmp_path / "run" / "tokenizer.json")]
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDING, str(EXAMPLE), *files, *texts],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == texts
    found = [[row[name] for name in predictor.classes] for row in rows]
    assert found == [pytest.approx(row, abs=1e-5) for row in predictor.probabilities(texts).tolist()]
