"""From texts without labels to an encoder on disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue
from torch import Tensor

from sulsul.batching import EncodedCorpus
from sulsul.batching.encoded_corpus import Rows
from sulsul.encoder import ENCODER_FILE, Encoder, first_recurrent_layer, text_digests
from sulsul.errors import DataError, InterruptedRunError, OutputError, SpecificationError, SulsulError
from sulsul.evaluation.ngram_vectors import NgramVectors
from sulsul.files import create_folder, remove_leftovers
from sulsul.model.classifier import Classifier
from sulsul.pretraining.checkpoint import load_state
from sulsul.pretraining.history import Look, looks_to_csv
from sulsul.pretraining.language_model import LanguageModel
from sulsul.pretraining.ngram_learning import NGRAM_CHECKPOINT, NgramLearning, NgramProgress, NgramReport
from sulsul.pretraining.predicted_words import PredictedWords
from sulsul.pretraining.run import PretrainingRun, StepReport, Stopped
from sulsul.pretraining.segments import cut_into_segments, single_part_types
from sulsul.pretraining.texts import PretrainingTexts
from sulsul.specification import RunSpecification
from sulsul.text import Tokenizer
from sulsul.training.checkpoint import CHECKPOINT_NAME
from sulsul.training.processor import training_processor

HELD_OUT_TOKENS = 20_000
"""Tokens to look at, at most: enough for a standard error of the perplexity of about 2 %."""
NGRAM_SHARE = 0.15
"""Of a time limit, for the n-gram vectors, at most."""
_FREE_SETTINGS = {"minutes", "unlabelled", "encoder", "transfer"}


@dataclass(frozen=True)
class PretrainingPlan:
    """What is about to be trained, for the user."""

    n_train_tokens: int
    n_segments: int
    n_held_out_tokens: int
    n_predicted_words: int
    predicted_share: float
    vocabulary_size: int


@dataclass(frozen=True)
class PretrainingListener:
    """What is called while an encoder is pretrained; each may be left out."""

    on_texts: Callable[[PretrainingTexts], object] = lambda texts: None
    on_ngrams: Callable[[NgramReport], object] = lambda report: None
    on_plan: Callable[[PretrainingPlan], object] = lambda plan: None
    on_step: Callable[[StepReport], object] = lambda report: None
    on_look: Callable[[Look], object] = lambda look: None
    on_end: Callable[[], object] = lambda: None
    stop_requested: Callable[[], bool] = lambda: False


@dataclass(frozen=True, eq=False)
class PretrainingOutcome:
    """The encoder and how its making went; without looks where n-gram vectors alone were wanted."""

    encoder: Encoder
    looks: tuple[Look, ...]
    best: Look | None
    stopped: Stopped


def pretrain(
    specification: RunSpecification,
    texts: PretrainingTexts,
    folder: Path,
    *,
    resume: bool = False,
    listener: PretrainingListener | None = None,
) -> PretrainingOutcome:
    """Pretrain the input and first recurrent layer of a specification's network, and what its linear part gets.

    The n-gram vectors of the linear part come first, where it has one and ``pretraining.ngram_vectors`` wants them;
    with ``pretraining.transfer = "ngrams"`` there is nothing else. The tokenizer is fitted on all texts; 1 % of
    them, as ``pretraining.held_out`` says, are kept to measure perplexity. The weights kept are those of the best look
    at these.

    Parameters
    ----------
    specification
        Text, model and pretraining; seed, threads and clipping of ``training``.
    texts
        From :mod:`sulsul.pretraining.texts`.
    folder
        Where the encoder goes. It must not exist, unless ``resume`` is given.
    resume
        Continue from the checkpoint in ``folder``; from the beginning if there is none yet.
    listener
        Called while it goes on.

    Raises
    ------
    InterruptedRunError
        If a stop was requested; the state is saved in ``folder``.
    SulsulError
        If the network cannot be pretrained, the texts hold nothing to predict, or ``folder`` cannot take the encoder.
    """
    listener = listener or PretrainingListener()
    check_folder(folder, resume=resume)
    check_can_pretrain(specification)
    listener.on_texts(texts)
    created = create_folder(folder)
    try:
        ngrams = _learn_ngrams(specification, texts, folder, resume=resume, listener=listener)
        if specification.pretraining.transfer == "ngrams":
            return _ngrams_alone(specification, texts, ngrams, folder, listener)
        tokenizer, run, stopped = _learn_encoder(specification, texts, folder, ngrams, resume=resume, listener=listener)
    except SulsulError:
        if created and not any(folder.iterdir()):
            folder.rmdir()
        raise
    best = run.looks[run.best_look]
    provenance = _provenance(specification, texts, ngrams) | {
        "tokens_read": run.looks[-1].n_tokens,
        "seconds": round(run.looks[-1].seconds, 1),
        "perplexity": best.perplexity,
        "stopped": stopped,
    }
    encoder = _encoder(run.best, tokenizer, specification, texts, ngrams, provenance)
    encoder.save(folder, extra_files={"history.csv": looks_to_csv(run.looks).encode()})
    for name in (CHECKPOINT_NAME, NGRAM_CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    return PretrainingOutcome(encoder, tuple(run.looks), best, stopped)


def check_folder(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that cannot take the encoder, before any time is spent.

    Raises
    ------
    OutputError
        Saying what to do.
    """
    if not resume:
        if folder.exists():
            raise OutputError(f"{folder} exists already; choose another folder, or --resume to continue it.")
        return
    if not folder.is_dir():
        raise OutputError(f"{folder} cannot be resumed: there is no such folder; leave --resume out to begin.")
    if (folder / ENCODER_FILE).exists():
        raise OutputError(f"{folder} cannot be resumed: it is finished.")
    remove_leftovers(folder)
    if not any((folder / name).exists() for name in (CHECKPOINT_NAME, NGRAM_CHECKPOINT)) and any(folder.iterdir()):
        raise OutputError(f"{folder} cannot be resumed: it holds no checkpoint.")


