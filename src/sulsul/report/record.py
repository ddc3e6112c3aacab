"""The record a run leaves: everything its report, its tables and a repetition need, and nothing of the model itself."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from sulsul.evaluation.baselines import BaselineScores
from sulsul.evaluation.intervals import Interval
from sulsul.evaluation.result import Evaluation
from sulsul.evaluation.significance import PairedComparison
from sulsul.findings import Finding

Split = Literal["train", "validation", "test", "data"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Machine(_Frozen):
    """Where a run took place; times mean nothing without it."""

    cpu: str
    n_cores: int
    memory_gib: float | None = None
    system: str
    threads: int | None = None


class DataSummary(_Frozen):
    """Which rows were used and how they were divided.

    Attributes
    ----------
    fingerprint
        sha256 over the content of the corpus.
    n_dropped
        Rows left out because of their class.
    classes
        Class names in the order of their ids.
    split_sizes
        Texts per split.
    class_counts
        Texts per split and class, in the order of ``classes``.
    scripts
        Share of the letters by writing system, largest first.
    """

    source: str
    fingerprint: str
    n_rows: int
    n_empty: int = 0
    n_missing: int = 0
    n_dropped: int = 0
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    classes: tuple[str, ...]
    split_sizes: dict[Split, int] = {}
    split_note: str = ""
    class_counts: dict[Split, tuple[int, ...]] = {}
    scripts: dict[str, float] = {}


class LengthSummary(_Frozen):
    """Lengths of texts in tokens, before anything is cut or padded.

    Attributes
    ----------
    edges, counts
        Histogram: ``counts[i]`` texts have ``edges[i] <= length < edges[i + 1]``; the last bin holds all longer ones.
    percentiles
        Length at 5, 25, 50, 75, 95 and 99 % of the texts.
    max_length
        Longest sequence kept, or None.
    truncated_texts, truncated_tokens
        Share of texts cut, and share of all tokens lost by it.
    padding
        Share of the timesteps that are PAD tokens, where texts are padded on purpose.
    """

    n: int
    mean: float
    longest: int
    percentiles: dict[str, int]
    edges: tuple[int, ...]
    counts: tuple[int, ...]
    max_length: int | None = None
    truncated_texts: float = 0.0
    truncated_tokens: float = 0.0
    padding: float | None = None

    @model_validator(mode="after")
    def _one_count_per_bin(self) -> Self:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError("a histogram needs one edge more than counts")
        return self


class TextSummary(_Frozen):
    """How texts became tokens; ``oov_rate`` is the share of unknown tokens per split.

    With ``ngrams`` (shortest, longest) these are words outside the vocabulary, which are read by their n-grams.
    """

    tokenizer: str
    ngrams: tuple[int, int] | None = None
    vocabulary_size: int
    oov_rate: dict[Split, float] = {}
    lengths: LengthSummary | None = None


class LayerRow(_Frozen):
    """One line of the model's summary."""

    name: str
    output_shape: str
    parameters: int


class ModelSummary(_Frozen):
    """The network: its layers, its size and what computes its recurrence; ``n_members`` of them in an ensemble."""

    name: str
    layers: tuple[LayerRow, ...] = ()
    n_parameters: int
    backend: str
    n_members: int = 1


class EpochRow(_Frozen):
    """One epoch of the history."""

    epoch: int
    loss: float
    accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_macro_f1: float | None = None
    learning_rate: float | None = None
    seconds: float | None = None


class TrainingSummary(_Frozen):
    """How training went.

    ``stopped``: ``finished``, all epochs ran; ``early``, patience ran out; ``interrupted``. ``kept_epoch`` is the epoch
    whose weights were kept, 0 where none was finished; ``monitor`` decided which was ``best_epoch``.
    """

    history: tuple[EpochRow, ...]
    best_epoch: int
    kept_epoch: int
    stopped: Literal["finished", "early", "interrupted"]
    monitor: str = "val_loss"
    seconds: float
    docs_per_s: float | None = None


class PartScores(_Frozen):
    """How well one part of an answer does by itself on the texts of the headline split.

    Attributes
    ----------
    kind
        ``member``: one network; ``recurrent``: all networks together; ``linear``; ``whole``: the answer itself.
    ece
        Expected calibration error.
    """

    name: str
    kind: Literal["member", "recurrent", "linear", "whole"]
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    loss: float
    ece: float


class AbstentionSummary(_Frozen):
    """A confidence threshold, and what it does on the texts of the headline split; precision None: none is answered."""

    wanted_precision: float
    threshold: float
    found_on: int
    precision: float | None
    n_answered: int
    n: int


