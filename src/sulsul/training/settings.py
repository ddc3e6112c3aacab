"""What can be chosen about training."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from sulsul.none_word import NONE_IS_A_WORD


class TrainingSettings(BaseModel):
    """Optimizer, schedule, stopping rule and seed of one training run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    optimizer: Literal["sgd", "rmsprop", "adam", "adamw"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0.0)
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0, description="sgd only")
    weight_decay: float = Field(default=0.0, ge=0.0, description="adamw: decoupled; others: added to the gradient")
    lazy_embedding: bool = Field(
        default=False, description="A step updates only the rows of the embedding table that its batch reads"
    )
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    plateau_factor: float = Field(default=0.5, gt=0.0, lt=1.0)
    plateau_patience: int = Field(default=2, ge=0)
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=20, ge=1)
    clip_norm: float | None = Field(default=None, gt=0.0, description="Largest global gradient norm")
    class_weight: Annotated[Literal["none", "balanced"] | dict[str, float], NONE_IS_A_WORD] = "none"
    monitor: Literal["val_loss", "val_accuracy", "val_macro_f1"] = "val_loss"
    patience: int | None = Field(
        default=3, ge=0, description="Epochs without improvement; None, in TOML 'never': run all"
    )
    keep: Literal["best", "last"] = "best"
    bucket: bool = Field(default=True, description="Batch texts of similar length together")
    token_dropout: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of the tokens of every text that are left out, others in every epoch",
    )
    adversarial: float = Field(
        default=0.0,
        ge=0.0,
        description="Also train on embedded tokens moved against the network by this share of their norm, such as "
        "0.15; through torch, at about twice its cost",
    )
    virtual_adversarial: float = Field(
        default=0.0,
        ge=0.0,
        description="Also hold the answers still where embedded tokens, of unlabelled texts too, move by this share of "
        "their norm; through torch, at two to four times its cost",
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    backend: Literal["auto", "native", "torch"] = "auto"
    threads: int | None = Field(default=None, ge=1, description="None: all cores, or OMP_NUM_THREADS")

    @property
    def ends_as_planned(self) -> bool:
        """Whether the last epoch is the one to keep: a cosine schedule that nothing cuts short ends in small steps."""
        return self.schedule == "cosine" and self.patience is None

    @field_validator("patience", mode="before")
    @classmethod
    def _read_never(cls, value: object) -> object:
        return None if value == "never" else value  # TOML has no null

    @field_serializer("patience", when_used="json")
    def _write_never(self, value: int | None) -> int | str:
        return "never" if value is None else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError("momentum belongs to optimizer 'sgd' only")
        if isinstance(self.class_weight, dict) and any(w < 0 for w in self.class_weight.values()):
            raise ValueError("class_weight: weights must not be negative")
        return self