def check_can_pretrain(specification: RunSpecification) -> None:
    """Refuse a network that has no table or recurrent layer to pretrain.

    Raises
    ------
    SpecificationError
        Saying what to set.
    """
    if specification.pretraining.transfer == "ngrams":
        if specification.wide.kind == "none":
            raise SpecificationError("pretraining.transfer=ngrams serves the linear part: set wide.kind=linear.")
        return
    first_recurrent_layer(specification.model)
    settings = specification.model.input
    if settings.kind == "embedding" and settings.vectors is not None:
        raise SpecificationError(
            "model.input.vectors: pretraining learns the vectors itself; leave them out, or train without pretraining."
        )


@dataclass(frozen=True, eq=False)
class _LearnedNgrams:
    """N-gram vectors and how their learning went."""

    vectors: NgramVectors
    progress: NgramProgress


def _learn_ngrams(
    specification: RunSpecification,
    texts: PretrainingTexts,
    folder: Path,
    *,
    resume: bool,
    listener: PretrainingListener,
) -> _LearnedNgrams | None:
    """Learn n-gram vectors, if they are wanted; their state stays in ``folder`` until the encoder is there."""
    settings, training = specification.pretraining, specification.training
    if specification.wide.kind == "none" or not settings.ngram_vectors:
        return None
    path = folder / NGRAM_CHECKPOINT
    learning = NgramLearning(texts.texts, settings, seed=training.seed, identity=_identity(specification, texts))
    share = 1.0 if settings.transfer == "ngrams" else NGRAM_SHARE
    seconds = None if settings.minutes is None else 60.0 * settings.minutes * share
    with training_processor(threads=training.threads, seed=training.seed):
        if resume and path.exists():
            learning.restore(path)
        try:
            finished = learning.run(path, listener.on_ngrams, listener.stop_requested, seconds=seconds)
        except KeyboardInterrupt:
            finished = False  # a step may be half done: the last checkpoint stands
    if not finished:
        listener.on_end()
        raise InterruptedRunError(
            f"the pretraining was interrupted at step {learning.progress.step:,} of {learning.n_steps:,} of its n-gram "
            "vectors; repeat the command with --resume to continue it."
        )
    return _LearnedNgrams(learning.found(), learning.progress)


def _ngrams_alone(
    specification: RunSpecification,
    texts: PretrainingTexts,
    ngrams: _LearnedNgrams | None,
    folder: Path,
    listener: PretrainingListener,
) -> PretrainingOutcome:
    """Save an encoder of n-gram vectors; the tokenizer is there for what it says of the texts."""
    listener.on_end()
    tokenizer = Tokenizer.fit(texts.texts, specification.text)
    encoder = _encoder({}, tokenizer, specification, texts, ngrams, _provenance(specification, texts, ngrams))
    encoder.save(folder)
    (folder / NGRAM_CHECKPOINT).unlink(missing_ok=True)
    return PretrainingOutcome(encoder, (), None, "finished")


def _encoder(
    tensors: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    specification: RunSpecification,
    texts: PretrainingTexts,
    ngrams: _LearnedNgrams | None,
    provenance: Mapping[str, JsonValue],
) -> Encoder:
    digests = np.unique(text_digests(texts.texts))
    vectors = None if ngrams is None else ngrams.vectors
    return Encoder(tensors, tokenizer, specification.model, provenance, digests, vectors)


def _learn_encoder(
    specification: RunSpecification,
    texts: PretrainingTexts,
    folder: Path,
    ngrams: _LearnedNgrams | None,
    *,
    resume: bool,
    listener: PretrainingListener,
) -> tuple[Tokenizer, PretrainingRun, Stopped]:
    """Learn table and recurrent layer in what is left of the time."""
    tokenizer = Tokenizer.fit(texts.texts, specification.text)
    train, held_out = _divided(specification, texts, tokenizer)
    predicted = PredictedWords.find(train, tokenizer, specification.pretraining.output_words)
    listener.on_plan(_plan(train, held_out, predicted, tokenizer))
    settings = specification.pretraining
    if settings.minutes is not None and ngrams is not None:
        settings = settings.model_copy(update={"minutes": max(1e-3, settings.minutes - ngrams.progress.seconds / 60.0)})
    model = _language_model(specification, tokenizer, predicted)
    run = PretrainingRun(
        model,
        train,
        held_out,
        settings,
        seed=specification.training.seed,
        identity=_identity(specification, texts),
        checkpoint_path=folder / CHECKPOINT_NAME,
    )
    stopped = _run(run, specification, folder, resume=resume, listener=listener)
    listener.on_end()
    if stopped == "interrupted":
        raise InterruptedRunError(
            f"the pretraining was interrupted at step {run.step:,} of {run.schedule.fall.end:,}; repeat the "
            "command with --resume to continue it."
        )
    return tokenizer, run, stopped


