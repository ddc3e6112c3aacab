"""The server people write first: FastAPI, one text per request, one forward pass of torch each."""

import sys

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from sulsul.model.packed_batch import PackedBatch
from sulsul.predictor import Predictor


class Request(BaseModel):
    """One text."""

    text: str


def build(folder: str) -> FastAPI:
    """Return the application: the run's tokenizer and weights, torch's own recurrent layers."""
    predictor = Predictor.load(folder, backend="torch")
    classifier = predictor.bundle.classifier
    application = FastAPI()

    @application.post("/predict")
    def predict(request: Request) -> dict[str, object]:
        token_ids, _ = predictor.bundle.tokenizer.encode([request.text])
        with torch.inference_mode():
            logits = classifier(PackedBatch.from_sequences([token_ids.tolist()]))
            probabilities = classifier.probabilities(logits)[0].numpy()
        best = int(np.argmax(probabilities))
        return {
            "label": predictor.classes[best],
            "probabilities": dict(zip(predictor.classes, probabilities.tolist(), strict=True)),
        }

    return application


if __name__ == "__main__":
    torch.set_num_threads(1)
    uvicorn.run(build(sys.argv[1]), port=int(sys.argv[2]), access_log=False, log_level="warning")
