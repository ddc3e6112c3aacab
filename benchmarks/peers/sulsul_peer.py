"""sulsul itself, through its public training loop and inference."""

import os
import platform
from typing import Any

import numpy as np
import protocol
import torch

import sulsul
from sulsul.batching import EncodedCorpus
from sulsul.inference import predict_logits
from sulsul.model import Classifier, DenseLayer, EmbeddingInput, ModelSpecification, OneHotInput, RecurrentLayer
from sulsul.training import TrainingSettings, train_classifier
from workloads import Workload


class SulsulPeer:
    """Texts at their true lengths; batches are random draws or, with ``bucket``, of similar lengths."""

    def __init__(
        self, workload: Workload, texts: protocol.Texts, weights: dict[str, np.ndarray], options: dict[str, Any]
    ) -> None:
        embedding = workload.embedding_size
        specification = ModelSpecification(
            input=OneHotInput() if embedding is None else EmbeddingInput(size=embedding),
            layers=tuple(
                RecurrentLayer(kind=layer.kind, units=layer.units, bidirectional=layer.bidirectional)
                for layer in workload.layers
            ),
            pooling="last",
            head=tuple(DenseLayer(units=units, activation=activation) for units, activation in workload.head),
        )
        self._classifier = Classifier(
            specification,
            vocabulary_size=workload.vocabulary_size,
            n_classes=workload.n_classes,
            backend=options.get("backend", "auto"),
        )
        self._classifier.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        self._corpus = EncodedCorpus(texts.token_ids, texts.offsets, texts.class_ids)
        self._settings = TrainingSettings(
            optimizer=workload.optimizer,
            learning_rate=1e-3,
            batch_size=workload.batch_size,
            epochs=1,
            bucket=options.get("bucket", True),
            backend=options.get("backend", "auto"),
            keep="last",
            patience=None,
        )

    def train_epoch(self) -> float:
        """Train one epoch; the loop's own measure, which covers everything between its first and last step."""
        classes = [str(i) for i in range(self._classifier.n_classes)]
        result = train_classifier(self._classifier, self._corpus, None, self._settings, classes=classes)
        return result.seconds

    def probabilities(self, n: int) -> np.ndarray:
        """Return probabilities (n, 1) or (n, C)."""
        probabilities = self._classifier.probabilities(
            torch.from_numpy(predict_logits(self._classifier, self._first(n)))
        )
        return (probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities).numpy()

    def infer(self, batch_size: int, n: int) -> float:
        """Return the seconds of ``predict_logits``."""
        corpus = self._first(n)
        return protocol.seconds(lambda: predict_logits(self._classifier, corpus, batch_size))

    def _first(self, n: int) -> EncodedCorpus:
        return self._corpus.select(np.arange(n))


def _versions() -> dict[str, str]:
    return {"sulsul": sulsul.__version__, "torch": torch.__version__, "Python": platform.python_version()}


def _product_rate() -> float:
    """Return the rate of float32 products of the size that recurrent training needs, in operations per second."""
    left, right, product = torch.rand(16_000, 128), torch.rand(128, 512), torch.empty(16_000, 512)
    times = [protocol.seconds(lambda: torch.mm(left, right, out=product)) for _ in range(50)]
    return 2 * 16_000 * 128 * 512 / min(times)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["BENCHMARK_THREADS"]))
    torch.set_flush_denormal(True)
    protocol.serve(SulsulPeer, _versions, product_rate=_product_rate)
