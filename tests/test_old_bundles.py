"""Bundles that older versions wrote are read for ever, with the same answers.

`tests/bundles/make_bundle.py` made them once (schemas 1 to 3 with sulsul 0.1.0); they are never made again. Weights and
token ids are exact. Bytes of probabilities are promised within one version, not from one to the next, whose kernels may
round otherwise: they agree within the rounding of float32.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.tolerances import NATIVE_FLOAT32, NATIVE_FLOAT32_SPLIT

from sulsul import Predictor
from sulsul.bundle import SCHEMA_VERSION
from sulsul.kernels import native

FOLDER = Path(__file__).parent / "bundles"
NAMES = sorted(path.name for path in FOLDER.glob("schema-*"))


def test_every_schema_has_one() -> None:
    versions = [json.loads((FOLDER / name / "config.json").read_bytes())["schema_version"] for name in NAMES]
    assert versions == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_an_old_bundle_answers_as_it_did(name: str, backend: str) -> None:
    answers = json.loads((FOLDER / name / "answers.json").read_bytes())
    predictor = Predictor.load(FOLDER / name, backend=backend)
    encoded = predictor.encode(answers["texts"])
    assert encoded.token_ids.tolist() == answers["token_ids"]
    assert encoded.offsets.tolist() == answers["offsets"]
    # AMX multiplies halves of 8 bits.
    halves = backend == "native" and native.detected_instruction_set() == "amx"
    tolerance = NATIVE_FLOAT32_SPLIT if halves else NATIVE_FLOAT32
    found = predictor.probabilities(answers["texts"])
    np.testing.assert_allclose(found, answers["probabilities"], rtol=0, atol=tolerance)
    predictions = predictor.predict(answers["texts"])
    assert [list(prediction.labels) for prediction in predictions] == answers["labels"]
    assert [prediction.abstained for prediction in predictions] == answers["abstained"]


@pytest.mark.parametrize("name", NAMES)
def test_an_old_bundle_is_saved_again_with_the_same_weights(name: str, tmp_path: Path) -> None:
    Predictor.load(FOLDER / name).bundle.save(tmp_path / "again")
    for path in (tmp_path / "again").glob("*.safetensors"):
        assert path.read_bytes() == (FOLDER / name / path.name).read_bytes()
