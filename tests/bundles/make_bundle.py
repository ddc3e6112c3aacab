"""Make the bundles of this folder again, as the present code writes them.

    python tests/bundles/make_bundle.py FOLDER

What lies here is never written again: a new schema gets a folder beside the old ones. `schema-1` holds one plain
network (word tokens, a bidirectional GRU); `schema-2` an ensemble of two networks that read words with their n-grams,
a linear part beside them, a temperature and a threshold; `schema-3` the same in 8 and 16 bits. `answers.json` holds
texts, their token ids and probabilities.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.trained import tiny_specification, write_corpus

from sulsul import Predictor
from sulsul.bundle import Bundle, CompactEntry
from sulsul.experiment import run_experiment

KEPT = ("config.json", "tokenizer.json", "model.safetensors", "linear.safetensors")
TEXTS = ("문의가 정말 좋았다", "the staff was rude and slow", "", "처음 보는 unseen words", "good 😀 좋고\n빠르다")
SCHEMAS: dict[str, dict[str, dict[str, object]]] = {
    "schema-1": {
        "text": {"vocabulary_size": 40},
        "model": {"layers": [{"kind": "gru", "units": 3, "bidirectional": True}]},
    },
    "schema-2": {
        "text": {"vocabulary_size": 40, "ngrams": [1, 2], "ngram_vocabulary_size": 60},
        "model": {"input": {"kind": "summed-embedding", "size": 4}, "layers": [{"kind": "lstm", "units": 3}]},
        "ensemble": {"members": 2},
        "wide": {"kind": "linear"},
        "calibration": {"temperature": "validation", "abstain_precision": 0.9},
    },
}
SCHEMAS["schema-3"] = SCHEMAS["schema-2"]


def make(name: str, folder: Path) -> None:
    """Train a classifier of one schema in the present folder and keep what loading needs."""
    source = write_corpus(Path("corpus.csv"), copies=4)
    made, target = Path(name), folder / name
    run_experiment(tiny_specification(source, **SCHEMAS[name]), made, command="sulsul train corpus.csv")
    if name == "schema-3":
        # As `shrink` does with tables that are large enough.
        made, compact = Path("shrunk"), CompactEntry(tables=("input.weight",), linear=True)
        replace(Bundle.load(Path(name)), compact=compact).save(made)
    target.mkdir(parents=True)
    for path in made.iterdir():
        if path.name in KEPT:
            (target / path.name).write_bytes(path.read_bytes())
    predictor = Predictor.load(target, backend="torch")  # the same on all instruction sets, but for the last bits
    encoded = predictor.encode(TEXTS)
    answers = {
        "texts": TEXTS,
        "token_ids": encoded.token_ids.tolist(),
        "offsets": encoded.offsets.tolist(),
        "labels": [prediction.labels for prediction in predictor.predict(TEXTS)],
        "probabilities": predictor.probabilities(TEXTS).astype(float).tolist(),
        "abstained": [prediction.abstained for prediction in predictor.predict(TEXTS)],
    }
    (target / "answers.json").write_text(json.dumps(answers, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Make the schemas that the folder of the first argument lacks."""
    folder = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for name in (name for name in SCHEMAS if not (folder / name).exists()):
            make(name, folder)


if __name__ == "__main__":
    main()
