from pathlib import Path

import polars as pl
import pytest
import torch
from tests.trained import write_corpus
from typer.testing import CliRunner

from sulsul.bundle import Bundle
from sulsul.cli.app import app
from sulsul.encoder import Encoder
from sulsul.errors import LabelError, SpecificationError, UsageError

SETTINGS = [
    "text.vocabulary_size=300",
    "model.input.size=4",
    "model.units=3",
    "training.epochs=2",
    "training.threads=1",
]
SETTINGS += [
    "text.min_frequency=1",
    "text.ngram_min_frequency=1",
    "pretraining.epochs=2",
    "pretraining.negatives=4",
    "pretraining.held_out=0.1",
]
OPTIONS = [part for setting in SETTINGS for part in ("--set", setting)]


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus.csv")


def without_labels(table: Path, path: Path) -> Path:
    """Write the table again, every third row without its label."""
    frame = pl.read_csv(table).with_row_index()
    label = pl.when(pl.col("index") % 3 == 0).then(None).otherwise(pl.col("label")).alias("label")
    frame.with_columns(label).drop("index").write_csv(path)
    return path


def test_pretrain_then_train_from_it(table: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    pl.DataFrame({"text": ["a text more that was kind", "and one that was slow"]}).write_ndjson(more)
    printed = run("pretrain", table, more, "-o", tmp_path / "encoder", *OPTIONS)
    assert "pretraining on 82 texts" in printed
    assert "epoch 2 · step" in printed
    assert "tokens/s" in printed
    assert "--pretrained" in printed
    assert "n-gram vectors · 10 of 10 epochs" in printed
    encoder = Encoder.load(tmp_path / "encoder")
    assert encoder.provenance["texts"] == 82
    assert encoder.ngrams is not None
    run("train", table, "--pretrained", tmp_path / "encoder", "-o", tmp_path / "run", "--no-baselines", *OPTIONS)
    bundle = Bundle.load(tmp_path / "run")
    assert bundle.specification.pretraining.encoder == str(tmp_path / "encoder")
    assert bundle.ensemble.linear is not None
    assert bundle.ensemble.linear.settings["vectors"] == 256
    features = bundle.ensemble.linear.features
    assert (features.column[encoder.ngrams.ngrams.buckets] >= 0).all()
    assert "n-gram vectors learned without labels" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_ngram_vectors_alone_leave_the_network_as_it_is(table: Path, tmp_path: Path) -> None:
    alone = ["--set", "pretraining.transfer=ngrams"]
    assert "vectors of" in run("pretrain", table, "-o", tmp_path / "encoder", *OPTIONS, *alone)
    several = ["--no-baselines", *OPTIONS]
    run("train", table, "--pretrained", tmp_path / "encoder", *alone, "-o", tmp_path / "from", *several)
    run("train", table, "--unlabelled", table, *alone, "-o", tmp_path / "on-the-way", *several)
    run("train", table, "-o", tmp_path / "without", *several)
    taken, made, without = (Bundle.load(tmp_path / name) for name in ("from", "on-the-way", "without"))
    assert taken.tokenizer.to_json() == made.tokenizer.to_json() == without.tokenizer.to_json()
    for bundle in (taken, made):
        assert bundle.ensemble.linear is not None
        assert bundle.ensemble.linear.settings["vectors"] == 256
        for one, other in zip(bundle.ensemble.members, without.ensemble.members, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    run("doctor", tmp_path / "from", "--quick")


def test_rows_without_a_label_serve_to_pretrain(table: Path, tmp_path: Path) -> None:
    partial = without_labels(table, tmp_path / "partial.csv")
    with pytest.raises(LabelError, match=r"no label \(27 such row\(s\)\).*--unlabelled"):
        run("train", partial, "-o", tmp_path / "refused", *OPTIONS)
    printed = run("train", partial, "--unlabelled", table, "-o", tmp_path / "run", "--no-baselines", *OPTIONS)
    assert "27 of the rows without a label" in printed
    assert "of the validation and test splits, kept back" in printed
    assert "27 without a label, left out" in printed
    assert (tmp_path / "run" / "encoder" / "encoder.json").exists()
    bundle = Bundle.load(tmp_path / "run")
    assert bundle.specification.pretraining.unlabelled == (str(table),)
    assert bundle.data["rows"]["train"] < 53  # type: ignore[index,call-overload,operator]
    run("doctor", tmp_path / "run", "--quick")


def test_no_text_that_judges_is_pretrained_on(table: Path, tmp_path: Path) -> None:
    run("train", table, "--unlabelled", table, "-o", tmp_path / "run", "--no-baselines", *OPTIONS)
    bundle = Bundle.load(tmp_path / "run")
    texts = bundle.data["encoder"]["texts"]  # type: ignore[index,call-overload]
    assert texts == bundle.data["rows"]["train"]  # type: ignore[index,call-overload]
    known = set(bundle.tokenizer.vocabulary())
    every = {word for text in pl.read_csv(table)["text"] for word in text.split() if word.startswith("only")}
    assert len(every - known) == 80 - texts  # type: ignore[operator]


def test_what_cannot_go_together_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="exclude each other"):
        run("train", table, "--unlabelled", table, "--pretrained", tmp_path / "e", *OPTIONS)
    with pytest.raises(UsageError, match="trains every network from scratch"):
        run("compare", table, "--set", "pretraining.encoder=e", "-o", tmp_path / "c")
    with pytest.raises(SpecificationError, match="only `sulsul train` pretrains"):
        run("doctor", table, "--recipe", "default", "--set", f'pretraining.unlabelled=["{table}"]')
