import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import sulsul
from sulsul import RecurrentTextClassifier
from sulsul.errors import InputError, SulsulError
from sulsul.predictor import Predictor

TEXTS = ["정말 좋다", "so good", "정말 나쁘다", "so bad"] * 8
LABELS = ["good", "good", "bad", "bad"] * 8


def tiny(**parameters: object) -> RecurrentTextClassifier:
    values = {
        "cell": "gru",
        "units": 8,
        "bidirectional": False,
        "tokenizer": "word",
        "epochs": 25,
        "learning_rate": 0.03,
        "batch_size": 8,
        "settings": {
            "ensemble.members": 1,
            "wide.kind": "none",
            "training.threads": 1,
            "model.input.size": 8,
            "model.layers.1.rate": 0.0,
            "training.patience": None,
        },
        **parameters,
    }
    return RecurrentTextClassifier(**values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> RecurrentTextClassifier:
    return tiny().fit(TEXTS, LABELS)


def test_it_learns_and_answers_in_the_labels_given(fitted: RecurrentTextClassifier) -> None:
    assert fitted.classes_.tolist() == ["bad", "good"]
    assert fitted.predict(["so good", "정말 나쁘다"]).tolist() == ["good", "bad"]
    assert fitted.score(TEXTS, LABELS) == 1.0
    probabilities = fitted.predict_proba(["so good", ""])
    assert probabilities.shape == (2, 2)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert fitted.n_iter_ == len(fitted.history_) == 25


@pytest.mark.parametrize("make", [np.array, pd.Series, pl.Series])
def test_every_collection_gives_the_same_answer(fitted: RecurrentTextClassifier, make: object) -> None:
    same = make(["so good", "so bad"])  # type: ignore[operator]
    assert fitted.predict(same).tolist() == ["good", "bad"]


def test_two_fits_are_equal_and_another_seed_is_not() -> None:
    first, again = (tiny(epochs=2, random_state=3).fit(TEXTS, LABELS).predict_proba(TEXTS) for _ in range(2))
    other = tiny(epochs=2, random_state=np.random.RandomState(4)).fit(TEXTS, LABELS).predict_proba(TEXTS)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_integer_labels_and_three_classes() -> None:
    y = [0, 0, 10, 2] * 8
    classifier = tiny().fit(TEXTS, y)
    assert classifier.classes_.tolist() == [0, 2, 10]
    assert classifier.predict(TEXTS[:4]).dtype.kind == "i"
    assert classifier.score(TEXTS, y) == 1.0


def test_an_indicator_matrix_comes_back_as_one() -> None:
    y = np.array([[1, 0], [1, 1], [0, 0], [0, 1]] * 8)
    classifier = tiny(epochs=40).fit(TEXTS, y)
    assert classifier.predict(TEXTS[:4]).tolist() == y[:4].tolist()
    assert classifier.predict_proba(TEXTS[:4]).shape == (4, 2)
    assert classifier.score(TEXTS, y) == 1.0


def test_sample_weights_decide_between_contradicting_labels() -> None:
    texts, y = ["so so"] * 40, ["bad", "good"] * 20
    weights = np.where(np.array(y) == "good", 9.0, 1.0)
    whole = {"validation_fraction": 0.0, "batch_size": 40, "epochs": 100}
    classifier = tiny(**whole).fit(texts, y, sample_weight=weights)
    assert classifier.predict_proba(["so so"])[0, 1] == pytest.approx(0.9, abs=0.02)
    even = tiny(**whole).fit(texts, y, sample_weight=2.0)
    assert even.predict_proba(["so so"])[0, 1] == pytest.approx(0.5, abs=0.02)


def test_it_works_inside_scikit_learn() -> None:
    pipeline = Pipeline(
        [("strip", FunctionTransformer(lambda X: [text.strip() for text in X])), ("rnn", tiny(epochs=15))]
    )
    search = GridSearchCV(pipeline, {"rnn__units": [6, 8], "rnn__class_weight": ["balanced"]}, cv=2)
    search.fit(TEXTS, LABELS)
    assert search.best_score_ == 1.0
    assert search.predict(["so good"]).tolist() == ["good"]
    assert cross_val_score(tiny(epochs=15), np.array(TEXTS), np.array(LABELS), cv=2).mean() == 1.0


def test_clone_is_unfitted_and_keeps_every_parameter(fitted: RecurrentTextClassifier) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(TEXTS)


def test_joblib_carries_the_network_as_bundle_bytes(fitted: RecurrentTextClassifier, tmp_path: Path) -> None:
    joblib.dump(fitted, tmp_path / "classifier.joblib")
    again = joblib.load(tmp_path / "classifier.joblib")
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert again.history_ == fitted.history_
    assert b"torch._utils" not in pickle.dumps(fitted)  # what a pickled tensor refers to


def test_a_tampered_pickle_is_refused(fitted: RecurrentTextClassifier) -> None:
    state = fitted.__getstate__()
    state["bundle_files"] = {**state["bundle_files"], "tokenizer.json": b"{}"}
    with pytest.raises(SulsulError, match="altered"):
        tiny().__setstate__(state)


def test_save_and_from_bundle(fitted: RecurrentTextClassifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "run")
    assert Predictor.load(tmp_path / "run").predict(["so good"])[0].labels == ("good",)
    again = RecurrentTextClassifier.from_bundle(tmp_path / "run")
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert again.classes_.tolist() == fitted.classes_.tolist()
    assert clone(again).fit(TEXTS, LABELS).score(TEXTS, LABELS) == 1.0


def test_warm_start_continues_from_the_last_weights() -> None:
    classifier = tiny(warm_start=True, epochs=1).fit(TEXTS, LABELS)
    first_loss = classifier.history_[0].loss
    for _ in range(15):
        classifier.fit(TEXTS, LABELS)
    assert classifier.history_[0].loss < 0.5 * first_loss
    with pytest.raises(InputError, match="other"):
        classifier.fit(TEXTS, ["good", "other"] * 16)
    with pytest.raises(InputError, match="warm_start=False"):
        classifier.set_params(units=9).fit(TEXTS, LABELS)


def test_interrupting_keeps_the_best_epoch_and_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    from sulsul.training import TrainingProgress

    def interrupt(self: object, record: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "on_epoch", interrupt)
    classifier = tiny(verbose=1)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(TEXTS, LABELS)
    assert classifier.predict(["so good"]).shape == (1,)


def test_progress_is_printed_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    tiny(epochs=1).fit(TEXTS, LABELS)
    assert capsys.readouterr() == ("", "")
    tiny(epochs=2, verbose=1).fit(TEXTS, LABELS)
    lines = capsys.readouterr().err.splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]