class AnswerSummary(_Frozen):
    """What an answer consists of, where it is more than one plain network.

    Attributes
    ----------
    n_members
        Number of networks.
    linear
        What the linear part reads, such as "TF-IDF characters 1–4, linear"; None without one.
    n_linear_weights
        Its size.
    linear_weight, temperature
        The answer is ((1 − weight) · mean logits of the networks + weight · linear logits) / temperature.
    n_fitted
        Validation texts that weight and temperature were fitted on; 0: they are defaults.
    ece_uncalibrated
        Expected calibration error on the texts of the headline split with temperature 1.
    parts
        Scores of each part there and, last, of the whole.
    """

    n_members: int
    linear: str | None = None
    n_linear_weights: int = 0
    linear_weight: float = 0.0
    temperature: float = 1.0
    n_fitted: int = 0
    ece_uncalibrated: float
    parts: tuple[PartScores, ...]
    abstention: AbstentionSummary | None = None

    @property
    def whole(self) -> PartScores:
        """The answer itself."""
        return self.parts[-1]


class MistakenText(_Frozen):
    """A text classified wrongly with great confidence."""

    row: int
    id: str | None = None
    text: str
    true: str
    predicted: str
    probability: float


class Spread(_Frozen):
    """A score over repetitions: seeds or folds."""

    n: int
    mean: float
    standard_deviation: float
    low: float
    high: float


class ComparisonRow(_Frozen):
    """One contender of a comparison.

    Attributes
    ----------
    kind
        ``model``; ``control``: a network from which something was taken away; ``baseline``.
    accuracy, macro_f1
        With 95 % intervals; the mean over repetitions where there are several.
    accuracy_spread, macro_f1_spread
        Over seeds or folds.
    verdict
        The paired test against the best, in words; None for the best itself.
    """

    name: str
    kind: Literal["model", "control", "baseline"]
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    accuracy_spread: Spread | None = None
    macro_f1_spread: Spread | None = None
    n_parameters: int | None = None
    seconds: float | None = None
    docs_per_s: float | None = None
    p_value: float | None = None
    verdict: str | None = None
    best: bool = False


class Comparison(_Frozen):
    """Several models on the same texts.

    Attributes
    ----------
    design
        How often and on what was repeated, such as "3 seeds on one split" or "5 folds".
    word_order
        What the controls tell about word order.
    selection
        How the best model was chosen, such as "by its mean accuracy on the validation texts".
    test
        What the p-values come from.
    """

    rows: tuple[ComparisonRow, ...]
    n: int
    design: str
    word_order: str | None = None
    selection: str = "by its accuracy on these texts"
    test: str = "McNemar’s test, corrected after Holm"


class RunRecord(_Frozen):
    """Everything a run leaves, as one JSON document.

    Parts that a command does not have stay None or empty: ``evaluate`` has no training, ``compare`` no single model.

    Attributes
    ----------
    title
        What the report is called, such as "lstm on seoul-120-text.csv".
    command
        The exact command that repeats the run, quoted for a shell.
    training, members
        How training went: of the first network and, if there are several, of each.
    answer
        What the answer consists of, if it is more than one plain network.
    settings
        Every setting of the run, as it would stand in a recipe.
    chosen
        A sentence per setting that was chosen from the data.
    evaluations
        By split; :attr:`headline` picks the one that counts.
    baselines
        Scores on the texts of the headline split.
    paired
        The model against each baseline on the texts of the headline split.
    files
        Names of the files beside the record.
    """

    schema_version: Literal[1] = 1
    kind: Literal["train", "evaluate", "compare"]
    title: str
    command: str
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    versions: dict[str, str] = {}
    machine: Machine | None = None
    seed: int | None = None
    settings: dict[str, JsonValue] = {}
    chosen: tuple[str, ...] = ()
    data: DataSummary
    text: TextSummary | None = None
    model: ModelSummary | None = None
    training: TrainingSummary | None = None
    members: tuple[TrainingSummary, ...] = ()
    answer: AnswerSummary | None = None
    evaluations: dict[Split, Evaluation] = {}
    baselines: tuple[BaselineScores, ...] = ()
    paired: tuple[PairedComparison, ...] = ()
    comparison: Comparison | None = None
    findings: tuple[Finding, ...] = ()
    mistakes: tuple[MistakenText, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def headline_split(self) -> Split | None:
        """The split whose scores count: test, else the data evaluated, else validation, else training."""
        order: tuple[Split, ...] = ("test", "data", "validation", "train")
        return next((split for split in order if split in self.evaluations), None)

    @property
    def training_seconds(self) -> float | None:
        """Seconds it took to train all networks."""
        if self.members:
            return sum(member.seconds for member in self.members)
        return self.training.seconds if self.training else None

    @property
    def headline(self) -> Evaluation | None:
        """The evaluation that counts."""
        split = self.headline_split
        return None if split is None else self.evaluations[split]
