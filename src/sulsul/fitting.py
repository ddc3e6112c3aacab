"""From encoded splits to everything that answers: networks, the linear part, their blend and the threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sulsul.ensemble import Ensemble
from sulsul.errors import DataError, SpecificationError
from sulsul.evaluation.abstention import confidence, fit_abstention
from sulsul.evaluation.baselines import LinearBaseline, fit_linear_baseline, fit_linear_part
from sulsul.evaluation.blending import default_blend, fit_blend
from sulsul.judging import judge
from sulsul.model.classifier import Classifier
from sulsul.preparation import PreparedData
from sulsul.specification import RunSpecification
from sulsul.streamed import RunData
from sulsul.text import Tokenizer
from sulsul.text.script import mostly_hangul
from sulsul.text.vectors import read_vectors
from sulsul.training import MembersListener, TrainingResult, train_members
from sulsul.training.class_weights import class_weights
from sulsul.training.history import EpochRecord, history_to_csv
from sulsul.training.members import member_seed
from sulsul.training.result import Stopped
from sulsul.training.settings import TrainingSettings
from sulsul.training.workers import Workers


@dataclass(frozen=True, eq=False)
class FittedEnsemble:
    """What answers, and how the training of each network went."""

    ensemble: Ensemble
    results: tuple[TrainingResult, ...]

    @property
    def stopped(self) -> Stopped:
        """Why training ended; ``interrupted`` if any network's was."""
        return self.results[-1].stopped


def fit_ensemble(
    specification: RunSpecification,
    data: RunData,
    build: Callable[[int], Classifier],
    *,
    listener: MembersListener,
    wide: LinearBaseline | None = None,
    folder: Path | None = None,
    resume: bool = False,
    workers: Workers | None = None,
) -> FittedEnsemble:
    """Train the networks of a specification and fit what combines and calibrates them.

    Parameters
    ----------
    specification
        Training, ensemble, wide part and calibration.
    data
        The encoded splits. Weight, temperature and threshold are fitted on the validation split.
    build
        Returns the network of a member (from 0) with its initial weights.
    listener
        Called while training goes on.
    wide
        From :func:`fit_wide_part`; needed by ``wide.kind = "linear"``.
    folder, resume
        Where an interrupted training is kept, and whether to go on from there.
    workers
        The processes that train together; this is the first.

    Raises
    ------
    SpecificationError
        If a threshold is asked for and there is no validation split to find it on, or unlabelled texts and they were
        not read.
    SulsulError
        As training does.
    """
    validation = data.splits.get("validation")
    if specification.calibration.abstain_precision is not None and validation is None:
        raise SpecificationError(
            "calibration.abstain_precision needs validation texts, on which its threshold is found; "
            "set split.validation, or name them with --validation."
        )
    if specification.pretraining.unlabelled and specification.training.virtual_adversarial and data.unlabelled is None:
        raise SpecificationError(
            "pretraining.unlabelled: only `sulsul train` reads texts without labels for training.virtual_adversarial; "
            "leave them out, and it reads the labelled ones."
        )
    members = train_members(
        build,
        specification.ensemble.members,
        data.train.encoded,
        None if validation is None else validation.encoded,
        specification.training,
        classes=data.labels.classes,
        listener=listener,
        folder=folder,
        resume=resume,
        workers=workers,
        unlabelled=data.unlabelled,
    )
    ensemble = Ensemble(
        tuple(member.classifier for member in members),
        None if wide is None else wide.classifier,
        default_blend(has_linear=wide is not None),
    )
    results = tuple(member.result for member in members)
    if validation is not None and results[0].history:
        ensemble = calibrate(ensemble, specification, data)
    return FittedEnsemble(ensemble, results)


def fit_linear_baselines(specification: RunSpecification, data: PreparedData) -> tuple[LinearBaseline, ...]:
    """Fit the linear models on words and on characters of the training split.

    Raises
    ------
    LabelError
        If the training labels hold fewer than two classes.
    """
    class_ids = data.train.encoded.class_ids
    assert class_ids is not None
    texts, n_classes = data.texts("train"), len(data.labels.classes)
    seed = specification.training.seed
    return tuple(
        fit_linear_baseline(texts, class_ids, unit, n_classes=n_classes, seed=seed) for unit in ("word", "char")
    )