def _run(
    run: PretrainingRun, specification: RunSpecification, folder: Path, *, resume: bool, listener: PretrainingListener
) -> Stopped:
    training = specification.training
    with training_processor(threads=training.threads, seed=training.seed):
        if resume and (folder / CHECKPOINT_NAME).exists():
            run.restore(load_state(folder / CHECKPOINT_NAME))
        try:
            return run.run(listener.on_step, listener.on_look, listener.stop_requested)
        except KeyboardInterrupt:
            # A step may be half done, so this state is not worth saving: the last checkpoint stands.
            return "interrupted"


def _divided(
    specification: RunSpecification, texts: PretrainingTexts, tokenizer: Tokenizer
) -> tuple[EncodedCorpus, EncodedCorpus]:
    """Return the segments to train on and those to look at."""
    settings, seed = specification.pretraining, specification.training.seed
    whole = specification.text.model_copy(update={"max_length": None, "pad_to": None})
    encoded = Tokenizer.from_json(tokenizer.to_json(), whole).encode_with_lengths(texts.texts)
    types = encoded.types or single_part_types(tokenizer.vocabulary_size)
    corpus = EncodedCorpus(encoded.token_ids, encoded.offsets, types=types)
    (usable,) = np.nonzero(corpus.lengths >= 2)
    if len(usable) < 2:
        raise DataError("fewer than two texts hold two words or more: there is nothing to pretrain on.")
    rows = np.random.default_rng([seed, 4]).permutation(usable)
    n_looked_at = max(1, round(settings.held_out * len(rows)))
    n_looked_at = max(1, min(n_looked_at, int(np.searchsorted(np.cumsum(corpus.lengths[rows]), HELD_OUT_TOKENS))))
    parts: tuple[Rows, Rows] = np.sort(rows[n_looked_at:]), np.sort(rows[:n_looked_at])
    train, held_out = (cut_into_segments(corpus.select(part), settings.segment_length) for part in parts)
    return train, held_out


def _language_model(specification: RunSpecification, tokenizer: Tokenizer, predicted: PredictedWords) -> LanguageModel:
    training, settings = specification.training, specification.pretraining
    classifier = Classifier(
        specification.model.model_copy(update={"output": "auto"}),
        vocabulary_size=tokenizer.vocabulary_size,
        n_classes=2,
        seed=training.seed,
        backend=training.backend,
    )
    return LanguageModel(
        classifier,
        predicted,
        n_negatives=settings.negatives,
        dropout=settings.dropout,
        clip_norm=training.clip_norm,
        seed=training.seed,
    )


def _identity(specification: RunSpecification, texts: PretrainingTexts) -> dict[str, JsonValue]:
    """Return what a continuation must repeat, under names that a user knows."""
    values = specification.model_dump(mode="json")
    found = {f"pretraining.{key}": value for key, value in values["pretraining"].items() if key not in _FREE_SETTINGS}
    found |= {f"training.{key}": values["training"][key] for key in ("seed", "clip_norm", "backend")}
    found |= {f"text.{key}": value for key, value in values["text"].items()}
    found |= {"model.input": values["model"]["input"], "model.layers": values["model"]["layers"]}
    return {**found, "texts": texts.fingerprint}


def _plan(
    train: EncodedCorpus, held_out: EncodedCorpus, predicted: PredictedWords, tokenizer: Tokenizer
) -> PretrainingPlan:
    return PretrainingPlan(
        n_train_tokens=train.token_ids.size,
        n_segments=len(train),
        n_held_out_tokens=held_out.token_ids.size,
        n_predicted_words=len(predicted),
        predicted_share=float(predicted.counts.sum() / train.token_ids.size),
        vocabulary_size=tokenizer.vocabulary_size,
    )


def _provenance(
    specification: RunSpecification, texts: PretrainingTexts, ngrams: _LearnedNgrams | None
) -> dict[str, JsonValue]:
    settings: dict[str, JsonValue] = specification.pretraining.model_dump(mode="json")
    learned: dict[str, JsonValue] = {}
    if ngrams is not None:
        learned = {
            "ngrams": len(ngrams.vectors.vectors),
            "ngram_unit": ngrams.vectors.unit,
            "ngram_loss": ngrams.progress.loss,
            "ngram_seconds": round(ngrams.progress.seconds, 1),
        }
    return {
        **learned,
        "sources": [{"name": name, "texts": n} for name, n in texts.sources],
        "texts": len(texts),
        "texts_sha256": texts.fingerprint,
        "pretraining": settings,
        "seed": specification.training.seed,
    }
