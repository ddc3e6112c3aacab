"""What is fuzzed: every way in which bytes of others enter sulsul, with inputs to begin from.

A target takes bytes, uses them as its reader's file (or body), and returns whether they were accepted. A refusal is a
:class:`~sulsul.errors.SulsulError`, for the server a status below 500; anything else is a failure.
"""

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sulsul.corpora import DataSettings, iter_texts, read_corpus
from sulsul.corpora.npz import read_word_index
from sulsul.errors import SulsulError

FOLDER = Path(tempfile.mkdtemp(prefix="sulsul-fuzz-"))
_TABLE = 'text,label\ngood film,a\n"bad, really",b\n좋았다,a\n나빴다,b\n'


@dataclass(frozen=True)
class Target:
    """One way in: inputs to begin from, whether they are JSON, and what reads them."""

    seeds: tuple[bytes, ...]
    is_json: bool
    read: Callable[[bytes], object]

    def accepts(self, content: bytes) -> bool:
        """Return whether the input was taken; raises what must not be raised."""
        try:
            self.read(content)
        except SulsulError as error:
            if not str(error):
                raise AssertionError("a refusal without a reason") from error
            return False
        return True


def _written(name: str, content: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(content)
    return path


def _table(name: str) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        settings = DataSettings(source=str(_written(name, content)))
        for _ in iter_texts(settings, 2):
            pass
        return read_corpus(settings)

    return read


def _texts_folder(content: bytes) -> object:
    folder = FOLDER / "folder"
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / "1.txt").write_bytes(content)
    return read_corpus(DataSettings(source=str(folder)))


def _parquet() -> bytes:
    import polars as pl

    buffer = io.BytesIO()
    pl.read_csv(io.StringIO(_TABLE)).write_parquet(buffer)
    return buffer.getvalue()


def _archives() -> tuple[bytes, ...]:
    found = []
    lists = np.array([[1, 4, 5], [1, 6]], dtype=object)
    for x in (lists, np.array([[1, 4], [1, 5]], np.int32)):
        buffer = io.BytesIO()
        np.savez(buffer, x_train=x, y_train=np.array([0, 1]), x_test=x, y_test=np.array([1, 0]))
        found.append(buffer.getvalue())
    return tuple(found)