def fit_wide_part(
    specification: RunSpecification, data: PreparedData, baselines: Sequence[LinearBaseline] | None = None
) -> LinearBaseline | None:
    """Fit what answers beside the networks, on the n-grams of the stronger baseline; None where none is asked for.

    Characters of mostly Korean texts are taken apart into letters. An encoder's n-gram vectors bring their own n-grams,
    and are features too. Where most training texts have several lines, first
    lines are features of their own. The baselines are fitted where they are not given.

    Raises
    ------
    LabelError
        If the training labels hold fewer than two classes.
    """
    if specification.wide.kind == "none":
        return None
    class_ids = data.train.encoded.class_ids
    assert class_ids is not None
    texts = data.texts("train")
    unit = strongest(fit_linear_baselines(specification, data) if baselines is None else baselines).unit
    return fit_linear_part(
        texts,
        class_ids,
        "jamo" if unit == "char" and mostly_hangul(texts) else unit,
        n_classes=len(data.labels.classes),
        first_line=2 * int(texts.str.contains("\n", literal=True).sum()) > len(texts),
        weights=_text_weights(specification.training, data),
        vectors=None if data.encoder is None else data.encoder.ngrams,
        seed=specification.training.seed,
    )


def _text_weights(settings: TrainingSettings, data: PreparedData) -> npt.NDArray[np.float64] | None:
    """Return how much each training text counts (B,), or of label sets for each label (B, C); None: all the same."""
    encoded = data.train.encoded
    class_ids = encoded.class_ids
    assert class_ids is not None
    by_class = class_weights(settings, class_ids, data.labels.classes)
    if by_class is None:
        return None if encoded.sample_weights is None else encoded.sample_weights.astype(np.float64)
    weights = np.where(class_ids > 0, by_class, 1.0) if class_ids.ndim == 2 else by_class[class_ids]
    if encoded.sample_weights is not None:
        weights = (weights.T * encoded.sample_weights).T
    return weights.astype(np.float64)


def strongest(baselines: Sequence[LinearBaseline]) -> LinearBaseline:
    """Return the model with the best score on held-out training texts, the last of equals: characters."""
    return max(reversed(baselines), key=lambda model: -1.0 if model.held_out_score is None else model.held_out_score)


def history_files(histories: Sequence[Sequence[EpochRecord]]) -> dict[str, str]:
    """Return the history of each network as a CSV file: ``history.csv``, ``history-2.csv`` and so on."""
    return {
        f"history{f'-{number}' if number > 1 else ''}.csv": history_to_csv(history)
        for number, history in enumerate(histories, 1)
    }


def calibrate(ensemble: Ensemble, specification: RunSpecification, data: RunData) -> Ensemble:
    """Return the ensemble with weight, temperature and threshold fitted on the validation split."""
    encoded, texts = data.judged["validation"].encoded, data.judged_texts("validation")
    assert encoded.class_ids is not None
    settings = specification.calibration
    fits_temperature = settings.temperature == "validation"
    blend = ensemble.blend
    if fits_temperature or ensemble.linear is not None:
        recurrent, linear = ensemble.recurrent_logits(encoded), ensemble.linear_logits(texts)
        blend = fit_blend(recurrent, linear, encoded.class_ids, temperature=fits_temperature)
    fitted = Ensemble(ensemble.members, ensemble.linear, blend)
    if settings.abstain_precision is None:
        return fitted
    judged = judge(fitted, encoded, texts, data.labels.classes, seed=specification.training.seed)
    confidences = confidence(judged.probabilities, multi_label=data.labels.multi_label)
    abstention = fit_abstention(judged.correct, confidences, settings.abstain_precision)
    return Ensemble(ensemble.members, ensemble.linear, blend, abstention)


def build_classifier(specification: RunSpecification, data: RunData, *, member: int = 0) -> Classifier:
    """Return a network of a specification with its initial weights; ``member`` tells those of an ensemble apart.

    Where the data come with an encoder that has more than n-gram vectors, the network's input and, unless only the
    table is to be taken, its first recurrent layer are the encoder's.

    Raises
    ------
    SpecificationError
        If the network cannot be built, or is not the one that the encoder was made for.
    """
    classifier = Classifier(
        specification.model,
        vocabulary_size=data.tokenizer.vocabulary_size,
        n_classes=len(data.labels.classes),
        multi_label=data.labels.multi_label,
        pad_to=specification.text.pad_to,
        seed=member_seed(specification.training.seed, member),
        vectors=_vectors(specification, data.tokenizer),
        backend=specification.training.backend,
    )
    if data.encoder is not None and data.encoder.has_network:
        data.encoder.copy_into(classifier, table_only=specification.pretraining.transfer == "table")
    return classifier


def _vectors(specification: RunSpecification, tokenizer: Tokenizer) -> npt.NDArray[np.float32] | None:
    """Read the word vectors that the specification names, if it does."""
    settings = specification.model.input
    if settings.kind != "embedding" or settings.vectors is None:
        return None
    path = Path(settings.vectors)
    try:
        with path.open(encoding="utf-8") as lines:
            found = read_vectors(lines, tokenizer.vocabulary(), source=str(path), seed=specification.training.seed)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start} of a block); vectors are read as text."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    return found.matrix
