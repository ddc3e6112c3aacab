"""An exported network run in ONNX Runtime."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.errors import UsageError
from sulsul.inference import MAX_BATCH_TOKENS, batches_by_length
from sulsul.text import WordTypes

_BATCH_SIZE = 256


def require_onnx() -> None:
    """Refuse to go on without the packages of the ``onnx`` extra.

    Raises
    ------
    UsageError
        If one of them is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"exporting needs onnx and onnxruntime ({error}). Install them: pip install 'sulsul[onnx]'"
        ) from error
    del onnx, onnxruntime


def logits_in_onnx_runtime(model: bytes, encoded: EncodedCorpus) -> npt.NDArray[np.float32]:
    """Return the logits (B, L) that ONNX Runtime computes on one thread of the CPU for a serialised model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rows: list[npt.NDArray[np.int64]] = batches_by_length(encoded.lengths, _BATCH_SIZE, MAX_BATCH_TOKENS)
    answers = [_run(session.run, encoded, batch) for batch in rows]
    logits: npt.NDArray[np.float32] = np.concatenate(answers)[np.argsort(np.concatenate(rows))]
    return logits


def _run(
    run: Callable[[list[str], dict[str, Any]], list[Any]], encoded: EncodedCorpus, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    lengths = encoded.lengths[rows]
    token_ids = np.zeros((len(rows), int(lengths.max())), np.int64)
    for padded, row, length in zip(token_ids, rows, lengths, strict=True):
        start = encoded.offsets[row]
        padded[:length] = encoded.token_ids[start : start + length]
    inputs = {"token_ids": token_ids, "lengths": lengths}
    if encoded.types is not None:
        met, ids = np.unique(token_ids, return_inverse=True)
        inputs |= {"token_ids": ids.reshape(token_ids.shape), "parts": padded_parts(encoded.types.select(met))}
    logits: npt.NDArray[np.float32] = run(["logits"], inputs)[0]
    return logits


def padded_parts(types: WordTypes) -> npt.NDArray[np.int64]:
    """Return the parts of every type as a row, filled up with -1, shape (U, P)."""
    counts = np.diff(types.offsets)
    parts = np.full((len(counts), int(counts.max(initial=0))), -1, np.int64)
    parts[np.arange(parts.shape[1]) < counts[:, None]] = types.part_ids
    return parts
