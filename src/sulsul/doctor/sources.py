"""What the doctor can be pointed at: a source of texts, or the folder of a run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from sulsul.bundle import CONFIG_FILE, Bundle
from sulsul.corpora import DataSettings, Splits, SplitSettings, read_corpus, read_splits
from sulsul.doctor.around_training import check_before
from sulsul.doctor.data.evidence import DataEvidence, Rows
from sulsul.doctor.examination import Diagnosis, examine_data, examine_keras, examine_run, examine_setup
from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.keras_files.inputs import read_inputs
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.errors import BundleError, DataError, LabelError, SplitError, SulsulError, UsageError
from sulsul.files import read_bounded
from sulsul.judging import judge
from sulsul.keras_files.model_file import read_keras_model
from sulsul.preparation import PreparedData, encode_rows
from sulsul.report.record import RunRecord, Split
from sulsul.specification import RunSpecification, describe_validation_error

METRICS_FILE = "metrics.json"
_LARGEST_RECORD_BYTES = 256 * 2**20
_JUDGED: tuple[Split, ...] = ("test", "validation")


def is_run_folder(path: Path) -> bool:
    """Whether a path is a folder that ``train``, ``evaluate`` or ``compare`` left, finished or not."""
    names = (CONFIG_FILE, METRICS_FILE, "specification.toml")
    return path.is_dir() and any((path / name).is_file() for name in names)


def examine_source(data: DataSettings, split: SplitSettings, *, thorough: bool = True) -> Diagnosis:
    """Read a source and look at its texts and labels.

    Where the source has no labels, or they cannot be divided as asked, the checks that need that are left out and the
    diagnosis says why.

    Raises
    ------
    UsageError, DataError, EncodingError
        If the source cannot be read.
    """
    try:
        corpus, divided = read_splits(data, split)
    except (LabelError, SplitError, UsageError) as error:
        if isinstance(error, UsageError) and data.label is not None:
            raise
        corpus = read_corpus(data, labels="optional")
        diagnosis = examine_data(DataEvidence(corpus, {}, data, split), thorough=thorough)
        return replace(diagnosis, remarks=(f"The texts were not divided: {error}",))
    return examine_data(DataEvidence(corpus, _rows(divided), data, split), thorough=thorough)


def examine_settings(specification: RunSpecification) -> Diagnosis:
    """Look at settings alone, without data."""
    remark = "There are no data: only the settings were looked at."
    return replace(examine_setup(SetupEvidence(specification)), remarks=(remark,))


def examine_run_folder(folder: Path, *, thorough: bool = True) -> Diagnosis:
    """Look at what a run left and, if its data are still there, at those and at how it does on them.

    Raises
    ------
    BundleError
        If the folder holds neither a complete classifier nor a readable ``metrics.json``.
    """
    record = read_record(folder) if (folder / METRICS_FILE).is_file() else None
    if record is None or (folder / CONFIG_FILE).is_file():
        bundle = Bundle.load(folder)
        if record is None:
            raise BundleError(f"{folder} holds no {METRICS_FILE}: there is nothing to examine.")
        return _examine_bundle(record, bundle, thorough=thorough)
    settings = RunSpecification.parse(record.settings, where=str(folder / METRICS_FILE)) if record.settings else None
    specification = settings or RunSpecification()
    remark = f"{folder} holds no classifier: only its figures were looked at."
    return replace(examine_run(RunEvidence(record, specification), thorough=False), remarks=(remark,))


def examine_keras_file(model: Path, inputs: Path | None = None) -> Diagnosis:
    """Look at a Keras model file and, where it is given, an ``.npz`` of its inputs and labels; nothing is run.

    Raises
    ------
    BundleError
        If the model cannot be read.
    DataError
        If the inputs cannot be read.
    """
    return examine_keras(KerasEvidence(read_keras_model(model), None if inputs is None else read_inputs(inputs)))


def read_record(folder: Path) -> RunRecord:
    """Read ``metrics.json``.

    Raises
    ------
    BundleError
        If it cannot be read or is not a record.
    """
    path = folder / METRICS_FILE
    try:
        content = read_bounded(path, _LARGEST_RECORD_BYTES)
        if content is None:
            raise BundleError(f"{path} is larger than {_LARGEST_RECORD_BYTES} bytes or no plain file: not a record.")
        return RunRecord.model_validate(json.loads(content))
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise BundleError(f"{path}: {describe_validation_error(error)}") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON: {error}.") from None


def _examine_bundle(record: RunRecord, bundle: Bundle, *, thorough: bool) -> Diagnosis:
    specification = bundle.specification
    try:
        prepared = prepare_again(bundle)
    except SulsulError as error:
        found = examine_setup(SetupEvidence(specification), thorough=thorough)
        found += examine_run(RunEvidence(record, specification, bundle=bundle), thorough=False)
        return replace(found, remarks=(f"The run's data were not looked at: {error}",))
    classes, seed = bundle.labels.classes, specification.training.seed
    probabilities = {
        name: judge(
            bundle.ensemble, prepared.splits[name].encoded, prepared.texts(name), classes, seed=seed
        ).probabilities
        for name in _JUDGED
        if name in prepared.splits
    }
    evidence = RunEvidence(record, specification, probabilities, prepared, bundle)
    before = check_before(prepared, specification, bundle.classifier, thorough=thorough, trained=True)
    return before + examine_run(evidence, thorough=thorough)


def prepare_again(bundle: Bundle) -> PreparedData:
    """Read and divide the data of a run as it did, and encode them with its own tokenizer and labels."""
    specification = bundle.specification
    if specification.data.source is None:
        raise DataError("its specification names no source.")
    drop = bool(specification.pretraining.unlabelled)
    corpus, divided = read_splits(specification.data, specification.split, drop_without_label=drop)
    splits = {name: encode_rows(corpus, rows, bundle.tokenizer, bundle.labels) for name, rows in _rows(divided).items()}
    return PreparedData(corpus, bundle.tokenizer, bundle.labels, splits, divided.note)


def _rows(divided: Splits) -> dict[Split, Rows]:
    parts: dict[Split, Rows] = {"train": divided.train, "validation": divided.validation, "test": divided.test}
    return {name: np.asarray(rows) for name, rows in parts.items() if len(rows)}
