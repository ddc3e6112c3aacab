"""Settings that rarely mean what they do."""

from collections.abc import Iterator

from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding
from sulsul.model.specification import EmbeddingInput

# (smallest, largest) learning rates that train recurrent classifiers at all.
LEARNING_RATES = {"sgd": (1e-4, 2.0), "rmsprop": (1e-5, 0.02), "adam": (1e-5, 0.02), "adamw": (1e-5, 0.02)}


def find_unlikely_learning_rate(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find learning rates beyond anything that trains."""
    training = evidence.specification.training
    low, high = LEARNING_RATES[training.optimizer]
    if low <= training.learning_rate <= high:
        return
    large = training.learning_rate > high
    yield Finding(
        check="learning-rate",
        severity="warning",
        what=f"The learning rate {training.learning_rate:g} is unusually {'large' if large else 'small'} for "
        f"{training.optimizer}.",
        why="The loss jumps about or turns into NaN, and ends at the majority class."
        if large
        else "The weights hardly move: after all epochs the network is nearly the one drawn at random.",
        remedy=f"--set training.learning_rate={0.01 if training.optimizer == 'sgd' else 0.001:g}",
        evidence={"learning_rate": training.learning_rate, "usual": [low, high], "optimizer": training.optimizer},
    )


def find_last_epoch_kept(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find early stopping that does not go back to the best epoch."""
    training = evidence.specification.training
    waits = training.patience is not None
    if training.keep == "best" or training.ends_as_planned:
        return
    yield Finding(
        check="last-epoch-kept",
        severity="warning" if waits else "note",
        what=f"Training stops after {training.patience} epochs without improvement and keeps the last one's weights."
        if waits
        else f"The weights of the last of {training.epochs} epochs are kept, whichever was the best.",
        why="The last epochs are those that were worse than the best one: that is why training stopped."
        if waits
        else "If the network overfits on the way, the better epochs before are lost.",
        remedy="--set training.keep=best",
        evidence={"keep": training.keep, "patience": training.patience},
    )


def find_relu_recurrence(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find unbounded activations inside a recurrence without a bound on the gradient."""
    kinds = sorted({layer.kind for layer in evidence.recurrent_layers if layer.activation == "relu"})
    if not kinds or evidence.specification.training.clip_norm is not None:
        return
    yield Finding(
        check="relu-recurrence",
        severity="warning",
        what=f"The recurrence of {' and '.join(kinds)} uses relu, and gradients are not clipped.",
        why="Over many timesteps an unbounded state grows without limit, and so does its gradient.",
        remedy="--set model.activation=tanh, or at least --set training.clip_norm=1.0",
        evidence={"kinds": list(kinds)},
    )


def find_frozen_random_embedding(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find an embedding that is neither trained nor read from a file."""
    settings = evidence.specification.model.input
    if not isinstance(settings, EmbeddingInput) or settings.trainable or settings.vectors is not None:
        return
    yield Finding(
        check="frozen-embedding",
        severity="warning",
        what="The embedding is not trained and not read from a file: every word keeps a random vector.",
        why="Words of like meaning stay as far apart as any others.",
        remedy="--set model.input.trainable=true, or give vectors: --set model.input.vectors=FILE.vec",
        evidence={"size": settings.size},
    )
