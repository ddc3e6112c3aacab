"""Files made to run something, to fill memory, or to read other files: refused at once, and nothing is run."""

import io
import json
import time
import zipfile

import numpy as np
import pytest

from sulsul.errors import BundleError
from sulsul.importing import import_keras
from sulsul.keras_files.plainness import first_foreign_class

h5py = pytest.importorskip("h5py")
SECONDS = 1.0


def layer(kind, module="keras.layers", **settings):
    return {
        "module": module,
        "class_name": kind,
        "config": {"name": kind.lower(), **settings},
        "registered_name": None,
    }


EMBEDDING = layer("Embedding", input_dim=5, output_dim=2, mask_zero=True)
LSTM = layer("LSTM", units=2, activation="tanh", recurrent_activation="sigmoid")
DENSE = layer("Dense", units=1, activation="sigmoid")
WEIGHTS = {
    "layers/embedding/vars/0": np.ones((5, 2), np.float32),
    "layers/lstm/cell/vars/0": np.ones((2, 8), np.float32),
    "layers/lstm/cell/vars/1": np.ones((2, 8), np.float32),
    "layers/lstm/cell/vars/2": np.ones(8, np.float32),
    "layers/dense/vars/0": np.ones((2, 1), np.float32),
    "layers/dense/vars/1": np.ones(1, np.float32),
}


def described(*layers):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


def hdf5(arrays=WEIGHTS, change=None):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for place, array in arrays.items():
            file[place] = array
        if change is not None:
            change(file)
    return buffer.getvalue()


def archive(path, config=None, weights=None, **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("config.json", json.dumps(config or described(EMBEDDING, LSTM, DENSE)))
        file.writestr("model.weights.h5", hdf5() if weights is None else weights)
    return path


@pytest.fixture(autouse=True)
def without_keras(monkeypatch):
    monkeypatch.setattr("sulsul.importing.comparison.keras_version", lambda: None)


def refused(path, match):
    begin = time.perf_counter()
    with pytest.raises(BundleError, match=match):
        import_keras(path, path.with_suffix(".run"))
    assert time.perf_counter() - begin < SECONDS
    assert not path.with_suffix(".run").exists()


@pytest.fixture(scope="module", autouse=True)
def imported_once(tmp_path_factory):
    """Take the same file unharmed; so modules are loaded before anything is timed."""
    folder = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sulsul.importing.comparison.keras_version", lambda: None)
        assert import_keras(archive(folder / "m.keras"), folder / "run").bundle.labels.classes == ("0", "1")


def test_what_would_be_run_is_refused_by_name(tmp_path):
    path = tmp_path / "m.keras"
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
    refused(archive(path, described(EMBEDDING, layer("Lambda", function=code), LSTM, DENSE)), "'lambda' is a Lambda")
    own = layer("LSTM", module="my_package.layers", units=2)
    refused(archive(path, described(EMBEDDING, own, DENSE)), r"LSTM' of my_package\.layers, not one of Keras's own")
    own = {**LSTM, "registered_name": "Mine>LSTM"}
    refused(archive(path, described(EMBEDDING, own, DENSE)), "Mine>LSTM")
    hidden = layer("Bidirectional", layer=layer("LSTM", module="evil", units=2))
    refused(archive(path, described(EMBEDDING, hidden, DENSE)), "evil")
    refused(archive(path, {"class_name": "MyModel", "config": {"name": "m", "layers": [EMBEDDING]}}), "class 'MyModel'")


def test_nothing_beyond_keras_own_classes_is_handed_to_keras():
    assert first_foreign_class(described(EMBEDDING, LSTM, DENSE)) is None
    for module, name in (("keras.utils", "get_file"), ("builtins", "function"), ("os", "system"), (None, "__lambda__")):
        value = {"class_name": name, "config": {}, **({"module": module} if module else {})}
        found = first_foreign_class(described(EMBEDDING, {**LSTM, "config": {"kernel_initializer": value}}))
        assert found is not None
        assert name in found
    assert first_foreign_class({"class_name": "Dense", "module": "evil.layers"}) == "evil.layers.Dense"
    assert first_foreign_class({"class_name": "Dense", "registered_name": "Evil>Dense"}) == "Dense"


def test_bombs(tmp_path):
    path = tmp_path / "m.keras"
    packed = archive(path, weights=bytes(200 << 20), compression=zipfile.ZIP_DEFLATED)
    refused(packed, "not weights")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", bytes(50 << 20))
    refused(path, "larger than")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "[" * 100_000)
    refused(path, "not JSON")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "[" + " " * (17 << 20) + "]"
    refused(tmp_path / "m.h5", "larger than")

    def huge(file):
        del file["layers/embedding/vars/0"]
        file.create_dataset("layers/embedding/vars/0", shape=(1 << 33, 8), dtype="f4", chunks=(1024, 8), fillvalue=1.0)

    config = described(layer("Embedding", input_dim=1 << 30, output_dim=8), LSTM, DENSE)
    refused(archive(path, config, hdf5(change=huge)), "claims")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_dim": 1 << 40}, "input_dim is .1099511627776"),
        ({"input_dim": 1 << 30}, "shapes"),
        ({"input_dim": "5"}, "input_dim is .*5"),
        ({"input_dim": None}, "whole number"),
        ({"output_dim": -1}, "output_dim=-1"),
    ],
)
def test_sizes_that_the_weights_do_not_have(tmp_path, settings, message):
    embedding = {**EMBEDDING, "config": EMBEDDING["config"] | settings}
    refused(archive(tmp_path / "m.keras", described(embedding, LSTM, DENSE)), message)


