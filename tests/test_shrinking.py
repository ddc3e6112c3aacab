import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.trained import tiny_run, write_corpus
from typer.testing import CliRunner

from sulsul.bundle import CONFIG_FILE, Bundle
from sulsul.cli.app import app
from sulsul.cli.shrink import parse_size
from sulsul.errors import BundleError, DataError, OutputError, UsageError
from sulsul.predictor import Predictor
from sulsul.shrinking import shrink_run, size_of

TEXTS = ["문의가 정말 좋았다", "the staff was rude and slow", "", "unheard of"]
SUMMED = {
    "text": {"ngrams": [1, 3]},
    "model": {
        "input": {"kind": "summed-embedding", "size": 32},
        "layers": [{"kind": "gru", "units": 24, "bidirectional": True}],
    },
}
WHOLE = SUMMED | {
    "ensemble": {"members": 2},
    "wide": {"kind": "linear"},
    "calibration": {"temperature": "validation", "abstain_precision": 0.6},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    tiny_run(folder, **WHOLE)
    return folder / "run"


def test_eight_bits_change_little_and_are_read_by_the_same_predictor(whole, tmp_path):
    done = shrink_run(whole, tmp_path / "small")
    assert done.rows_after == done.rows_before
    assert done.size_after == size_of(tmp_path / "small") < 0.7 * done.size_before
    config = json.loads((tmp_path / "small" / CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["schema_version"] == 3
    assert "members.0.input.weight" in load_file(tmp_path / "small" / "model.safetensors")
    assert "input.weight" in config["compact"]["tables"]
    before, after = (Predictor.load(folder).probabilities(TEXTS) for folder in (whole, tmp_path / "small"))
    np.testing.assert_allclose(after, before, atol=0.02)
    assert [score.split for score in done.scores] == ["validation", "test"]
    assert done.scores[0].before.n == done.scores[0].after.n == 15


@pytest.mark.parametrize("backend", ["native", "torch"])
def test_what_is_saved_again_is_the_same(whole, tmp_path, backend):
    shrink_run(whole, tmp_path / "small")
    small = Bundle.load(tmp_path / "small", backend=backend)
    small.save(tmp_path / "again")
    again = load_file(tmp_path / "again" / "model.safetensors")
    for name, array in load_file(tmp_path / "small" / "model.safetensors").items():
        np.testing.assert_array_equal(again[name], array)
    np.testing.assert_array_equal(
        Predictor.load(tmp_path / "again", backend=backend).probabilities(TEXTS), Predictor(small).probabilities(TEXTS)
    )


@pytest.mark.parametrize("share", [0.85, 0.95])
def test_a_size_is_kept_to(whole, tmp_path, share):
    compact = shrink_run(whole, tmp_path / "compact").size_after
    wanted = int(share * compact)
    done = shrink_run(whole, tmp_path / "small", size_bytes=wanted)
    assert done.size_after <= wanted
    assert done.rows_after < done.rows_before
    assert Predictor.load(tmp_path / "small").bundle.tokenizer.vocabulary_size == done.rows_after
    assert done.scores[0].after.accuracy > 0.5


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"input": {"kind": "embedding", "size": 256}}},
        {"model": {"input": {"kind": "one-hot"}, "layers": [{"kind": "lstm", "units": 32, "bidirectional": True}]}},
    ],
)
def test_other_inputs(tmp_path, sections):
    tiny_run(tmp_path, **sections)
    compact = shrink_run(tmp_path / "run", tmp_path / "compact").size_after
    done = shrink_run(tmp_path / "run", tmp_path / "small", size_bytes=int(0.8 * compact))
    assert done.rows_after < done.rows_before
    assert done.size_after <= 0.8 * compact
    assert Predictor.load(tmp_path / "small").probabilities(TEXTS).shape == (4, 2)


def test_what_cannot_be_done_is_refused(whole, tmp_path):
    with pytest.raises(UsageError, match="without a single word"):
        shrink_run(whole, tmp_path / "small", size_bytes=2000)
    assert not (tmp_path / "small").exists()
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        shrink_run(whole, tmp_path / "taken")
    with pytest.raises(DataError, match="needed to weigh"):
        shrink_run(whole, tmp_path / "small", source=str(tmp_path / "nowhere.csv"))
    other = write_corpus(tmp_path / "other.csv", copies=11)
    with pytest.raises(DataError, match="fingerprint"):
        shrink_run(whole, tmp_path / "small", source=str(other))


def test_data_that_moved_are_named(whole, tmp_path):
    moved = write_corpus(tmp_path / "moved.csv")
    arguments = ["shrink", str(whole), "-o", str(tmp_path / "small"), "--data", str(moved)]
    printed = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    assert "Validation (15 texts): accuracy" in printed
    assert "N-grams of the linear part" in printed


@pytest.mark.parametrize("damage", ["scale", "codes", "nan"])
def test_damaged_tables_are_refused(whole, tmp_path, damage):
    shrink_run(whole, tmp_path / "small")
    bundle = Bundle.load(tmp_path / "small")
    arrays = load_file(tmp_path / "small" / "model.safetensors")
    if damage == "scale":
        del arrays["members.0.input.weight.scale"]
    elif damage == "codes":
        arrays["members.0.input.weight"] = arrays["members.0.input.weight"].astype(np.int32)
    else:
        arrays["members.0.input.weight.scale"][0] = np.nan
    save_file(arrays, tmp_path / "small" / "model.safetensors")
    _write_checksums(tmp_path / "small")
    with pytest.raises(BundleError, match=r"input\.weight"):
        Bundle.load(tmp_path / "small")
    assert bundle.compact is not None


def _write_checksums(folder):
    import hashlib

    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    content = (folder / "model.safetensors").read_bytes()
    config["files"]["model.safetensors"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize("text", ["", "2 bananas", "-1MB", "0"])
def test_sizes_are_numbers_with_a_unit(text):
    with pytest.raises(UsageError, match="write it as 2MB"):
        parse_size(text)
