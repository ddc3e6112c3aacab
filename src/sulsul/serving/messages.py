"""Requests and responses: their models, their limits and their OpenAPI examples."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sulsul.serving.gate import Refusal
from sulsul.serving.settings import ServingSettings

Share = Annotated[float, Field(ge=0, le=1)]


class PredictRequest(BaseModel):
    """Either ``text``, one string, or ``texts``, a list of strings; an empty text is legal."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = ""
    texts: list[str] = []

    @model_validator(mode="after")
    def _one_of_both(self) -> "PredictRequest":
        if len(self.model_fields_set) != 1:
            raise ValueError("give either text or texts")
        return self

    def strings(self) -> list[str]:
        """Return the texts as a list."""
        return [self.text] if "text" in self.model_fields_set else self.texts


class ExplainRequest(BaseModel):
    """A text, and the class to explain; the predicted one if left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    label: str | None = None


class TextAnswer(BaseModel):
    """What is said of one text whatever the task."""

    probability: Share = Field(description="Of the most probable class.")
    probabilities: dict[str, Share] = Field(description="Of every class.")
    n_tokens: int = Field(ge=0, description="Tokens the model read.")
    n_unknown: int = Field(ge=0, description="Tokens of the text outside the vocabulary.")
    truncated: bool = Field(description="Whether part of the text was cut off.")
    abstained: bool | None = Field(
        default=None,
        description="Whether the answer is less sure than the model's threshold asks; absent without a threshold.",
    )


class SingleLabelAnswer(TextAnswer):
    """The prediction for a text that has one label."""

    label: str


class MultiLabelAnswer(TextAnswer):
    """The prediction for a text that may have several labels."""

    labels: list[str]


RequestT = TypeVar("RequestT", bound=BaseModel)
AnswerT = TypeVar("AnswerT", bound=TextAnswer)


class PredictResponse(BaseModel, Generic[AnswerT]):
    """An answer per text, in the order of the request."""

    predictions: list[AnswerT]


class SegmentAnswer(BaseModel):
    """Characters ``text[start:end]`` (Unicode code points), and their influence."""

    text: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    influence: float = Field(description="On the class's log-odds; positive speaks for it, 0 where nothing was read.")


class ExplainResponse(BaseModel):
    """How each part of the text moved the log-odds of one class."""

    label: str = Field(description="The class that is explained.")
    probability: Share = Field(description="Of that class.")
    log_odds: float
    method: str
    segments: list[SegmentAnswer] = Field(description="The whole text in order.")


class ModelDescription(BaseModel):
    """The model that answers, and what may be asked of it."""

    name: str
    classes: list[str]
    multi_label: bool
    tokenizer: str
    max_texts: int
    max_text_characters: int
    max_body_bytes: int
    max_explained_tokens: int
    abstain_below: Share | None = Field(
        default=None, description="Least confidence of an answer that is not marked as abstained; null without one."
    )


class Status(BaseModel):
    """How the server is."""

    status: str


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


def parse_request(model: type[RequestT], content_type: str, body: bytes) -> RequestT:
    """Read a request's JSON.

    Raises
    ------
    Refusal
        415 if the content is not declared as JSON, which also keeps forms of other sites out; 422 if it is not what the
        model describes. The reason never quotes the content.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "send JSON, with Content-Type: application/json")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        # Neither input nor keys are quoted: they may be private, and may hold what no response can carry.
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in problem["loc"] if isinstance(part, int) or part in model.model_fields)
        raise Refusal(422, f"{place or 'body'}: {_reason(problem)}") from None


def _reason(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "unknown key"
    if problem["type"] == "json_invalid":
        return "not valid JSON in UTF-8"
    return str(problem["msg"]).removeprefix("Value error, ")


def check_limits(texts: list[str], settings: ServingSettings) -> None:
    """Refuse with 422 too many or too long texts, saying which."""
    if len(texts) > settings.max_texts:
        raise Refusal(422, f"texts: {len(texts):,} texts, but at most {settings.max_texts:,} fit into a request")
    for position, text in enumerate(texts):
        if len(text) > settings.max_text_characters:
            raise Refusal(
                422,
                f"text {position} (counted from 0) has {len(text):,} characters, at most "
                f"{settings.max_text_characters:,} are allowed",
            )


def predict_body(settings: ServingSettings) -> dict[str, Any]:
    """Return OpenAPI's description of a prediction request's body, limits and examples included."""
    text = {"type": "string", "maxLength": settings.max_text_characters}
    schema = {
        "type": "object",
        "properties": {"text": text, "texts": {"type": "array", "items": text, "maxItems": settings.max_texts}},
        "additionalProperties": False,
        "oneOf": [{"required": ["text"]}, {"required": ["texts"]}],
    }
    examples = {
        "one": {"summary": "One text", "value": {"text": "쓰레기 배출 요일이 궁금합니다"}},
        "many": {"summary": "Many texts", "value": {"texts": ["the staff was kind and quick", "다시는 안 갑니다"]}},
    }
    return _body(schema, examples)


def explain_body(settings: ServingSettings, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return OpenAPI's description of an explanation request's body."""
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": settings.max_text_characters},
            "label": {"enum": [*classes, None], "description": "The class to explain; default: the predicted one."},
        },
        "additionalProperties": False,
        "required": ["text"],
    }
    examples = {
        "predicted": {"summary": "The predicted class", "value": {"text": "쓰레기 배출 요일이 궁금합니다"}},
        "chosen": {"summary": "A class of your choice", "value": {"text": "too slow", "label": classes[0]}},
    }
    return _body(schema, examples)


def _body(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}
