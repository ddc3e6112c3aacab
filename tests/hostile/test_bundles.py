"""Bundles that a stranger made: what they name, claim and hold is refused, and nothing beside them is touched."""

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import run

import sulsul.verified_folder
from sulsul.bundle import Bundle
from sulsul.errors import BundleError

FILES = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run / "run", tmp_path / "copy"))


def edit_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values), encoding="utf-8")


def forge(folder: Path, name: str, content: bytes) -> None:
    """Put a file into the bundle as if it had been saved with it."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / "config.json").read_bytes())["files"]
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    edit_config(folder, files=files | {name: entry})


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "..\\outside.txt", "a/../../outside.txt", "\0"])
def test_names_that_lead_out_of_the_folder_are_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files = json.loads((folder / "config.json").read_bytes())["files"]
    edit_config(folder, files=files | {name: files["tokenizer.json"]})
    read: list[Path] = []
    read_bounded = sulsul.verified_folder.read_bounded

    def recorded(path: Path, most_bytes: int) -> bytes | None:
        read.append(path)
        return read_bounded(path, most_bytes)

    monkeypatch.setattr(sulsul.verified_folder, "read_bounded", recorded)
    bundle = Bundle.load(folder)
    assert sorted(path.name for path in read) == sorted(FILES)
    assert {path.parent for path in read} == {folder}
    bundle.save(folder.parent / "saved")
    assert sorted(path.name for path in (folder.parent / "saved").iterdir()) == sorted(FILES)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["copy", "saved"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_never_ends_is_not_read(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    path.unlink()
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(BundleError, match=name):
        Bundle.load(folder)


def safetensors(header: dict[str, Any] | bytes, data: bytes = bytes(16)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], begin: int = 0, end: int = 16) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        safetensors({"output.bias": tensor([2**62, 4])}),
        safetensors({"output.bias": tensor([2**63, 2**63, 0])}),
        safetensors({"output.bias": tensor([2**40], 0, 2**42)}),
        safetensors({"output.bias": tensor([-4])}),
        safetensors({"output.bias": tensor([4], 2**63, 2**63 + 16)}),
        safetensors({"output.bias": tensor([4]), "output.kernel": tensor([4])}),
        safetensors({f"t{k}": tensor([0], 0, 0) for k in range(100_000)}),
        safetensors(b'{"a":' * 100_000),
        safetensors(b"[" * 100_000),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**12) + b"{}",
        b"",
    ],
    ids=lambda content: f"{len(content)} bytes",
)
def test_headers_that_lie_are_refused(folder: Path, content: bytes) -> None:
    forge(folder, "model.safetensors", content)
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        Bundle.load(folder)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"model":' * 100_000, b"\xff", b"null", b'{"model": "\\ud800"}'])
def test_tokenizers_that_are_none_are_refused(folder: Path, content: bytes) -> None:
    forge(folder, "tokenizer.json", content)
    with pytest.raises(BundleError):
        Bundle.load(folder)


def test_a_deep_description_is_refused(folder: Path) -> None:
    text = (folder / "config.json").read_text(encoding="utf-8")
    start = text.index("{") + 1
    deep = '"data":' + '{"a":' * 50_000 + "1" + "}" * 50_000 + ","
    (folder / "config.json").write_text(text[:start] + deep + text[start:], encoding="utf-8")
    with pytest.raises(BundleError, match="not JSON"):
        Bundle.load(folder)


def test_a_million_classes_are_refused(folder: Path) -> None:
    edit_config(folder, classes=[f"c{k}" for k in range(10**6)])
    with pytest.raises(BundleError, match="1,000,000 different labels"):
        Bundle.load(folder)


def test_messages_carry_no_commands_to_the_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    edit_config(folder, **{"\x1b]0;title\x07\x9b2J": 1})
    assert run(monkeypatch, "predict", str(folder), "--string", "good") == 1
    said = capfd.readouterr().err
    assert "]0;title" in said
    assert not {"\x1b", "\x07", "\x9b"} & set(said)
