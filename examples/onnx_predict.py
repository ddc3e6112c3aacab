"""Classify texts with an exported network: onnxruntime, tokenizers and NumPy; no torch, no sulsul.

python onnx_predict.py model.onnx runs/petitions/tokenizer.json "first text" "second text"
"""

import json
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
tokenizer, texts = Tokenizer.from_file(sys.argv[2]), sys.argv[3:]
metadata = session.get_modelmeta().custom_metadata_map
classes, settings = json.loads(metadata["classes"]), json.loads(metadata["text"])


def encode(text: str) -> list[int]:
    """Return the ids of a text as the network was trained on them: known ones, cut, padded."""
    ids = [i for i in tokenizer.encode(text).ids if i < settings["vocabulary_size"]]
    longest = settings["max_length"] or len(ids)
    ids = ids[max(0, len(ids) - longest) :] if settings["truncate"] == "front" else ids[:longest]
    pad = [settings["reserved"].index("pad")] * max(0, settings["pad_to"] - len(ids)) if settings["pad_to"] else []
    return pad + ids if settings["pad_side"] == "before" else ids + pad


sequences = [encode(text) for text in texts]
lengths = np.array([len(ids) for ids in sequences], np.int64)
token_ids = np.zeros((len(texts), max(lengths)), np.int64)
for row, ids in zip(token_ids, sequences, strict=True):
    row[: len(ids)] = ids
(probabilities,) = session.run(["probabilities"], {"token_ids": token_ids, "lengths": lengths})
for text, row in zip(texts, probabilities.tolist(), strict=True):
    print(json.dumps({"text": text, **dict(zip(classes, row, strict=True))}, ensure_ascii=False))
