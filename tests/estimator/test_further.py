"""``partial_fit``."""

import pickle

import numpy as np
import pytest

from sulsul import RecurrentTextClassifier
from sulsul.errors import InputError, SpecificationError, TrainingError
from sulsul.estimator.targets import checked_classes

TEXTS = ["정말 좋다", "so good", "정말 나쁘다", "so bad"] * 8
LABELS = ["good", "good", "bad", "bad"] * 8
ONE_NETWORK = {"ensemble.members": 1, "wide.kind": "none"}
EVERY_WORD = {"text.min_frequency": 1, "text.ngram_min_frequency": 1}
SETTINGS = ONE_NETWORK | EVERY_WORD | {"training.threads": 1, "model.input.size": 8, "model.layers.1.rate": 0.3}


def tiny(**parameters: object) -> RecurrentTextClassifier:
    values = {"cell": "gru", "units": 8, "bidirectional": False, "tokenizer": "word", "settings": SETTINGS}
    values |= {"learning_rate": 0.03, "batch_size": 8, "epochs": 25, **parameters}
    return RecurrentTextClassifier(**values)  # type: ignore[arg-type]


def passes(classifier: RecurrentTextClassifier, n: int) -> RecurrentTextClassifier:
    for _ in range(n):
        classifier.partial_fit(TEXTS, LABELS, classes=["good", "bad"])
    return classifier


def test_passes_add_up_to_training() -> None:
    classifier = passes(tiny(), 20)
    assert classifier.score(TEXTS, LABELS) == 1.0
    assert classifier.classes_.tolist() == ["bad", "good"]
    assert [record.epoch for record in classifier.history_] == list(range(1, 21))
    assert classifier.n_iter_ == classifier.best_epoch_ == 20
    assert classifier.history_[-1].loss < 0.5 * classifier.history_[0].loss


@pytest.mark.parametrize("backend", ["native", "torch"])
def test_a_pickle_between_two_passes_changes_nothing(backend: str) -> None:
    """The optimizer's moments, the dropout masks and the order of the batches go on where they were."""
    straight = passes(tiny(settings={**SETTINGS, "training.backend": backend}), 3)
    halted = passes(tiny(settings={**SETTINGS, "training.backend": backend}), 1)
    resumed = passes(pickle.loads(pickle.dumps(halted)), 2)
    assert np.array_equal(resumed.predict_proba(TEXTS), straight.predict_proba(TEXTS))
    assert [r.loss for r in resumed.history_] == [r.loss for r in straight.history_]


def test_the_optimizer_goes_on_and_fit_begins_it_anew() -> None:
    kept, fresh = passes(tiny(), 2), passes(tiny(), 1)
    fresh._memory = None
    passes(fresh, 1)
    assert kept.history_[1].loss != fresh.history_[1].loss
    kept.fit(TEXTS, LABELS)
    assert kept._memory is None


def test_it_goes_on_from_fit() -> None:
    classifier = tiny(settings={**SETTINGS, "training.patience": None}).fit(TEXTS, LABELS)
    n_fitted, before = classifier.n_iter_, classifier.predict_proba(TEXTS)
    classifier.partial_fit(["so good"] * 4, ["bad"] * 4)
    assert classifier.n_iter_ == n_fitted + 1
    assert classifier.predict_proba(["so good"])[0, 0] > before[1, 0]


def test_a_call_may_lack_classes_and_bring_unknown_words() -> None:
    classifier = tiny().partial_fit(["so bad"], ["bad"], classes=["good", "bad"])
    n_ids = classifier.predictor_.bundle.tokenizer.vocabulary_size
    classifier.partial_fit(["never seen words", ""], ["good", "good"])
    assert classifier.predictor_.bundle.tokenizer.vocabulary_size == n_ids
    assert classifier.predict_proba(["so good"]).shape == (1, 2)


