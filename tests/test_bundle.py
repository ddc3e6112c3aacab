import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sulsul.bundle import CONFIG_FILE, Bundle
from sulsul.errors import BundleError, OutputError


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run / "run", tmp_path / "copy"))


def test_round_trip_keeps_every_weight(finished_run: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(finished_run / "run")
    bundle.save(tmp_path / "again")
    again = Bundle.load(tmp_path / "again")
    assert again.labels == bundle.labels
    assert again.specification == bundle.specification
    assert again.tokenizer.vocabulary() == bundle.tokenizer.vocabulary()
    for name, tensor in bundle.classifier.state_dict().items():
        np.testing.assert_array_equal(again.classifier.state_dict()[name].numpy(), tensor.numpy())


@pytest.mark.parametrize("backend", ["auto", "native", "torch"])
def test_it_is_read_for_any_backend(folder: Path, backend: str) -> None:
    assert Bundle.load(folder, backend=backend).classifier.backend == backend


def test_a_bundle_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(OutputError, match="already holds"):
        Bundle.load(folder).save(folder)


def _edit_config(change: Callable[[dict], object]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    def damage(folder: Path) -> None:
        values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        change(values)
        (folder / CONFIG_FILE).write_text(json.dumps(values), encoding="utf-8")

    return damage


def _first_layer(values: dict) -> dict:  # type: ignore[type-arg]
    layer: dict = values["specification"]["model"]["layers"][0]  # type: ignore[type-arg]
    return layer


def _flip_a_byte(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: shutil.rmtree(folder), "does not exist"),
        (lambda folder: (folder / CONFIG_FILE).unlink(), "not a trained classifier"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (_flip_a_byte, "altered"),
        (lambda folder: (folder / CONFIG_FILE).write_text("{", encoding="utf-8"), "not JSON"),
        (lambda folder: (folder / CONFIG_FILE).write_text("[" * 100_000, encoding="utf-8"), "not JSON"),
        (lambda folder: (folder / CONFIG_FILE).write_bytes(b"\xff\xfe{"), "not JSON"),
        (_edit_config(lambda values: values.update(schema_version=99)), "newer sulsul"),
        (_edit_config(lambda values: values.pop("schema_version")), "no schema_version"),
        (_edit_config(lambda values: values.update(surprise=1)), "surprise is not a known setting"),
        (_edit_config(lambda values: values["files"].pop("model.safetensors")), "does not list"),
        (
            _edit_config(lambda values: values["specification"]["model"]["layers"][0].update(units=4_000_000)),
            "makes it",
        ),
        (_edit_config(lambda values: values.update(vocabulary_size=2**31 - 1)), "makes it"),
        (_edit_config(lambda values: values.update(classes=["only"])), "classes"),
    ],
)
def test_damage_is_named(folder: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(folder)
    with pytest.raises(BundleError, match=words):
        Bundle.load(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["output.bias"] = np.zeros(7, np.float32)
    save_file(tensors, folder / "model.safetensors")
    entry = _edit_config(lambda values: values["files"].update(_entry(folder / "model.safetensors")))
    entry(folder)
    with pytest.raises(BundleError, match=r"output\.bias"):
        Bundle.load(folder)


def _entry(path: Path) -> dict[str, dict[str, object]]:
    import hashlib

    content = path.read_bytes()
    return {path.name: {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}}
