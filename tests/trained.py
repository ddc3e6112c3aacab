"""A small corpus and a classifier trained on it in a second, for tests that need a finished run."""

from pathlib import Path

from sulsul.experiment import Outcome, run_experiment
from sulsul.specification import RunSpecification

_ROWS = (
    ("문의가 정말 좋았다", "good"),
    ("the staff was kind and quick", "good"),
    ("추천합니다", "good"),
    ("설명이 좋고 빠르다", "good"),
    ("문의가 정말 나빴다", "bad"),
    ("the staff was rude and slow", "bad"),
    ("다시는 안 갑니다", "bad"),
    ("설명이 없고 느리다", "bad"),
)
SETTINGS = {
    "name": "tiny",
    "data": {"text": ["text"], "label": "label", "id": "id"},
    "split": {"validation": 0.25, "test": 0.25},
    "text": {"vocabulary_size": 200},
    "model": {"input": {"kind": "embedding", "size": 4}, "layers": [{"kind": "gru", "units": 3}]},
    "training": {"epochs": 2, "learning_rate": 0.01, "threads": 1},
}


def write_corpus(path: Path, copies: int = 10) -> Path:
    """Write eight texts so many times, each with a word of its own."""
    lines = ["id,text,label"]
    for copy in range(copies):
        lines += [f"t{copy}-{k},{text} only{copy}in{k},{label}" for k, (text, label) in enumerate(_ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tiny_specification(source: Path, **sections: dict[str, object]) -> RunSpecification:
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in SETTINGS.items()}
    values["data"] |= {"source": str(source)}  # type: ignore[operator]
    for section, update in sections.items():
        values[section] = values.get(section, {}) | update  # type: ignore[operator]
    return RunSpecification.parse(values, where="test")


def tiny_run(folder: Path, **sections: dict[str, object]) -> Outcome:
    source = write_corpus(folder / "corpus.csv")
    return run_experiment(tiny_specification(source, **sections), folder / "run", command="sulsul train corpus.csv")