def test_columns_of_a_matrix_are_the_classes() -> None:
    matrix = np.array([[1, 0, 1], [0, 0, 0]] * 4)
    classifier = tiny().partial_fit(["a b", "c"] * 4, matrix).partial_fit(["a b"], matrix[:1])
    assert classifier.predict(["a"]).shape == (1, 3)
    with pytest.raises(InputError, match="2 columns, but the classifier has 3"):
        classifier.partial_fit(["a"], np.array([[1, 0]]))
    with pytest.raises(InputError, match="must be a 0/1 matrix"):
        classifier.partial_fit(["a"], [1])


def test_weights_count() -> None:
    contradictory = ["so good"] * 8
    labels = ["good"] * 4 + ["bad"] * 4
    classifier = tiny()
    for _ in range(15):
        classifier.partial_fit(contradictory, labels, ["bad", "good"], sample_weight=[0.1] * 4 + [1.0] * 4)
    assert classifier.predict(["so good"]).tolist() == ["bad"]


def test_a_failed_or_interrupted_call_leaves_the_estimator_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from sulsul.training.run import Run

    classifier = passes(tiny(), 2)
    before, memory = classifier.predict_proba(TEXTS), classifier._memory

    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save_checkpoint_if_due", interrupt)
        with pytest.raises(KeyboardInterrupt):
            passes(classifier, 1)
    assert np.array_equal(classifier.predict_proba(TEXTS), before)
    assert classifier._memory is memory
    assert classifier.n_iter_ == 2
    assert np.array_equal(passes(classifier, 1).predict_proba(TEXTS), passes(tiny(), 3).predict_proba(TEXTS))


def test_refusals() -> None:
    with pytest.raises(InputError, match="classes must be passed on the first call"):
        tiny().partial_fit(TEXTS, LABELS)
    with pytest.raises(InputError, match="y holds other"):
        tiny().partial_fit(["a"], ["other"], classes=["good", "bad"])
    with pytest.raises(InputError, match="no texts"):
        tiny().partial_fit([], [], classes=["good", "bad"])
    with pytest.raises(InputError, match="compute_class_weight"):
        tiny(class_weight="balanced").partial_fit(TEXTS, LABELS, classes=["good", "bad"])
    with pytest.raises(SpecificationError, match="class_weight names"):
        tiny(class_weight={"other": 2.0}).partial_fit(TEXTS, LABELS, classes=["good", "bad"])
    classifier = passes(tiny(), 1)
    with pytest.raises(InputError, match="not the same as on the last call"):
        classifier.partial_fit(TEXTS, LABELS, classes=["good", "bad", "other"])
    with pytest.raises(InputError, match="y holds other"):
        classifier.partial_fit(["a"], ["other"])
    with pytest.raises(InputError, match="text or the model have changed"):
        classifier.set_params(units=9).partial_fit(TEXTS, LABELS)
    other = {**SETTINGS, "training.optimizer": "rmsprop"}
    with pytest.raises(TrainingError, match="adamw, whose state does not fit rmsprop"):
        classifier.set_params(units=8, settings=other).partial_fit(TEXTS, LABELS)


def test_the_learning_rate_may_change_between_calls() -> None:
    classifier = passes(tiny(), 1).set_params(learning_rate=0.01).partial_fit(TEXTS, LABELS)
    assert [record.learning_rate for record in classifier.history_] == [0.03, 0.01]


def test_warm_up_counts_the_steps_of_all_calls() -> None:
    classifier = passes(tiny(settings={**SETTINGS, "training.warmup_steps": 8, "training.schedule": "cosine"}), 3)
    assert [round(record.learning_rate, 6) for record in classifier.history_] == [0.015, 0.03, 0.03]


def test_classes_are_sorted_and_flat() -> None:
    assert checked_classes([3, 1, 2, 1]).tolist() == [1, 2, 3]
    for classes in ([["a", "b"]], ["a"], [object(), object()]):
        with pytest.raises(InputError):
            checked_classes(classes)
