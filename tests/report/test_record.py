"""The run record: it survives JSON and knows which scores count."""

import pytest
from pydantic import ValidationError

from sulsul.report.record import DataSummary, RunRecord


def test_json_round_trip(full_record):
    assert RunRecord.model_validate_json(full_record.model_dump_json()) == full_record


def test_a_record_without_optional_parts_survives_json(bare_record):
    assert RunRecord.model_validate_json(bare_record.model_dump_json()) == bare_record
    assert bare_record.headline is None


def test_the_test_split_counts_before_validation(full_record):
    assert full_record.headline_split == "test"
    only_validation = {"validation": full_record.evaluations["validation"]}
    assert full_record.model_copy(update={"evaluations": only_validation}).headline_split == "validation"


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError, match="colour"):
        DataSummary(source="a.csv", fingerprint="00", n_rows=1, classes=("a",), colour="red")
