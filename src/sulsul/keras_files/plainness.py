"""Whether a description names nothing that Keras would have to run to load it."""

from typing import Any

_LAYERS = frozenset(
    {
        "InputLayer",
        "Embedding",
        "Masking",
        "SimpleRNN",
        "GRU",
        "LSTM",
        "Bidirectional",
        "Dropout",
        "SpatialDropout1D",
        "BatchNormalization",
        "GlobalMaxPooling1D",
        "GlobalAveragePooling1D",
        "Dense",
        "Activation",
        "Softmax",
        "NotEqual",
    }
)
_INITIALIZERS = frozenset(
    {
        "Zeros",
        "Ones",
        "Constant",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "LecunNormal",
        "LecunUniform",
        "Orthogonal",
        "OrthogonalInitializer",
        "Identity",
    }
)
_OTHERS = frozenset(
    {
        "Sequential",
        "Functional",
        "Model",
        "DTypePolicy",
        "Policy",
        "__keras_tensor__",
        "L1",
        "L2",
        "L1L2",
        "MaxNorm",
        "NonNeg",
        "UnitNorm",
        "MinMaxNorm",
    }
)
_PLAIN = _LAYERS | _INITIALIZERS | _OTHERS
_MODULES = ("keras", "tensorflow.keras", "tf_keras")


def first_foreign_class(value: Any) -> str | None:
    """Return a class that a description names beside Keras's own layers, initializers and the like; None if none.

    Keras imports and calls what a description names; safe mode has had holes (CVE-2025-1550, -8747, -9905, -9906).
    So a file is handed to Keras only if it names what is listed here and nothing else.
    """
    if isinstance(value, list):
        return next((found for item in value if (found := first_foreign_class(item)) is not None), None)
    if not isinstance(value, dict):
        return None
    if "class_name" in value:
        name, module = value["class_name"], value.get("module")
        registered = value.get("registered_name")
        trusted = module is None or any(module == m or str(module).startswith(f"{m}.") for m in _MODULES)
        if not (isinstance(name, str) and name in _PLAIN and trusted and registered in (None, name)):
            return f"{module}.{name}" if module else str(name)
    return next((found for item in value.values() if (found := first_foreign_class(item)) is not None), None)
