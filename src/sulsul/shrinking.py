"""A trained classifier in fewer bytes: tables in 8 bits a number, and only the rows that matter most."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sulsul.bundle import Bundle, CompactEntry
from sulsul.doctor.sources import prepare_again
from sulsul.ensemble import Ensemble
from sulsul.errors import DataError, OutputError, UsageError
from sulsul.evaluation.linear_pruning import prune_linear
from sulsul.evaluation.result import Evaluation
from sulsul.fitting import calibrate
from sulsul.judging import judge
from sulsul.model.classifier import Classifier
from sulsul.model.row_quantization import dequantize_rows, quantize_rows
from sulsul.preparation import PreparedData, PreparedSplit, encode_rows
from sulsul.report.record import Split

# Below so many numbers a parameter stays as it is: 8 bits would save less than it costs to say so.
_SMALLEST_TABLE = 4_096
# Share of the size that the linear part may take, where there is one.
# At 2 MB on NSMC: a quarter gave 0.8718 on validation, a half 0.8749, three quarters 0.8727.
_LINEAR_SHARE = 0.5
# A linear feature is its bucket (4 bytes), its document frequency and a weight for each column (2 bytes each).
_BUCKET_BYTES, _HALF_BYTES, _SCALE_BYTES = 4, 2, 4
# The files' own headers, and what the estimate of a token's bytes in tokenizer.json may miss.
_SLACK_BYTES = 1_024
_ROW_KINDS = frozenset({"embedding", "summed-embedding", "one-hot"})


@dataclass(frozen=True)
class Scores:
    """Scores of one split before and after."""

    split: Split
    before: Evaluation
    after: Evaluation


@dataclass(frozen=True)
class Shrunk:
    """What shrinking did.

    Attributes
    ----------
    size_before, size_after
        Bytes of the files that predictions need.
    rows_before, rows_after
        Rows of the input's table.
    features_before, features_after
        N-grams of the linear part; 0 without one.
    scores
        Of the splits that were not trained on.
    """

    size_before: int
    size_after: int
    rows_before: int
    rows_after: int
    features_before: int
    features_after: int
    scores: tuple[Scores, ...]


def size_of(folder: Path) -> int:
    """Return the bytes of the files of a bundle that predictions need."""
    names = ("model.safetensors", "tokenizer.json", "config.json", "linear.safetensors")
    return sum((folder / name).stat().st_size for name in names if (folder / name).exists())


def shrink_run(run: Path, output: Path, *, size_bytes: int | None = None, source: str | None = None) -> Shrunk:
    """Write a smaller copy of a trained classifier and judge both on what was not trained on.

    Every large table is kept in 8 bits a number. For a size, rows of the input's table (words, n-grams) and n-grams of
    the linear part are left out, those first that move answers least; then weight, temperature and threshold are fitted
    anew on the validation split.

    Parameters
    ----------
    run
        Folder of a finished run, whose data must still be readable.
    output
        The new folder.
    size_bytes
        Most bytes of the files that predictions need; None: leave nothing out.
    source
        Where the run's data are, if they have moved.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    BundleError
        If the run cannot be read.
    DataError
        If its data cannot be read, or are others than it was trained on.
    UsageError
        If the size cannot be reached.
    """
    if output.exists():
        raise OutputError(f"{output} exists already; choose another folder.")
    bundle = Bundle.load(run)
    data = _data_of(bundle, source)
    small = shrink(bundle, data, size_bytes=size_bytes)
    small.save(output)
    read_back = Bundle.load(output)
    return Shrunk(
        size_before=size_of(run),
        size_after=size_of(output),
        rows_before=bundle.tokenizer.vocabulary_size,
        rows_after=small.tokenizer.vocabulary_size,
        features_before=_n_features(bundle),
        features_after=_n_features(small),
        scores=_scores(bundle, read_back, data),
    )


def shrink(bundle: Bundle, data: PreparedData, *, size_bytes: int | None) -> Bundle:
    """Return a smaller classifier in memory; see :func:`shrink_run`."""
    ensemble, tokenizer = bundle.ensemble, bundle.tokenizer
    tables = _tables(bundle.classifier)
    if size_bytes is not None:
        linear_bytes = 0
        linear = ensemble.linear
        if linear is not None:
            per_feature = _BUCKET_BYTES + _HALF_BYTES * (1 + linear.weights.shape[1])
            linear = prune_linear(linear, int(_LINEAR_SHARE * size_bytes) // per_feature)
            linear_bytes = per_feature * linear.features.n_features
        rows = _rows_within(bundle, data, size_bytes - linear_bytes, tables)
        tokenizer = tokenizer.keep_rows(rows)
        members = tuple(_with_rows(member, rows, tables) for member in ensemble.members)
        ensemble = replace(ensemble, members=members, linear=linear)
    else:
        members = tuple(_with_rows(member, None, tables) for member in ensemble.members)
        ensemble = replace(ensemble, members=members)
    small = replace(
        bundle,
        ensemble=ensemble,
        tokenizer=tokenizer,
        compact=CompactEntry(tables=tables, linear=ensemble.linear is not None),
    )
    return _calibrated(small, data) if "validation" in data.splits else small


def _data_of(bundle: Bundle, source: str | None) -> PreparedData:
    specification = bundle.specification
    if source is not None:
        moved = specification.data.model_copy(update={"source": source})
        specification = specification.model_copy(update={"data": moved})
    try:
        data = prepare_again(replace(bundle, specification=specification))
    except DataError as error:
        raise DataError(f"the run's data are needed to weigh and to judge, and could not be read: {error}") from error
    if data.corpus.fingerprint != bundle.data.get("fingerprint"):
        raise DataError(
            f"{data.corpus.source} is not what the run was trained on (its fingerprint differs), so its validation "
            "rows cannot be told from its training rows; name the same data with --data."
        )
    return data


def _tables(classifier: Classifier) -> tuple[str, ...]:
    """Return the names of the parameters that are worth 8-bit rows."""
    return tuple(
        name
        for name, tensor in classifier.state_dict().items()
        if tensor.ndim == 2 and tensor.numel() >= _SMALLEST_TABLE and tensor.dtype == torch.float32
    )


def _row_tables(classifier: Classifier) -> tuple[str, ...]:
    """Return the names of the parameters that have a row for each row of the vocabulary."""
    kind = classifier.specification.input.kind
    if kind not in _ROW_KINDS:
        return ()
    if kind == "one-hot":
        return tuple(
            name
            for name in classifier.state_dict()
            if name.startswith("layers.0.") and name.endswith("direction.kernel")
        )
    return ("input.weight",)


def _rows_within(bundle: Bundle, data: PreparedData, size_bytes: int, tables: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rows to keep, rising, so that networks and tokenizer take at most so many bytes."""
    members, tokenizer = bundle.ensemble.members, bundle.tokenizer
    row_tables = _row_tables(members[0])
    if not row_tables:
        raise UsageError("this network has no table of words to leave rows out of; leave --size out.")
    state = members[0].state_dict()
    per_row = len(members) * sum(
        state[name].shape[1] + _SCALE_BYTES if name in tables else 4 * state[name].shape[1] for name in row_tables
    )
    rest = len(members) * sum(
        _stored_bytes(tensor, name in tables) for name, tensor in state.items() if name not in row_tables
    )
    names = tokenizer.vocabulary()
    fixed = _fixed_rows(tokenizer.n_fixed_rows, bundle)
    order = _by_importance(bundle, data, row_tables, fixed)
    name_bytes = np.array([len(json.dumps(names[row], ensure_ascii=False).encode()) + 8 for row in order.tolist()])
    needed = np.cumsum(per_row + name_bytes)
    others = rest + _other_bytes(bundle)
    n_rows = int(np.searchsorted(needed, size_bytes - others, side="right"))
    if n_rows < len(fixed):
        least = others + int(needed[max(0, len(fixed) - 1)])
        raise UsageError(f"--size: this classifier takes {least:,} bytes without a single word; ask for more.")
    return np.sort(order[:n_rows])


