"""Texts to judge on that the encoder was pretrained on."""

from collections.abc import Iterator

from sulsul.doctor.quoting import count, percent, row_numbers
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding


def find_pretrained_on_judged(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find validation and test texts that an encoder has read, though without their labels."""
    encoder = evidence.data.encoder
    if encoder is None:
        return
    for name, split in evidence.data.splits.items():
        if name == "train":
            continue
        rows = split.rows[encoder.was_read(evidence.data.texts(name))]
        if not len(rows):
            continue
        said = f"{count(len(rows), f'{name} text')} ({percent(len(rows) / len(split.rows))})"
        yield Finding(
            check="pretrained-on-test",
            severity="warning",
            what=f"{said} were among those that the encoder was pretrained on.",
            why="It has not seen their labels, but it knows their words and phrases, as it will not know those of "
            "texts to come: the score is flattered.",
            remedy="Pretrain on other texts: `sulsul train DATA --unlabelled FILE` keeps back what it judges on.",
            evidence={"split": name, "texts": len(rows), "rows": row_numbers(evidence.data.corpus, rows)},
        )
