"""Reading Keras files and arrays: what Keras writes, and what is refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sulsul.doctor import examine_keras_file, is_keras_file
from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.keras_files.inputs import read_inputs
from sulsul.errors import BundleError, DataError
from sulsul.keras_files.model_file import read_keras_model

FUNCTIONAL = Path(__file__).with_name("functional.json")  # config.json of a model saved by Keras 3


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_json", ".json"), content)
    return path


def test_a_functional_model_of_keras_3(tmp_path):
    model = read_keras_model(archive(tmp_path / "m.keras", config_json=FUNCTIONAL.read_text()))
    assert [layer.kind for layer in model.layers] == ["InputLayer", "Embedding", "NotEqual", "GRU", "Dense"]
    assert model.input_shape == (None, None)
    assert (model.output, model.loss, model.from_logits) == ((1, "linear"), "binary_crossentropy", True)
    assert (model.optimizer, model.learning_rate) == ("RMSprop", pytest.approx(1e-3))
    assert model.layers[3].receives_mask
    assert KerasEvidence(model).is_masked(3)


def test_nested_models_and_models_that_were_not_compiled(tmp_path):
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [
        {"class_name": "GRU", "config": {"units": 4}},
        {"class_name": "Dense", "config": {"units": 2, "activation": None}},
    ]}}  # fmt: skip
    config = {"class_name": "Sequential", "config": {"name": "outer", "layers": [inner]}}
    model = read_keras_model(archive(tmp_path / "m.keras", config_json=json.dumps(config)))
    assert [layer.kind for layer in model.layers] == ["GRU", "Dense"]
    assert (model.loss, model.optimizer, model.output) == (None, None, (2, "linear"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "malformed"),
        ('{"config": {"name": "x", "layers": [1]}}', "malformed"),
        ('{"config": {"name": "x", "layers": []}}', "no layers"),
    ],
)
def test_malformed_descriptions_are_refused(tmp_path, content, message):
    with pytest.raises(BundleError, match=message):
        read_keras_model(archive(tmp_path / "m.keras", config_json=content))


def test_files_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(BundleError, match="cannot be read"):
        read_keras_model(tmp_path / "absent.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(BundleError, match="neither"):
        read_keras_model(tmp_path / "text.keras")
    with pytest.raises(BundleError, match=r"without config\.json"):
        read_keras_model(archive(tmp_path / "other.keras", other="x"))
    (tmp_path / "cut.keras").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(BundleError, match="no readable"):
        read_keras_model(tmp_path / "cut.keras")


def test_hdf5(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n and nothing more")
    try:
        import h5py
    except ImportError:
        with pytest.raises(BundleError, match="pip install h5py"):
            read_keras_model(path)
        return
    with pytest.raises(BundleError, match="no readable HDF5"):
        read_keras_model(path)
    config = json.loads(FUNCTIONAL.read_text())
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        compiled = {"loss": "binary_crossentropy", "optimizer_config": {"class_name": "Adam", "config": {}}}
        file.attrs["training_config"] = json.dumps(compiled)
    model = read_keras_model(path)
    assert (len(model.layers), model.loss, model.optimizer) == (5, "binary_crossentropy", "Adam")
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "3"
    with pytest.raises(BundleError, match="weights only"):
        read_keras_model(path)


def test_names_of_keras_files():
    assert [is_keras_file(Path(name)) for name in ("a.keras", "b.H5", "c.hdf5", "d.csv")] == [True, True, True, False]


def test_arrays_by_name_by_position_and_of_uneven_length(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, X_train=np.ones((4, 3), int), labels_train=[0, 1, 0, 1], x_val=np.ones((2, 3), int), y_dev=[0, 1])
    found = read_inputs(path)
    assert (set(found.x), set(found.y)) == ({"train", "validation"}, {"train", "validation"})
    lists = np.empty(2, dtype=object)
    lists[:] = [[1, 5, 9], [1, 4]]
    np.savez(path, arr_0=lists, arr_1=np.array([0, 1]), arr_2=lists, arr_3=np.array([1, 1]))
    found = read_inputs(path)
    assert found.x["train"].shape == (2, None)
    assert found.x["test"].lengths.tolist() == [3, 2]
    assert found.x["train"].token_ids.tolist() == [1, 5, 9, 1, 4]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": [0, 1]}, "no inputs"),
        ({"x": np.ones((3, 2)), "y": [0, 1]}, "3 rows"),
        ({"x": np.ones(3)}, "dimension"),
        ({"x": np.array([["a", "b"]])}, "dimension"),
        ({"x": np.ones((2, 2)), "y": np.ones((2, 2, 2))}, "targets must be"),
    ],
)
def test_arrays_that_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_inputs(tmp_path / "x.npz")


def test_a_pickle_that_asks_for_more_than_lists_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([Path("a"), None], dtype=object))
    with pytest.raises(DataError, match="only lists"):
        read_inputs(tmp_path / "x.npz")


def test_without_arrays_the_diagnosis_says_so(tmp_path):
    path = archive(tmp_path / "m.keras", config_json=FUNCTIONAL.read_text())
    assert "only the model" in examine_keras_file(path).remarks[0]