def test_refusals_before_training() -> None:
    with pytest.raises(InputError, match="bare string"):
        tiny().fit("so good", LABELS)
    with pytest.raises(InputError, match="no texts"):
        tiny().fit([], [])
    with pytest.raises(SulsulError, match="stratified"):
        tiny().fit(["a", "b", "c"], ["x", "y", "y"])


def test_it_has_a_notebook_representation(fitted: RecurrentTextClassifier) -> None:
    assert "RecurrentTextClassifier" in fitted._repr_html_()


def test_public_names_are_sorted_and_lazy() -> None:
    assert sulsul.__all__ == sorted(sulsul.__all__)
    for name in sulsul.__all__:
        assert getattr(sulsul, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = sulsul.other
    code = "import sys, sulsul; sys.exit(bool({'torch', 'sklearn', 'numpy', 'polars'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_ensemble_with_a_linear_part_is_fitted_saved_and_refused_further_passes(tmp_path: Path) -> None:
    settings = {"training.threads": 1, "ensemble.members": 2, "wide.kind": "linear"}
    settings |= {"calibration.temperature": "validation"}
    estimator = tiny(epochs=2, validation_fraction=0.25, settings=settings).fit(TEXTS, LABELS)
    assert len(estimator.predictor_.bundle.ensemble.members) == 2
    estimator.save(tmp_path / "run")
    assert (tmp_path / "run" / "history-2.csv").exists()
    again = RecurrentTextClassifier.from_bundle(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(TEXTS), estimator.predict_proba(TEXTS))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(estimator)).predict_proba(TEXTS), estimator.predict_proba(TEXTS)
    )
    with pytest.raises(InputError, match="one network"):
        estimator.partial_fit(TEXTS, LABELS)
    estimator.set_params(warm_start=True, settings=settings | {"ensemble.members": 3})
    with pytest.raises(InputError, match="warm_start"):
        estimator.fit(TEXTS, LABELS)