def _fixed_rows(n_fixed: int, bundle: Bundle) -> npt.NDArray[np.int64]:
    """Return the rows that must stay: the reserved ones, and hashed buckets or dependent pieces behind them."""
    n_reserved = len(bundle.specification.text.reserved)
    n_rows = bundle.tokenizer.vocabulary_size
    return np.concatenate([np.arange(n_reserved), np.arange(n_rows - (n_fixed - n_reserved), n_rows)])


def _by_importance(
    bundle: Bundle, data: PreparedData, row_tables: Sequence[str], fixed: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return all rows, those that must stay first, then falling by how much leaving them out changes what is read.

    That is the squared length of the row times how often the training texts read it: the summed squared change of the
    network's inputs.
    """
    squares = sum(
        torch.linalg.vector_norm(member.state_dict()[name], dim=1) ** 2
        for member in bundle.ensemble.members
        for name in row_tables
    )
    assert isinstance(squares, torch.Tensor)
    importance = squares.double().numpy() * row_counts(data, bundle.tokenizer.vocabulary_size)
    importance[fixed] = np.inf
    return np.argsort(-importance, kind="stable").astype(np.int64)


def row_counts(data: PreparedData, n_rows: int) -> npt.NDArray[np.float64]:
    """Return how often (V,) the training texts read each row of the table."""
    encoded = data.train.encoded
    if encoded.types is None:
        return np.bincount(encoded.token_ids, minlength=n_rows).astype(np.float64)
    of_type = np.bincount(encoded.token_ids, minlength=len(encoded.types))
    of_part = np.repeat(of_type, np.diff(encoded.types.offsets))
    return np.bincount(encoded.types.part_ids, of_part, minlength=n_rows).astype(np.float64)


def _stored_bytes(tensor: torch.Tensor, is_table: bool) -> int:
    if is_table:
        return tensor.numel() + _SCALE_BYTES * tensor.shape[0]
    return tensor.numel() * tensor.element_size()


def _other_bytes(bundle: Bundle) -> int:
    """Return a bound on the bytes of ``config.json``, of the tokenizer but for its vocabulary, and of headers."""
    specification = bundle.specification.model_dump_json(indent=1)
    n_names = sum(len(member.state_dict()) for member in bundle.ensemble.members)
    return 2 * len(specification.encode()) + 200 * n_names + 60 * len(bundle.labels.classes) + 4 * _SLACK_BYTES


def _with_rows(classifier: Classifier, rows: npt.NDArray[np.int64] | None, tables: Sequence[str]) -> Classifier:
    """Return a network with some rows of its input, its tables rounded as they will be read back."""
    state: Mapping[str, torch.Tensor] = classifier.state_dict()
    row_tables = _row_tables(classifier) if rows is not None else ()
    kept = {
        name: tensor[torch.from_numpy(rows)] if rows is not None and name in row_tables else tensor.clone()
        for name, tensor in state.items()
    }
    rounded = {
        name: dequantize_rows(quantize_rows(tensor)) if name in tables else tensor for name, tensor in kept.items()
    }
    with torch.device("meta"):
        small = Classifier(
            classifier.specification,
            vocabulary_size=classifier.vocabulary_size if rows is None else len(rows),
            n_classes=classifier.n_classes,
            multi_label=classifier.multi_label,
            pad_to=classifier.pad_to,
            backend=classifier.backend,
        )
    small.load_state_dict(rounded, assign=True)
    return small.eval()


def _encoded_for(bundle: Bundle, data: PreparedData) -> PreparedData:
    splits: dict[Split, PreparedSplit] = {
        name: encode_rows(data.corpus, split.rows, bundle.tokenizer, bundle.labels)
        for name, split in data.splits.items()
        if name != "train"
    }
    return replace(data, tokenizer=bundle.tokenizer, splits=splits)


def _calibrated(bundle: Bundle, data: PreparedData) -> Bundle:
    """Fit anew what was fitted on the validation split."""
    ensemble = calibrate(bundle.ensemble, bundle.specification, _encoded_for(bundle, data))
    return replace(bundle, ensemble=ensemble)


def _n_features(bundle: Bundle) -> int:
    linear = bundle.ensemble.linear
    return 0 if linear is None else linear.features.n_features


def _scores(before: Bundle, after: Bundle, data: PreparedData) -> tuple[Scores, ...]:
    small = _encoded_for(after, data)
    return tuple(
        Scores(name, _evaluated(before.ensemble, data, name), _evaluated(after.ensemble, small, name))
        for name in ("validation", "test")
        if name in data.splits
    )


def _evaluated(ensemble: Ensemble, data: PreparedData, split: Split) -> Evaluation:
    return judge(ensemble, data.splits[split].encoded, data.texts(split), data.labels.classes).evaluation
