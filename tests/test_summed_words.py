"""Words that are sums of n-grams, through everything a classifier is used for."""

import asyncio
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tests.trained import tiny_run, tiny_specification

from sulsul import RecurrentTextClassifier
from sulsul.bundle import CONFIG_FILE
from sulsul.comparison import build_contenders, run_comparison
from sulsul.corpora import DataSettings
from sulsul.errors import BundleError
from sulsul.evaluating import evaluate_source
from sulsul.experiment import Listener, Outcome, run_experiment
from sulsul.explanation import METHODS, explain, explain_corpus
from sulsul.predictor import Predictor
from sulsul.report.page import render_report
from sulsul.serving.batcher import MicroBatcher
from sulsul.serving.settings import ServingSettings
from sulsul.training.checkpoint import corpora_fingerprint
from sulsul.training.history import EpochRecord

SECTIONS: dict[str, dict[str, object]] = {
    "text": {"ngrams": [1, 3]},
    "model": {"input": {"kind": "summed-embedding", "size": 4, "initial_limit": 0.05}},
    "training": {"epochs": 3, "learning_rate": 0.03},
}
TEXTS = ["설명이 좋았습니다", "the rudest staff", "", "ξψ", "나빴다 느리다"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("summed")
    return folder, tiny_run(folder, **SECTIONS)


@pytest.fixture(scope="module")
def predictor(trained: tuple[Path, Outcome]) -> Predictor:
    return Predictor.load(trained[0] / "run")


def test_a_saved_run_predicts_and_is_judged_as_it_was(trained: tuple[Path, Outcome], predictor: Predictor) -> None:
    folder, outcome = trained
    expected = Predictor(outcome.bundle).probabilities(TEXTS)
    assert np.array_equal(predictor.probabilities(TEXTS), expected)
    alone = np.concatenate([predictor.probabilities([text]) for text in TEXTS])
    assert alone == pytest.approx(expected, abs=1e-6)
    record, _ = evaluate_source(
        predictor, DataSettings(source=str(folder / "corpus.csv"), text=("text",), label="label"), command="evaluate"
    )
    assert record.text.ngrams == (1, 3)
    assert "Words read by their n-grams alone" in render_report(record)
    assert record.text.vocabulary_size == predictor.bundle.tokenizer.vocabulary_size
    assert record.model is not None
    assert record.model.layers[0].name == "summed_embedding (SummedEmbedding)"


def test_an_unseen_word_is_read_by_its_ngrams(predictor: Predictor) -> None:
    seen, kin, nothing = predictor.probabilities(["좋았다", "좋았습니다", "ξψ"])
    assert not np.array_equal(kin, nothing)
    assert not np.array_equal(kin, seen)


def test_a_bundle_whose_table_does_not_fit_is_refused(trained: tuple[Path, Outcome], tmp_path: Path) -> None:
    run, copy = trained[0] / "run", tmp_path / "run"
    copy.mkdir()
    for path in run.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    config["specification"]["text"]["ngrams"] = [1, 2]
    (copy / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BundleError, match="other lengths than 1 to 2"):
        Predictor.load(copy)


def test_settings_that_older_bundles_lack_are_optional(finished_run: Path, tmp_path: Path) -> None:
    for path in (finished_run / "run").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / CONFIG_FILE).read_text(encoding="utf-8"))
    for name in ("ngrams", "ngram_vocabulary_size", "ngram_min_frequency", "ngram_buckets"):
        del config["specification"]["text"][name]
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    assert Predictor.load(tmp_path).bundle.specification.text.ngrams is None


def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path: Path, trained: tuple[Path, Outcome]) -> None:
    epochs: list[EpochRecord] = []
    specification = tiny_specification(trained[0] / "corpus.csv", **SECTIONS)
    listener = Listener(on_epoch=epochs.append, stop_requested=lambda: bool(epochs))
    outcome = run_experiment(specification, tmp_path / "run", command="train", listener=listener)
    assert outcome.record.training is not None
    assert outcome.record.training.stopped == "interrupted"
    run_experiment(specification, tmp_path / "run", command="train", resume=True)
    name = "model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (trained[0] / "run" / name).read_bytes()


def test_the_fingerprint_of_a_run_sees_the_types(trained: tuple[Path, Outcome]) -> None:
    encoded = trained[1].data.train.encoded
    assert encoded.types is not None
    part_ids = encoded.types.part_ids.copy()
    part_ids[-1] += 1
    other = dataclasses.replace(encoded, types=dataclasses.replace(encoded.types, part_ids=part_ids))
    assert corpora_fingerprint(encoded) != corpora_fingerprint(other)


def test_the_server_answers_as_the_predictor(predictor: Predictor) -> None:
    async def answers() -> list[tuple[float, ...]]:
        batcher = MicroBatcher(predictor, ServingSettings(max_batch_texts=2), lambda report: None)
        batcher.start()
        try:
            given = await asyncio.gather(*(batcher.predict([text]) for text in TEXTS))
        finally:
            await batcher.close()
        return [answer.prediction.probabilities for (answer,) in given]

    assert asyncio.run(answers()) == [pytest.approx(row, abs=1e-6) for row in predictor.probabilities(TEXTS).tolist()]


def test_a_comparison_has_its_controls(tmp_path: Path, trained: tuple[Path, Outcome]) -> None:
    contenders = build_contenders([tiny_specification(trained[0] / "corpus.csv", **SECTIONS)], ["gru"])
    comparison = run_comparison(contenders, tmp_path / "run", command="compare").comparison
    assert comparison is not None
    assert {"gru", "gru without recurrence", "gru on shuffled words"} <= {row.name for row in comparison.rows}


def test_the_estimator_takes_them_as_settings() -> None:
    settings = {"training.threads": 1, "text.ngrams": [1, 3], "model.input.kind": "summed-embedding"}
    classifier = RecurrentTextClassifier(units=4, epochs=20, tokenizer="word", settings=settings)
    classifier.fit(["so good", "so bad", "very good", "very bad"] * 5, ["pos", "neg"] * 10)
    assert classifier.predict(["good", "bad", "goods"]).tolist() == ["pos", "neg", "pos"]


@pytest.mark.parametrize("method", METHODS)
def test_every_word_is_explained_by_its_own_name(predictor: Predictor, method: str) -> None:
    explanation = explain(predictor, "설명이 The 좋았습니다 ξψ", method=method)  # type: ignore[arg-type]
    assert [token.token for token in explanation.tokens] == ["설명이", "the", "좋았습니다", "[OOV]"]
    assert all(token.influence != 0.0 for token in explanation.tokens[:3])
    assert explanation.faithfulness is not None


def test_many_texts_are_explained(predictor: Predictor) -> None:
    texts = ["설명이 좋고 빠르다", "설명이 없고 느리다", "정말 좋았다"] * 3
    found = explain_corpus(predictor, texts)
    assert {entry.word for entries in found.words.values() for entry in entries} <= {
        word for text in texts for word in text.split()
    }
    assert found.n_texts == len(texts)
