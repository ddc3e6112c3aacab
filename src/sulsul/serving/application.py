"""The routes: one application around one trained classifier."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from pydantic import SecretStr

import sulsul
from sulsul.explanation import Explanation
from sulsul.predictor import Predictor
from sulsul.serving.authentication import KeyCheck
from sulsul.serving.batcher import Answer, ClosedError, MicroBatcher, QueueFullError
from sulsul.serving.explaining import Explainer
from sulsul.serving.gate import Gate, Refusal
from sulsul.serving.logs import log_texts
from sulsul.serving.messages import (
    ExplainRequest,
    ExplainResponse,
    ModelDescription,
    MultiLabelAnswer,
    PredictRequest,
    PredictResponse,
    Problem,
    SingleLabelAnswer,
    Status,
    check_limits,
    explain_body,
    parse_request,
    predict_body,
)
from sulsul.serving.metrics import CONTENT_TYPE, Metrics
from sulsul.serving.settings import ServingSettings

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_REASONS = {
    400: "The host name or the request itself is not acceptable.",
    401: "The API key is missing or wrong.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "The body is not what is asked for, or a text or the list of texts is too long.",
    429: "As many texts wait as may.",
    503: "Not ready, shutting down, or no answer within the time limit.",
}
_REFUSED = (400, 401, 413, 415, 422, 429, 503)
_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/script.js": ("script.js", "text/javascript; charset=utf-8"),
}
_WARM_UP = ("", "a text to warm up with", "준비 운동을 위한 글입니다")


def create_application(predictor: Predictor, settings: ServingSettings, api_key: SecretStr | None = None) -> FastAPI:
    """Build the ASGI application that serves a classifier.

    Parameters
    ----------
    predictor
        The trained classifier; nothing else may use it meanwhile.
    settings
        Limits; its address and number of workers are not looked at.
    api_key
        What clients must send; None lets everybody ask.
    """
    metrics = Metrics(predictor.classes)
    batcher = MicroBatcher(predictor, settings, metrics.count_batch, metrics.queued.set)

    explainer = Explainer(predictor, settings)

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        await batcher.predict(_WARM_UP)
        yield
        await batcher.close()
        explainer.close()

    application = FastAPI(
        title="sulsul",
        version=sulsul.__version__,
        description=f"The classifier {predictor.bundle.specification.name!r}: {len(predictor.classes)} classes.",
        docs_url=None,  # both load scripts from a content delivery network
        redoc_url=None,
        lifespan=lifespan,
    )
    # The gate compares the key; this tells OpenAPI of it.
    security = [] if api_key is None else [Security(HTTPBearer(auto_error=False))]
    # Routes are tried in this order: the one that is asked for most comes first.
    application.include_router(_predict_route(predictor, settings, batcher, metrics), dependencies=security)
    application.include_router(_explain_route(predictor, settings, explainer), dependencies=security)
    application.include_router(_model_routes(predictor, settings, metrics), dependencies=security)
    application.include_router(_page_routes())
    application.include_router(_health_routes(batcher))
    key_check = None if api_key is None else KeyCheck(api_key)
    application.add_middleware(Gate, settings=settings, key_check=key_check, on_answer=metrics.count_request)
    return application


def _page_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    for path, (name, media_type) in _PAGE.items():
        content = files("sulsul.serving").joinpath("page", name).read_bytes()

        # The content is bound as a default, since all three routes share this loop's variables.
        async def page(content: bytes = content, media_type: str = media_type) -> Response:
            return Response(content, media_type=media_type)

        router.add_api_route(path, page, methods=["GET"])
    return router


def _health_routes(batcher: MicroBatcher) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Status:
        return Status(status="alive")

    @router.get("/readyz", summary="Would a text be taken now?", responses=_responses(503))
    async def readyz() -> Status:
        if not batcher.accepts:
            raise Refusal(503, "not ready: the queue is full or the server is shutting down", {"Retry-After": "1"})
        return Status(status="ready")

    return router


def _model_routes(predictor: Predictor, settings: ServingSettings, metrics: Metrics) -> APIRouter:
    router = APIRouter(responses=_responses(401))

    @router.get("/model", tags=["model"], summary="The classes, and the limits of a request")
    async def model() -> ModelDescription:
        return describe_model(predictor, settings)

    @router.get(
        "/metrics",
        tags=["health"],
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"description": "Prometheus's text format.", "content": {"text/plain": {}}}},
    )
    def render_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router


def _predict_route(
    predictor: Predictor, settings: ServingSettings, batcher: MicroBatcher, metrics: Metrics
) -> APIRouter:
    router = APIRouter()
    answer_model = MultiLabelAnswer if predictor.multi_label else SingleLabelAnswer

    @router.post(
        "/predict",
        tags=["model"],
        summary="Classify one or many texts",
        response_model=PredictResponse[answer_model],  # type: ignore[valid-type]
        responses=_responses(*_REFUSED),
        openapi_extra=predict_body(settings),
    )
    async def predict(request: Request) -> Response:
        body = await request.body()
        texts = parse_request(PredictRequest, request.headers.get("content-type", ""), body).strings()
        check_limits(texts, settings)
        if settings.log_texts:
            log_texts(texts)
        answers = await _answers(batcher, texts)
        metrics.count_answers(answers)
        rows = [_row(answer, predictor.classes, multi_label=predictor.multi_label) for answer in answers]
        return JSONResponse({"predictions": rows})

    return router


def _explain_route(predictor: Predictor, settings: ServingSettings, explainer: Explainer) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/explain",
        tags=["model"],
        summary="Which parts of a text moved the answer",
        response_model=ExplainResponse,
        responses=_responses(*_REFUSED),
        openapi_extra=explain_body(settings, predictor.classes),
    )
    async def explain(request: Request) -> Response:
        body = await request.body()
        asked = parse_request(ExplainRequest, request.headers.get("content-type", ""), body)
        check_limits([asked.text], settings)
        if settings.log_texts:
            log_texts([asked.text])
        return JSONResponse(_explained(await explainer.explain(asked.text, asked.label)))

    return router


def _explained(explanation: Explanation) -> dict[str, Any]:
    return {
        "label": explanation.target,
        "probability": round(explanation.probability, 6),
        "log_odds": explanation.log_odds,
        "method": explanation.method,
        "segments": [
            {
                "text": explanation.text[segment.start : segment.end],
                "start": segment.start,
                "end": segment.end,
                "influence": round(segment.influence, 6),
            }
            for segment in explanation.segments()
        ],
    }


def describe_model(predictor: Predictor, settings: ServingSettings) -> ModelDescription:
    """Return the model's name and classes, and what may be asked of it."""
    specification = predictor.bundle.specification
    return ModelDescription(
        name=specification.name,
        classes=list(predictor.classes),
        multi_label=predictor.multi_label,
        tokenizer=specification.text.tokenizer,
        max_texts=settings.max_texts,
        max_text_characters=settings.max_text_characters,
        max_body_bytes=settings.max_body_bytes,
        max_explained_tokens=settings.max_explained_tokens,
        abstain_below=None if predictor.abstention is None else predictor.abstention.threshold,
    )


async def _answers(batcher: MicroBatcher, texts: Sequence[str]) -> list[Answer]:
    try:
        return await batcher.predict(texts)
    except QueueFullError as error:
        wait = str(error.retry_after_s)
        raise Refusal(429, f"too many texts are waiting; try again in {wait} s", {"Retry-After": wait}) from None
    except ClosedError:
        raise Refusal(503, "the server is shutting down", {"Retry-After": "1"}) from None


def _row(answer: Answer, classes: Sequence[str], *, multi_label: bool) -> dict[str, Any]:
    prediction = answer.prediction
    probabilities = [round(value, 6) for value in prediction.probabilities]
    return {
        **({"labels": prediction.labels} if multi_label else {"label": prediction.labels[0]}),
        "probability": round(prediction.probability, 6),
        "probabilities": dict(zip(classes, probabilities, strict=True)),
        "n_tokens": answer.n_tokens,
        "n_unknown": answer.n_unknown,
        "truncated": answer.truncated,
        **({} if prediction.abstained is None else {"abstained": prediction.abstained}),
    }


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "model": Problem,
            "description": _REASONS[status],
            **({"headers": _RETRY_AFTER} if status in {429, 503} else {}),
        }
        for status in statuses
    }
