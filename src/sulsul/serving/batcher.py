"""Micro-batches: texts of requests that arrive while the model computes are computed together next."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sulsul.batching import EncodedCorpus
from sulsul.inference import batches_by_length
from sulsul.predictor import Prediction, Predictor
from sulsul.serving.logs import log_failure
from sulsul.serving.settings import ServingSettings

_CHARACTERS_PER_TOKEN = 8
"""A window holds at most so many characters per token of a batch; words are shorter, so most windows are one batch."""


class QueueFullError(Exception):
    """As many texts wait as may; ``retry_after_s`` estimates when there is room again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many texts are waiting")
        self.retry_after_s = retry_after_s


class ClosedError(Exception):
    """The server takes no more texts, because it is shutting down."""


@dataclass(frozen=True)
class Answer:
    """The prediction for a text, and what the tokenizer made of it.

    Attributes
    ----------
    n_tokens
        Tokens the model read, after truncation.
    n_unknown
        Tokens of the text outside the vocabulary.
    truncated
        Whether part of the text was cut off.
    """

    prediction: Prediction
    n_tokens: int
    n_unknown: int
    truncated: bool


@dataclass(frozen=True)
class BatchReport:
    """What one micro-batch was: for metrics."""

    n_texts: int
    n_tokens: int
    n_unknown: int
    seconds: float


@dataclass(eq=False)
class _Job:
    """The texts of one request; ``next`` is the first that no batch has taken."""

    texts: Sequence[str]
    future: asyncio.Future[list[Answer]]
    next: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)

    def give(self, position: int, answer: Answer) -> None:
        self.answers[position] = answer
        if len(self.answers) == len(self.texts) and not self.future.done():
            self.future.set_result([self.answers[k] for k in range(len(self.texts))])

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


_Place = tuple[_Job, int]


class MicroBatcher:
    """Coalesces the texts of concurrent requests into batches sorted by length, computed in one thread.

    While the model computes, texts wait; when it is free, the next *window* is drawn, one text from each waiting
    request in turn, so that a single text never waits behind more than one window of a request of thousands. The window
    is sorted by length and cut into batches of limited tokens, the shortest computed first: a short text does not wait
    for a long one that came with it, and no text waits for ever, since a window is finished before the next is drawn.

    Nothing waits for company while the model is idle unless ``batch_delay_s`` says so. Use from one event loop.

    Parameters
    ----------
    predictor
        The trained classifier; used from this object's own thread only.
    settings
        Limits of queue and batch.
    on_batch
        Called in the computing thread after every batch.
    on_queue
        Called with the number of texts waiting or being computed whenever it changes.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: ServingSettings,
        on_batch: Callable[[BatchReport], None] = lambda report: None,
        on_queue: Callable[[int], None] = lambda n_texts: None,
    ) -> None:
        self._predictor = predictor
        self._settings = settings
        self._on_batch = on_batch
        self._on_queue = on_queue
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._texts_per_s = 1000.0
        self.n_queued_texts = 0
        self.n_queued_characters = 0

    def start(self) -> None:
        """Begin to compute; to be called inside the event loop."""
        self._task = asyncio.create_task(self._run(), name="micro-batches")

    @property
    def accepts(self) -> bool:
        """Whether a text given now would be taken."""
        return self._refusal(1, 1) is None

    async def predict(self, texts: Sequence[str]) -> list[Answer]:
        """Return an answer per text.

        A cancelled call takes its texts out of the queue.

        Raises
        ------
        QueueFullError
            If the texts do not fit into the queue.
        ClosedError
            After :meth:`close`.
        """
        n_characters = sum(map(len, texts))
        if (refusal := self._refusal(len(texts), n_characters)) is not None:
            raise refusal
        if not texts:
            return []
        job = _Job(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._count(len(texts), n_characters)
        self._arrived.set()
        try:
            return await job.future
        finally:
            self._forget(job)

    async def close(self) -> None:
        """Refuse further texts, finish those that were taken, and end the thread."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._executor.shutdown()

    def _refusal(self, n_texts: int, n_characters: int) -> Exception | None:
        if self._closing or self._task is None or self._task.done():
            return ClosedError()
        settings = self._settings
        if (
            self.n_queued_texts + n_texts > settings.max_queued_texts
            or self.n_queued_characters + n_characters > settings.max_queued_characters
        ):
            return QueueFullError(max(1, math.ceil(self.n_queued_texts / self._texts_per_s)))
        return None

    def _forget(self, job: _Job) -> None:
        self._count(-len(job.texts), -sum(map(len, job.texts)))
        if job in self._waiting:
            self._waiting.remove(job)

    def _count(self, n_texts: int, n_characters: int) -> None:
        self.n_queued_texts += n_texts
        self.n_queued_characters += n_characters
        self._on_queue(self.n_queued_texts)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting or not self._closing:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                if self._settings.batch_delay_s and not self._closing:
                    await asyncio.sleep(self._settings.batch_delay_s)
                continue
            window = self._draw()
            start = time.perf_counter()
            try:
                await loop.run_in_executor(self._executor, self._compute, window, loop)
            except Exception as error:
                # Answered with 500 by each request; the server goes on with the next window.
                log_failure("a batch failed", error)
                for job, _ in window:
                    job.fail(error)
            rate = len(window) / (time.perf_counter() - start)
            self._texts_per_s += 0.1 * (rate - self._texts_per_s)

    def _draw(self) -> list[_Place]:
        """Take texts from the waiting requests in turn."""
        window: list[_Place] = []
        n_characters = 0
        most_characters = _CHARACTERS_PER_TOKEN * self._settings.max_batch_tokens
        while self._waiting and len(window) < self._settings.max_batch_texts:
            job = self._waiting[0]
            n_characters += len(job.texts[job.next])
            if window and n_characters > most_characters:
                break
            self._waiting.popleft()
            window.append((job, job.next))
            job.next += 1
            if job.next < len(job.texts):
                self._waiting.append(job)
        return window

    def _compute(self, window: list[_Place], loop: asyncio.AbstractEventLoop) -> None:
        """Answer a window's texts batch by batch; runs in the computing thread."""
        settings = self._settings
        texts = [job.texts[k] for job, k in window]
        encoded = self._predictor.bundle.tokenizer.encode_with_lengths(texts)
        corpus = EncodedCorpus(encoded.token_ids, encoded.offsets, types=encoded.types)
        for rows in reversed(batches_by_length(corpus.lengths, settings.max_batch_texts, settings.max_batch_tokens)):
            start = time.perf_counter()
            logits = self._predictor.logits(corpus.select(rows), [texts[row] for row in rows])
            probabilities = self._predictor.probabilities_of_logits(logits)
            predictions = self._predictor.predictions_of_probabilities(probabilities)
            answers = [
                Answer(prediction, n_tokens, n_unknown, full_length > n_tokens)
                for prediction, n_tokens, n_unknown, full_length in zip(
                    predictions,
                    corpus.lengths[rows].tolist(),
                    encoded.unknown_counts[rows].tolist(),
                    encoded.full_lengths[rows].tolist(),
                    strict=True,
                )
            ]
            n_tokens, n_unknown = int(corpus.lengths[rows].sum()), int(encoded.unknown_counts[rows].sum())
            self._on_batch(BatchReport(len(rows), n_tokens, n_unknown, time.perf_counter() - start))
            loop.call_soon_threadsafe(_deliver, [window[row] for row in rows], answers)


def _deliver(places: Sequence[_Place], answers: Sequence[Answer]) -> None:
    for (job, position), answer in zip(places, answers, strict=True):
        job.give(position, answer)