def test_links_and_arrays_elsewhere(tmp_path):
    path, outside = tmp_path / "m.keras", tmp_path / "secret"
    outside.write_bytes(bytes(40))

    def replace(make):
        def change(file):
            del file["layers/embedding/vars/0"]
            make(file["layers/embedding/vars"])

        return hdf5(change=change)

    def external_storage(group):
        group.create_dataset("0", (5, 2), "f4", external=[(str(outside), 0, 40)])

    def virtual(group):
        layout = h5py.VirtualLayout((5, 2), "f4")
        layout[:] = h5py.VirtualSource(str(outside), "x", (5, 2))
        group.create_virtual_dataset("0", layout)

    for make, message in (
        (lambda group: group.__setitem__("0", h5py.ExternalLink(str(outside), "/x")), "link to elsewhere"),
        (lambda group: group.__setitem__("0", h5py.SoftLink("/layers/dense/vars/0")), "link to elsewhere"),
        (external_storage, "another file"),
        (virtual, "another file"),
        (lambda group: group.__setitem__("0", np.array([b"cos\nsystem"])), "expected floating-point"),
        (lambda group: group.__setitem__("0", np.ones((5, 2), np.int8)), "Quantised"),
        (lambda group: group.create_group("0"), "no array"),
        (lambda group: group.__setitem__("0", np.full((5, 2), np.nan, np.float32)), "NaN"),
    ):
        refused(archive(path, weights=replace(make)), message)


def test_names_that_leave_the_archive(tmp_path):
    path = tmp_path / "m.h5"
    for name in ("../../etc", "/", "a/../b"):
        with h5py.File(path, "w") as file:
            config = described({**EMBEDDING, "config": EMBEDDING["config"] | {"name": name}}, LSTM, DENSE)
            file.attrs["model_config"] = json.dumps(config)
            file.create_group("model_weights")
        refused(path, "no path among the weights|cannot be read|link to elsewhere")
    archive(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as file:
        file.writestr("../../escaped.txt", "x")
    import_keras(tmp_path / "m.keras", tmp_path / "run")
    assert not (tmp_path.parent.parent / "escaped.txt").exists()


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential"},
        {"class_name": "Sequential", "config": {"name": "m", "layers": [{"class_name": "LSTM"}]}},
        {"class_name": "Functional", "config": {"name": "m", "layers": [EMBEDDING], "output_layers": 3}},
        {"class_name": "Sequential", "config": {"name": "m", "layers": [{**EMBEDDING, "config": {"name": "m"}}]}},
        described(EMBEDDING, {**LSTM, "config": {"units": 2, "activation": {"class_name": ["x"]}}}, DENSE),
        described(EMBEDDING, layer("Dropout", rate="x"), LSTM, DENSE),
        described({**EMBEDDING, "inbound_nodes": 1, "config": [1]}, LSTM, DENSE),
        described(layer("InputLayer", batch_shape=5), EMBEDDING, LSTM, DENSE),
        described(layer("InputLayer", batch_shape=[None, "x"]), EMBEDDING, LSTM, DENSE),
    ],
)
def test_malformed_descriptions(tmp_path, config):
    refused(archive(tmp_path / "m.keras", config), r"m\.keras")


def test_bytes_changed_anywhere_never_escape_as_another_error(tmp_path):
    content = archive(tmp_path / "m.keras").read_bytes()
    generator = np.random.default_rng(0)
    for trial in range(60):
        broken = bytearray(content)
        for position in generator.integers(0, len(broken), 4):
            broken[position] = generator.integers(0, 256)
        path = tmp_path / f"{trial}.keras"
        path.write_bytes(broken[: generator.integers(10, len(broken))] if trial % 3 == 0 else broken)
        try:
            import_keras(path, tmp_path / f"run{trial}")
        except BundleError:
            continue
