"""Splits that are copies of each other, as texts or only once they are encoded."""

from collections.abc import Iterator

import numpy as np

from sulsul.batching import EncodedCorpus
from sulsul.doctor.quoting import percent
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding

_NEARLY_ALL = 0.9
_FEWEST = 10


def find_copied_split(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find evaluation texts whose token ids are those of training texts, row by row."""
    evaluated = [len(split.rows) for name, split in evidence.data.splits.items() if name != "train"]
    n_compared = min(max(evaluated, default=0), len(evidence.data.train.rows))
    train = evidence.data.train.encoded.select(np.arange(n_compared))
    for name, split in evidence.data.splits.items():
        if name == "train" or len(split.rows) < _FEWEST:
            continue
        n_texts = len(split.rows)
        if n_texts > n_compared or np.mean(split.encoded.lengths == train.lengths[:n_texts]) < _NEARLY_ALL:
            continue  # texts of other lengths are other texts, and lengths are quickly compared
        same = float(np.mean([a == b for a, b in zip(_rows(split.encoded), _rows(train), strict=False)]))
        if same < _NEARLY_ALL:
            continue
        yield Finding(
            check="validation-copied",
            severity="error",
            what=f"{percent(same)} of the encoded {name} texts are the first training texts, one by one.",
            why="The score is that on the training texts: a line such as X_val = pad(train) was copied.",
            remedy=f"Encode the {name} texts themselves.",
            evidence={"split": name, "equal_rows": round(same, 4), "texts": n_texts},
        )


def _rows(encoded: EncodedCorpus) -> list[bytes]:
    """Return the tokens of each text as bytes that are equal for equal tokens, in whatever corpus."""
    texts = np.split(encoded.token_ids, encoded.offsets[1:-1])
    if encoded.types is None:
        return [text.tobytes() for text in texts]
    # Ids are the corpus's own here; the rows that a word is the sum of are not. -1 ends a word.
    parts = np.split(encoded.types.part_ids, encoded.types.offsets[1:-1])
    words = [np.append(part, -1).astype(np.int32).tobytes() for part in parts]
    return [b"".join(words[token_id] for token_id in text) for text in texts]