def _array(content: bytes) -> bytes:
    """Return a valid archive around the bytes of one array, which a change of the archive's own would not reach."""
    y = io.BytesIO()
    np.save(y, np.array([0, 1]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", y.getvalue())
    return buffer.getvalue()


def _array_seeds() -> tuple[bytes, ...]:
    return tuple(zipfile.ZipFile(io.BytesIO(archive)).read("x_train.npy") for archive in _archives())


def _gzipped(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, mtime=0)


@cache
def bundle_folder(kind: str) -> Path:
    """Return a tiny trained classifier (``word``, ``subword``, ``n-gram``, ``ensemble`` or ``shrunk``), made once."""
    from sulsul.bundle import Bundle, CompactEntry
    from sulsul.experiment import run_experiment
    from sulsul.specification import RunSpecification

    folder = FOLDER / f"bundle-{kind}"
    if kind == "shrunk":
        whole = Bundle.load(bundle_folder("ensemble"))
        replace(whole, compact=CompactEntry(tables=("input.weight",), linear=True)).save(folder)
        return folder
    source = _written("bundle.csv", ("text,label\n" + "good film,a\nbad film,b\n" * 10).encode())
    summed = kind == "n-gram"
    values = {
        "data": {"source": str(source)},
        "text": {
            "tokenizer": "subword" if kind == "subword" else "word",
            "vocabulary_size": 20,
            **({"ngrams": [1, 2], "ngram_vocabulary_size": 30} if summed else {}),
        },
        "model": {
            "input": {"kind": "summed-embedding" if summed else "embedding", "size": 2},
            "layers": [{"kind": "gru", "units": 2}],
        },
        "training": {"epochs": 1, "threads": 1},
        **({"ensemble": {"members": 2}, "wide": {"kind": "linear"}} if kind == "ensemble" else {}),
    }
    run_experiment(RunSpecification.parse(values, where="fuzz"), folder, command="fuzz", baselines=False)
    return folder


def signed(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a bundle and its checksum into ``config.json``: what a stranger who forges one can do."""
    (folder / name).write_bytes(content)
    config = json.loads((folder / "config.json").read_bytes())
    config["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def _bundle_file(name: str, tokenizer: str) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        from sulsul.predictor import Predictor

        folder = FOLDER / f"forged-{tokenizer}"
        if not folder.exists():
            shutil.copytree(bundle_folder(tokenizer), folder)
        before = (folder / name).read_bytes(), (folder / "config.json").read_bytes()
        try:
            if name == "config.json":
                (folder / name).write_bytes(content)
            else:
                signed(folder, name, content)
            return Predictor.load(folder).predict(["good", "", "bad 좋았다"])
        finally:
            (folder / name).write_bytes(before[0])
            (folder / "config.json").write_bytes(before[1])

    return read


def _checkpoint() -> bytes:
    from sulsul.experiment import Listener, run_experiment
    from sulsul.specification import RunSpecification

    specification = RunSpecification.from_file(bundle_folder("word") / "specification.toml")
    epochs: list[object] = []
    # Stopped after its first epoch, a run leaves its checkpoint.
    listener = Listener(on_epoch=epochs.append, stop_requested=lambda: bool(epochs))
    longer = specification.with_overrides(["training.epochs=2"])
    run_experiment(longer, FOLDER / "stopped", command="fuzz", baselines=False, listener=listener)
    return (FOLDER / "stopped" / "checkpoint.safetensors").read_bytes()


def _load_checkpoint(content: bytes) -> object:
    from sulsul.training.checkpoint import load_checkpoint

    return load_checkpoint(_written("checkpoint.safetensors", content))


def _record(content: bytes) -> object:
    from sulsul.doctor.sources import read_record

    folder = FOLDER / "record"
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_bytes(content)
    return read_record(folder)


def _specification(content: bytes) -> object:
    from sulsul.specification import RunSpecification

    return RunSpecification.from_file(_written("specification.toml", content))


KERAS_CONFIG: dict[str, Any] = {
    "class_name": "Sequential",
    "config": {
        "name": "s",
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 20]}},
            {"class_name": "Embedding", "config": {"input_dim": 9, "output_dim": 2, "mask_zero": False}},
            {
                "class_name": "Bidirectional",
                "config": {"layer": {"class_name": "LSTM", "config": {"units": 2, "return_sequences": True}}},
                "inbound_nodes": [{"args": [], "kwargs": {"mask": None}}],
            },
            {"class_name": "LSTM", "config": {"units": 2, "activation": "relu"}},
            {"class_name": "Dense", "config": {"units": 1, "activation": "sigmoid"}},
        ],
    },
    "compile_config": {
        "loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": False}},
        "optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.001, "clipnorm": None}},
    },
}


def keras_archive(config: bytes) -> bytes:
    """Return a ``.keras`` archive around a description."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", config)
    return buffer.getvalue()


def _keras(content: bytes) -> object:
    from sulsul.doctor.examination import examine_keras
    from sulsul.doctor.keras_files.evidence import KerasEvidence
    from sulsul.doctor.keras_files.inputs import read_inputs
    from sulsul.keras_files.model_file import read_keras_model

    model = read_keras_model(_written("model.keras", content))
    return examine_keras(KerasEvidence(model)), examine_keras(KerasEvidence(model, read_inputs(_keras_arrays())))


@cache
def _keras_arrays() -> Path:
    ids = np.random.default_rng(0).integers(0, 9, (20, 20))
    path = FOLDER / "arrays.npz"
    np.savez(path, x_train=ids, y_train=ids[:, 0] % 2, x_test=ids, y_test=ids[:, 0] % 2)
    return path


def _keras_inputs(content: bytes) -> object:
    from sulsul.doctor.examination import examine_keras
    from sulsul.doctor.keras_files.evidence import KerasEvidence
    from sulsul.doctor.keras_files.inputs import read_inputs
    from sulsul.keras_files.model_file import read_keras_model

    inputs = read_inputs(_written("inputs.npz", content))
    model = read_keras_model(_written("model.keras", keras_archive(json.dumps(KERAS_CONFIG).encode())))
    return examine_keras(KerasEvidence(model, inputs))


@cache
def _client() -> Any:
    from starlette.testclient import TestClient

    from sulsul.predictor import Predictor
    from sulsul.serving.application import create_application
    from sulsul.serving.settings import ServingSettings

    application = create_application(Predictor.load(bundle_folder("word")), ServingSettings())
    return TestClient(application, base_url="http://localhost", raise_server_exceptions=True).__enter__()


def _http(route: str) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        answer = _client().post(route, content=content, headers={"Content-Type": "application/json"})
        if answer.status_code >= 500:
            raise AssertionError(f"the server answered {answer.status_code}")
        if answer.status_code >= 400:
            raise SulsulError(answer.json()["detail"])
        return answer.json()

    return read


def _bundle_seeds(name: str, tokenizer: str = "word") -> tuple[bytes, ...]:
    return ((bundle_folder(tokenizer) / name).read_bytes(),)


def _spoken(text: str) -> tuple[bytes, ...]:
    return (text.encode(), text.encode("utf-16"), text.encode("cp949"))


_MAKERS: dict[str, Callable[[], Target]] = {
    "csv": lambda: Target(_spoken(_TABLE), False, _table("table.csv")),
    "csv.gz": lambda: Target((_gzipped(_TABLE.encode()),), False, _table("table.csv.gz")),
    "tsv": lambda: Target(_spoken(_TABLE.replace(",", "\t")), False, _table("table.tsv")),
    "jsonl": lambda: Target(
        (b'{"text": "good", "label": "a"}\n{"text": "bad", "label": "b"}\n',), False, _table("t.jsonl")
    ),
    "parquet": lambda: Target((_parquet(),), False, _table("table.parquet")),
    "npz": lambda: Target(_archives(), False, _table("table.npz")),
    "array": lambda: Target(_array_seeds(), False, lambda content: _table("array.npz")(_array(content))),
    "text folder": lambda: Target(_spoken("좋았다 good film"), False, _texts_folder),
    "no suffix": lambda: Target((_TABLE.encode(), _parquet(), *_archives()), False, _table("table")),
    "word index": lambda: Target((b'{"the": 1, "and": 2}',), True, lambda b: read_word_index(_written("w.json", b))),
    "bundle config": lambda: Target(_bundle_seeds("config.json"), True, _bundle_file("config.json", "word")),
    "bundle weights": lambda: Target(
        _bundle_seeds("model.safetensors"), False, _bundle_file("model.safetensors", "word")
    ),
    "ensemble config": lambda: Target(
        _bundle_seeds("config.json", "ensemble"), True, _bundle_file("config.json", "ensemble")
    ),
    "linear weights": lambda: Target(
        _bundle_seeds("linear.safetensors", "ensemble"), False, _bundle_file("linear.safetensors", "ensemble")
    ),
    "shrunk weights": lambda: Target(
        _bundle_seeds("model.safetensors", "shrunk"), False, _bundle_file("model.safetensors", "shrunk")
    ),
    "word tokenizer": lambda: Target(_bundle_seeds("tokenizer.json"), True, _bundle_file("tokenizer.json", "word")),
    "subword tokenizer": lambda: Target(
        _bundle_seeds("tokenizer.json", "subword"), True, _bundle_file("tokenizer.json", "subword")
    ),
    "n-gram tokenizer": lambda: Target(
        _bundle_seeds("tokenizer.json", "n-gram"), True, _bundle_file("tokenizer.json", "n-gram")
    ),
    "run record": lambda: Target(_bundle_seeds("metrics.json"), True, _record),
    "specification": lambda: Target(_bundle_seeds("specification.toml"), False, _specification),
    "checkpoint": lambda: Target((_checkpoint(),), False, _load_checkpoint),
    "keras description": lambda: Target(
        (json.dumps(KERAS_CONFIG).encode(),), True, lambda content: _keras(keras_archive(content))
    ),
    "keras archive": lambda: Target((keras_archive(json.dumps(KERAS_CONFIG).encode()),), False, _keras),
    "keras arrays": lambda: Target(_archives(), False, _keras_inputs),
    "predict body": lambda: Target((b'{"text": "good"}', b'{"texts": ["good", ""]}'), True, _http("/predict")),
    "explain body": lambda: Target((b'{"text": "good film", "label": "a"}',), True, _http("/explain")),
}
NAMES = tuple(_MAKERS)


@cache
def target(name: str) -> Target:
    """Return a target by its name."""
    return _MAKERS[name]()
