"""Every error a user can meet, in one tree.

A message says what was wrong, where (file, row, column, key) and what to do about it. The command line prints the
message alone and exits with :attr:`SulsulError.exit_code`.
"""


class SulsulError(Exception):
    """The data, the model or the environment was refused."""

    exit_code = 1


class UsageError(SulsulError):
    """The call itself was wrong: an option, an argument or a combination of them."""

    exit_code = 2


class DataError(SulsulError):
    """A table, file or folder of texts cannot be used as it is."""


class InputError(DataError, ValueError):
    """Texts or labels handed over in Python cannot be used; also a ``ValueError``, which scikit-learn expects."""


class EncodingError(DataError):
    """The bytes of a file are not text in any encoding that was tried."""


class SplitError(DataError):
    """The rows cannot be split as asked."""


class DatasetError(DataError):
    """A named data set could not be fetched or does not match its checksum."""


class LabelError(DataError):
    """A label is missing, unknown to the model, or there are too few classes."""


class SpecificationError(SulsulError):
    """A specification or setting is malformed, unknown or impossible."""


class TokenizerError(SulsulError):
    """A tokenizer could not be built, read or applied."""


class KernelError(SulsulError):
    """The native recurrence cannot run what was asked of it."""


class TrainingError(SulsulError):
    """Training cannot go on: the loss is not a number, or there is nothing to train on."""


class InterruptedRunError(TrainingError):
    """A run was interrupted before it had a result; its state is saved."""

    exit_code = 130


class WorkerLostError(TrainingError):
    """A process that trained along is gone; the last checkpoint stands."""


class BundleError(SulsulError):
    """A saved classifier is incomplete, altered, or of a version that cannot be read."""


class OutputError(SulsulError):
    """A result cannot be written: the folder exists, is read-only, or the disk is full."""
