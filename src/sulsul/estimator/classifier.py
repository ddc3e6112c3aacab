"""A recurrent text classifier that keeps scikit-learn's contract."""

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sulsul.bundle import Bundle
from sulsul.choices import settle
from sulsul.ensemble import Ensemble
from sulsul.errors import InputError
from sulsul.estimator.further import (
    check_class_weight,
    check_plain,
    first_targets,
    further_targets,
    memory_from_bytes,
    memory_to_bytes,
)
from sulsul.estimator.preparing import continuing, in_classes, prepared, weighted
from sulsul.estimator.settings import specification_of
from sulsul.estimator.targets import checked_targets, checked_weights
from sulsul.estimator.texts import checked_texts
from sulsul.experiment import provenance
from sulsul.fitting import (
    FittedEnsemble,
    build_classifier,
    fit_ensemble,
    fit_wide_part,
    history_files,
)
from sulsul.model.classifier import Classifier
from sulsul.predictor import Predictor
from sulsul.preparation import PreparedData
from sulsul.specification import RunSpecification
from sulsul.training import EpochRecord, MembersListener, PassMemory, TrainingProgress, train_pass

_BUNDLE_KEY = "bundle_files"
_MEMORY_KEY = "pass_memory"


class RecurrentTextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify texts with a recurrent network; texts in, labels out.

    A parameter that is None keeps what ``recipe`` says. Tokenizer and vocabulary are learned in ``fit``, so
    cross-validation leaks nothing.

    Parameters
    ----------
    cell : str, optional
        Cell of every recurrent layer: ``simple-rnn``, ``gru`` or ``lstm``, which the default recipe says.
    units : int, optional
        Hidden units of every recurrent layer (64).
    num_layers : int, optional
        Number of recurrent layers (1).
    bidirectional : bool, optional
        Whether they also read backwards (True).
    tokenizer : str, optional
        What a token is: ``word``, ``char``, ``subword`` or ``morpheme`` (``subword``).
    vocabulary_size : int, optional
        Number of token ids, reserved ones included (8000).
    epochs : int, optional
        Most passes over the texts (8).
    learning_rate : float, optional
        Largest step size (2e-3).
    batch_size : int, optional
        Texts per step (32).
    validation_fraction : float, optional
        Share of the texts kept aside, stratified, to choose the best epoch (0.1); 0 uses all texts for training and
        lets the training loss choose.
    class_weight : "balanced" or dict, optional
        As in scikit-learn: weights of the classes in the loss.
    recipe : str or RunSpecification
        Everything else: a recipe's name (``sulsul recipe list``) or a specification. Its data settings are not used.
    settings : dict, optional
        Any setting by name, such as ``{"training.clip_norm": 1.0, "model.pooling": "last"}``.
    warm_start : bool
        Let ``fit`` continue from the weights of the last one, with its tokenizer and classes.
    random_state : int, RandomState or None
        Seed of weights, batches and split. None keeps the recipe's fixed seed: two fits are equal to the byte.
    verbose : int
        1 prints a line per epoch, and on a terminal a live bar, on standard error; in Jupyter one output is redrawn.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
        The labels, sorted.
    predictor_ : Predictor
        The trained network with its tokenizer.
    history_ : list of EpochRecord
        One record per epoch of the last fit, and per ``partial_fit`` since.
    n_iter_ : int
        Number of these records.
    best_epoch_ : int
        Which of them left the weights that were kept, from 1.
    specification_ : RunSpecification
        What the parameters came to.

    Examples
    --------
    >>> texts, labels = ["so good", "so bad", "very good", "very bad"] * 5, ["pos", "neg"] * 10
    >>> classifier = RecurrentTextClassifier(units=4, epochs=30, settings={"training.threads": 1}).fit(texts, labels)
    >>> classifier.predict(["good", "bad"]).tolist()
    ['pos', 'neg']
    """

    classes_: npt.NDArray[Any]
    predictor_: Predictor
    specification_: RunSpecification
    history_: list[EpochRecord]
    n_iter_: int
    best_epoch_: int
    _memory: PassMemory | None

    def __init__(
        self,
        *,
        cell: str | None = None,
        units: int | None = None,
        num_layers: int | None = None,
        bidirectional: bool | None = None,
        tokenizer: str | None = None,
        vocabulary_size: int | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        validation_fraction: float | None = None,
        class_weight: Any = None,
        recipe: str | RunSpecification = "default",
        settings: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.tokenizer = tokenizer
        self.vocabulary_size = vocabulary_size
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.recipe = recipe
        self.settings = settings
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn tokenizer and network from labelled texts.

        Ctrl-C keeps the best epoch so far, if there is one, in the estimator, and is then raised again.

        Parameters
        ----------
        X
            Texts: a list, a NumPy array, or a pandas or Polars series of str. An empty text is legal.
        y
            A label per text, or a 0/1 matrix (B, C) for texts with any number of labels.
        sample_weight : shape (B,), optional
            How much the training loss counts each text; validation figures count all texts the same.

        Raises
        ------
        InputError
            If texts, labels or weights cannot be used; also a ``ValueError``.
        SpecificationError
            If a parameter is refused.
        SulsulError
            As splitting, tokenizing and training do.
        """
        texts = _some_texts(X)
        targets = checked_targets(y, len(texts))
        weights = checked_weights(sample_weight, len(texts))
        continued = self.predictor_ if self.warm_start and hasattr(self, "predictor_") else None
        specification = specification_of(self.get_params(deep=False), seed=self._seed())
        if continued is None:
            data = prepared(texts, targets, specification, None)
            specification, _ = settle(specification, data.facts)
            networks: tuple[Classifier, ...] = ()
            classes = targets.classes
        else:
            specification = continuing(specification, continued)
            data = prepared(texts, in_classes(targets, self.classes_, continued), specification, continued)
            specification, _ = settle(specification, data.facts)
            networks, classes = continued.bundle.ensemble.members, self.classes_
        if weights is not None:
            data = weighted(data, weights)
        with self._progress() as progress:
            fitted = _fit(networks, data, specification, progress)
        if fitted.results[0].history:
            bundle = Bundle(fitted.ensemble, data.tokenizer, data.labels, specification, provenance(data))
            self._adopt(Predictor(bundle))
            self._remember([result.history for result in fitted.results], best_epoch=fitted.results[0].kept_epoch)
            self.classes_ = classes
        if fitted.stopped == "interrupted":
            raise KeyboardInterrupt
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one more pass over these texts, once each, whatever ``epochs`` says.

        The first call learns the tokenizer and its vocabulary, so let its texts be many and typical: what later calls
        bring in addition is cut into smaller pieces or unknown. After ``fit`` or :meth:`from_bundle` a call goes on
        from that network. The optimizer's state is kept from call to call, in a pickle too, but ``fit`` and
        :meth:`save` drop it. The learning rate is constant, no text is held out and the last weights stay, because the
        end is unknown, and nothing is calibrated. ``learning_rate`` and ``batch_size`` may change between calls, text
        and model may not. A call that fails or is interrupted leaves the estimator as it was. ``history_`` gains one
        record.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`; a call may lack classes.
        classes
            All labels that any call may hold: needed by the first call, unless ``y`` is a 0/1 matrix.

        Raises
        ------
        InputError
            If texts, labels, classes or weights cannot be used, or parameters of the text or model have changed.
        SpecificationError
            If a parameter is refused.
        SulsulError
            As tokenizing and training do.
        """
        texts = _some_texts(X)
        check_class_weight(self.class_weight)
        continued: Predictor | None = getattr(self, "predictor_", None)
        if continued is None:
            targets = first_targets(y, len(texts), classes)
        else:
            multi_label = continued.multi_label
            targets = further_targets(y, len(texts), classes, self.classes_, multi_label=multi_label)
        weights = checked_weights(sample_weight, len(texts))
        specification = specification_of(self.get_params(deep=False), seed=self._seed()).single_network()
        if continued is not None:
            check_plain(continued.bundle.specification)
            specification = continuing(specification, continued)
        data = prepared(texts, targets, specification, continued, divided=False)
        specification, _ = settle(specification, data.facts)
        if weights is not None:
            data = weighted(data, weights)
        classifier = build_classifier(specification, data) if continued is None else continued.bundle.classifier
        with self._progress() as progress:
            record, memory = train_pass(
                classifier,
                data.train.encoded,
                specification.training,
                classes=data.labels.classes,
                memory=None if continued is None else self._memory,
                on_batch=None if progress is None else progress.on_batch,
            )
            before = getattr(self, "history_", [])
            history = [*before, record.model_copy(update={"epoch": len(before) + 1})]
            if progress is not None:
                progress.on_epoch(record)
        ensemble = Ensemble((classifier,))
        self._adopt(Predictor(Bundle(ensemble, data.tokenizer, data.labels, specification, provenance(data))))
        self._remember([history], best_epoch=len(history))
        self.classes_, self._memory = targets.classes, memory
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probability of every class, shape (B, C), in the order of ``classes_``.

        Raises
        ------
        InputError
            If the texts cannot be used.
        """
        check_is_fitted(self)
        return self.predictor_.probabilities(checked_texts(X)).astype(np.float64)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable label of every text, or a 0/1 matrix where ``fit`` was given one.

        Raises
        ------
        InputError
            If the texts cannot be used.
        """
        probabilities = self.predict_proba(X)
        if self.predictor_.multi_label:
            return (probabilities > 0.5).astype(np.int64)
        answers: npt.NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return answers

    def save(self, folder: Path | str) -> None:
        """Write the trained classifier as a bundle, which every ``sulsul`` command reads.

        Raises
        ------
        OutputError
            If the folder holds a bundle already or cannot be written.
        """
        check_is_fitted(self)
        history = history_files(self._histories) if self.history_ else {}
        files = {name: text.encode("utf-8") for name, text in history.items()}
        self.predictor_.bundle.save(Path(folder), extra_files=files)

    @classmethod
    def from_bundle(cls, folder: Path | str) -> Self:
        """Return a fitted estimator from a folder that ``sulsul train`` or :meth:`save` left.

        Its ``classes_`` are strings (0 … C-1 for label sets, one column each), and its parameters are those of the
        run: ``clone(estimator).fit(...)`` trains the same network on other texts.

        Raises
        ------
        BundleError
            If the folder is not a complete, unaltered bundle.
        """
        predictor = Predictor.load(folder)
        estimator = cls(recipe=predictor.bundle.specification)
        estimator._adopt(predictor)
        n_classes = len(predictor.classes)
        estimator.classes_ = np.arange(n_classes) if predictor.multi_label else np.array(predictor.classes)
        return estimator

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "predictor_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.classifier_tags.multi_label = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the trained network as the files of a bundle: no tensor is pickled."""
        state: dict[str, Any] = dict(super().__getstate__())
        predictor, memory = state.pop("predictor_", None), state.pop("_memory", None)
        if memory is not None:
            state[_MEMORY_KEY] = memory_to_bytes(memory)
        if predictor is not None:
            with tempfile.TemporaryDirectory() as folder:
                predictor.bundle.save(Path(folder))
                state[_BUNDLE_KEY] = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the trained network from the files of its bundle, which are verified."""
        state = dict(state)
        files, memory = state.pop(_BUNDLE_KEY, None), state.pop(_MEMORY_KEY, None)
        super().__setstate__(state)
        self._memory = None if memory is None else memory_from_bytes(memory)
        if files is not None:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files.items():
                    (Path(folder) / Path(name).name).write_bytes(content)
                self.predictor_ = Predictor.load(folder)

    def _seed(self) -> int | None:
        if self.random_state is None or isinstance(self.random_state, int | np.integer):
            return None if self.random_state is None else int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31))

    def _progress(self) -> "AbstractContextManager[TrainingProgress | None]":
        return TrainingProgress() if self.verbose else nullcontext()

    def _remember(self, histories: list[list[EpochRecord]], *, best_epoch: int) -> None:
        """Keep the history of each network; ``history_`` is that of the first."""
        self._histories = histories
        self.history_ = histories[0]
        self.n_iter_ = len(histories[0])
        self.best_epoch_ = best_epoch

    def _adopt(self, predictor: Predictor) -> None:
        self.predictor_ = predictor
        self.specification_ = predictor.bundle.specification
        self.history_ = []
        self._memory = None


def _some_texts(X: Any) -> list[str]:
    texts = checked_texts(X)
    if not texts:
        raise InputError("X holds no texts: found array with 0 sample(s) while a minimum of 1 is required.")
    return texts


def _fit(
    networks: tuple[Classifier, ...],
    data: PreparedData,
    specification: RunSpecification,
    progress: TrainingProgress | None,
) -> FittedEnsemble:
    """Train the networks given, or new ones where there are none."""
    listener = MembersListener()
    if progress is not None:
        listener = MembersListener(progress.on_member, progress.on_epoch, progress.on_batch)
    return fit_ensemble(
        specification,
        data,
        lambda member: networks[member] if networks else build_classifier(specification, data, member=member),
        wide=fit_wide_part(specification, data),
        listener=listener,
    )
