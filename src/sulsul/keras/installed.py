"""Keras on torch as it is installed, or a clear word on why it cannot be used."""

try:
    import keras
except ImportError as error:
    raise ImportError(
        f"sulsul.keras needs Keras 3 on its torch backend, and Keras cannot be imported ({error}). Install it by "
        "pip install 'sulsul[keras]', and set the environment variable KERAS_BACKEND=torch before Keras is imported."
    ) from error

if int(keras.__version__.partition(".")[0]) < 3:
    raise ImportError(
        f"sulsul.keras needs Keras 3, and Keras {keras.__version__} is installed: pip install --upgrade keras."
    )
if keras.config.backend() != "torch":
    raise ImportError(
        f"sulsul.keras computes on Keras's torch backend, and Keras was imported with {keras.config.backend()!r}. Set "
        "the environment variable KERAS_BACKEND=torch before Keras is imported: in a notebook, as its first line, "
        "import os; os.environ['KERAS_BACKEND'] = 'torch'; then restart the kernel."
    )

__all__ = ["keras"]
