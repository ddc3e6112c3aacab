"""What Prometheus can scrape: requests, texts, batches, unknown words, predicted labels."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from sulsul.serving.batcher import Answer, BatchReport

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own: a folder that workers share, set before the package is first imported."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_MOST_LABELS = 200


class Metrics:
    """Counters of one worker; :meth:`render` gives the sum over all of them."""

    def __init__(self, classes: Sequence[str]) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._shared = MULTIPROCESS_VARIABLE in os.environ
        # A time series per label: beyond some hundreds they cost Prometheus more than they tell.
        self._count_labels = len(classes) <= _MOST_LABELS
        counter = partial(Counter, namespace="sulsul", registry=registry)
        histogram = partial(Histogram, namespace="sulsul", registry=registry)
        self.requests = counter("requests", "Answered requests.", ["route", "status"])
        self.seconds = histogram("request_seconds", "Time to answer.", ["route"], buckets=_SECONDS)
        self.texts = counter("texts", "Classified texts.")
        self.tokens = counter("tokens", "Tokens the model read.")
        self.unknown = counter("unknown_tokens", "Tokens of texts outside the vocabulary.")
        self.truncated = counter("truncated_texts", "Texts that were cut to the longest length.")
        self.labels = counter("predicted_labels", "Predictions by label.", ["label"])
        self.batch_texts = histogram("batch_texts", "Texts computed together.", buckets=_TEXTS)
        self.batch_seconds = histogram("batch_seconds", "Time to compute a batch.", buckets=_SECONDS)
        self.queued = Gauge(
            "queued_texts",
            "Texts waiting or being computed.",
            namespace="sulsul",
            multiprocess_mode="livesum",
            registry=registry,
        )
        if self._shared:
            forget_dead_workers(Path(os.environ[MULTIPROCESS_VARIABLE]))
        else:
            ProcessCollector(registry=registry)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def count_batch(self, report: BatchReport) -> None:
        """Count a computed batch."""
        self.texts.inc(report.n_texts)
        self.tokens.inc(report.n_tokens)
        self.unknown.inc(report.n_unknown)
        self.batch_texts.observe(report.n_texts)
        self.batch_seconds.observe(report.seconds)

    def count_answers(self, answers: Sequence[Answer]) -> None:
        """Count labels and cut texts: a shift in either says that the texts have changed."""
        self.truncated.inc(sum(answer.truncated for answer in answers))
        if self._count_labels:
            for answer in answers:
                for label in answer.prediction.labels:
                    self.labels.labels(label).inc()

    def render(self) -> bytes:
        """Return the metrics of all workers in Prometheus's text format."""
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def forget_dead_workers(folder: Path) -> None:
    """Remove the gauges of workers that died; their counters stay, since what they counted happened."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
