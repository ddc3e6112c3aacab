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


def cut_and_padded(ids: list[int]) -> list[int]:
    """Return the ids of a text in the length that the network was trained on."""
    longest = settings["max_length"] or len(ids)
    ids = ids[max(0, len(ids) - longest) :] if settings["truncate"] == "front" else ids[:longest]
    pad = [settings["reserved"].index("pad")] * max(0, settings["pad_to"] - len(ids)) if settings["pad_to"] else []
    return pad + ids if settings["pad_side"] == "before" else ids + pad


def encode(text: str) -> list[int]:
    """Return the ids of a text as the network was trained on them: known ones, cut, padded."""
    return cut_and_padded([i for i in tokenizer.encode(text).ids if i < settings["vocabulary_size"]])


# Only for networks whose words are sums of n-grams (text.ngrams): ids are then positions in `types`.
types: list[list[int]] = [[row] for row in range(len(settings["reserved"]))]
id_of: dict[str, int] = {}


def row_of(ngram: str) -> int | None:
    """Return the row of an n-gram: the learned one, or its FNV-1a hash where n-grams are hashed."""
    if settings["ngram_buckets"] is None:
        return tokenizer.token_to_id(" " + ngram)
    value = 0x811C9DC5
    for byte in ngram.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return settings["vocabulary_size"] - settings["ngram_buckets"] + value % settings["ngram_buckets"]


def rows_of(word: str) -> list[int]:
    """Return the rows that a word is the sum of: its own and those of its n-grams, as far as they are known."""
    marked = f"<{word[:4096]}>"
    spans = [(i, i + n) for n in range(settings["ngrams"][0], settings["ngrams"][1] + 1) for i in range(len(marked))]
    whole = [(i, j) for i, j in spans if j <= len(marked) and (i, j) not in {(0, 1), (len(marked) - 1, len(marked))}]
    rows = [tokenizer.token_to_id(word), *(row_of(marked[i:j]) for i, j in whole)]
    return [row for row in rows if row is not None]


def encode_words(text: str) -> list[int]:
    """Return the words of a text as positions in `types`; a word without any row is OOV, or left out."""
    reserved = settings["reserved"]
    ids = [reserved.index("start")] if "start" in reserved else []
    for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)):
        if word not in id_of and (rows := rows_of(word)):
            id_of[word] = len(types)
            types.append(rows)
        if word in id_of or "oov" in reserved:
            ids.append(id_of[word] if word in id_of else reserved.index("oov"))
    return cut_and_padded(ids)


sequences = [encode_words(text) if settings["ngrams"] else encode(text) for text in texts]
lengths = np.array([len(ids) for ids in sequences], np.int64)
token_ids = np.zeros((len(texts), max(lengths)), np.int64)
for row, ids in zip(token_ids, sequences, strict=True):
    row[: len(ids)] = ids
inputs = {"token_ids": token_ids, "lengths": lengths}
if settings["ngrams"]:
    inputs["parts"] = np.array([rows + [-1] * (max(map(len, types)) - len(rows)) for rows in types], np.int64)
(probabilities,) = session.run(["probabilities"], inputs)
for text, row in zip(texts, probabilities.tolist(), strict=True):
    print(json.dumps({"text": text, **dict(zip(classes, row, strict=True))}, ensure_ascii=False))
