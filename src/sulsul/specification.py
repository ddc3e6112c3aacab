"""The whole of a run in one frozen, validated object that round-trips to TOML."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from sulsul.answer_settings import CalibrationSettings, EnsembleSettings, WideSettings
from sulsul.corpora.settings import DataSettings, SplitSettings
from sulsul.errors import SpecificationError
from sulsul.model.specification import INPUTS, ModelSpecification
from sulsul.pretraining_settings import PretrainingSettings
from sulsul.text.settings import TextSettings
from sulsul.training.settings import TrainingSettings

Settleable = Literal["training.epochs", "ensemble.members"]
"""Settings whose value may be left to the data; in the order in which they are settled."""

RECURRENT_KINDS = frozenset({"simple-rnn", "gru", "lstm"})
_RECURRENT_KEYS = {"cell": "kind", "units": "units", "bidirectional": "bidirectional", "activation": "activation"}


class Notebook(BaseModel):
    """What the reference notebook reported for an experiment; None where it gave no figure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    seconds_per_epoch: float | None = None
    note: str = ""


class RunSpecification(BaseModel):
    """Data, split, text, model and training of one run, and what its answer is made of.

    ``choose`` names the settings whose value here stands only until the data are read (:mod:`sulsul.choices`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "run"
    description: str = ""
    choose: tuple[Settleable, ...] = ()
    notebook: Notebook | None = None
    data: DataSettings = DataSettings()
    split: SplitSettings = SplitSettings()
    text: TextSettings = TextSettings()
    model: ModelSpecification = ModelSpecification()
    training: TrainingSettings = TrainingSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    wide: WideSettings = WideSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    pretraining: PretrainingSettings = PretrainingSettings()

    @model_validator(mode="after")
    def _raw_ids_are_padded(self) -> Self:
        if self.model.input.kind == "raw-ids" and self.text.pad_to is None:
            raise ValueError("model.input 'raw-ids' needs text.pad_to: its features are the padded ids")
        return self

    @model_validator(mode="after")
    def _only_words_are_left_out(self) -> Self:
        if self.training.token_dropout and self.text.pad_to is not None:
            raise ValueError(
                "training.token_dropout leaves tokens out, of which text.pad_to makes equally many in every text: "
                "leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _ngrams_are_summed(self) -> Self:
        if self.text.ngrams is not None and self.model.input.kind != "summed-embedding":
            raise ValueError(
                f"text.ngrams makes a word a sum, which model.input '{self.model.input.kind}' cannot read: set "
                "model.input.kind=summed-embedding, or leave text.ngrams out"
            )
        if self.text.ngrams is None and self.model.input.kind == "summed-embedding":
            raise ValueError("model.input 'summed-embedding' needs n-grams to sum: set text.ngrams, such as [1, 4]")
        return self

    @model_validator(mode="after")
    def _pretrains_in_memory(self) -> Self:
        if self.data.streaming is True and self.pretraining.unlabelled:
            raise ValueError(
                "pretraining.unlabelled reads all texts into memory, which data.streaming=true is to avoid: run "
                "`sulsul pretrain` first and set pretraining.encoder to its folder, or leave data.streaming out"
            )
        return self

    @model_validator(mode="after")
    def _unlabelled_texts_serve(self) -> Self:
        asked = self.pretraining
        if not asked.unlabelled or asked.makes_encoder or self.training.virtual_adversarial:
            return self
        if asked.encoder is not None:
            raise ValueError(
                "pretraining: encoder and unlabelled exclude each other: start from an encoder, or make one first; "
                "both together are for training.virtual_adversarial, which reads the texts as well"
            )
        raise ValueError(
            "pretraining.unlabelled serves nothing with transfer=none: set training.virtual_adversarial, such as 0.4, "
            "or leave transfer out to pretrain on the texts"
        )

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """Validate ``values``.

        Raises
        ------
        SpecificationError
            Naming ``where``, every offending key, and what was wrong with it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SpecificationError(f"{where}: {describe_validation_error(error)}") from None

    @classmethod
    def from_toml(cls, text: str, *, where: str = "specification") -> Self:
        """Read TOML text; see :meth:`parse` for what is refused."""
        try:
            values = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise SpecificationError(f"{where} is not TOML: {error}.") from None
        return cls.parse(values, where=where)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a TOML file; see :meth:`parse` for what is refused."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SpecificationError(f"{path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            raise SpecificationError(f"{path} is not UTF-8 (byte {error.start}).") from None
        return cls.from_toml(text, where=str(path))

    def to_toml(self) -> str:
        """Return TOML text from which :meth:`from_toml` makes an equal object."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))

    def single_network(self) -> Self:
        """Return the specification of one plain network: no ensemble, no linear part, nothing calibrated."""
        plain: dict[str, Any] = {"ensemble": EnsembleSettings(), "wide": WideSettings()}
        left = tuple(setting for setting in self.choose if setting != "ensemble.members")
        return self.model_copy(update={**plain, "calibration": CalibrationSettings(), "choose": left})

    def with_overrides(self, overrides: Iterable[str]) -> Self:
        """Return a copy with ``section.key=value`` assignments applied.

        A value is read as TOML, or else as a string. ``model.units``, ``model.cell``, ``model.bidirectional`` and
        ``model.activation`` stand for that field of every recurrent layer. Another ``model.input.kind`` keeps those of
        the input's settings that it knows. A setting that is assigned is no longer chosen from the data.

        Raises
        ------
        SpecificationError
            For an assignment without ``=``, an unknown key or a refused value.
        """
        values = self.model_dump(mode="json")
        for assignment in overrides:
            path, equals, literal = assignment.partition("=")
            if not equals:
                raise SpecificationError(f"--set {assignment}: write it as section.key=value.")
            path = path.strip()
            _assign(values, path.split("."), _parse_literal(literal.strip()), assignment)
            if path in values["choose"]:
                values["choose"].remove(path)
        return type(self).parse(values, where="--set")


def describe_validation_error(error: ValidationError) -> str:
    """Return one readable sentence per offending key of a pydantic error."""
    sentences = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "value"
        if item["type"] == "extra_forbidden":
            sentences.append(f"{key} is not a known setting")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = item.get("input")
            shown = f" (given: {json.dumps(given, ensure_ascii=False)})" if isinstance(given, str | int | float) else ""
            sentences.append(f"{key}: {message[0].lower()}{message[1:]}{shown}")
    return "; ".join(sentences) + "."


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Drop unset keys: TOML has no null, and every such key has None as its default."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def _parse_literal(literal: str) -> Any:
    if literal.lower() in {"none", "null"}:
        return None
    try:
        return tomllib.loads(f"value = {literal}")["value"]
    except tomllib.TOMLDecodeError:
        return literal


def _assign(values: dict[str, Any], path: list[str], value: Any, assignment: str) -> None:
    if len(path) == 2 and path[0] == "model" and path[1] in _RECURRENT_KEYS:
        layers = [layer for layer in values["model"]["layers"] if layer["kind"] in RECURRENT_KINDS]
        for layer in layers:
            layer[_RECURRENT_KEYS[path[1]]] = value
        return
    if path == ["text", "tokenizer"] and value != "word" and values["text"].get("ngrams"):
        # Only words have n-grams: with another tokenizer a token is a row of its own.
        values["text"]["ngrams"] = None
        values["model"]["input"] = {"kind": "embedding", "size": values["model"]["input"]["size"]}
    if path == ["model", "input", "kind"] and isinstance(value, str):
        known = next((set(kind.model_fields) for kind in INPUTS if kind.model_fields["kind"].default == value), None)
        given = values["model"]["input"]
        values["model"]["input"] = {key: given[key] for key in given if known is None or key in known}
    target: Any = values
    for part in path[:-1]:
        target = _step_into(target, part, assignment)
    if isinstance(target, list):
        target[_position(target, path[-1], assignment)] = value
    elif isinstance(target, dict):
        target[path[-1]] = value
    else:
        raise SpecificationError(f"--set {assignment}: {'.'.join(path[:-1])} has no settings inside.")


def _step_into(target: Any, part: str, assignment: str) -> Any:
    if isinstance(target, list):
        return target[_position(target, part, assignment)]
    if isinstance(target, dict) and part in target:
        return target[part]
    raise SpecificationError(f"--set {assignment}: {part} is not a known setting.")


def _position(target: list[Any], part: str, assignment: str) -> int:
    if not part.isdecimal() or int(part) >= len(target):
        raise SpecificationError(f"--set {assignment}: {part} is not a position from 0 to {len(target) - 1}.")
    return int(part)
