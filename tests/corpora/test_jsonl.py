"""JSON Lines: types are examined per row."""

from pathlib import Path

import polars as pl
import pytest

from sulsul.corpora import Corpus, DataSettings, iter_texts, read_corpus
from sulsul.errors import DataError


def read(path: Path, content: str, **chosen: object) -> Corpus:
    path.write_text(content, encoding="utf-8")
    return read_corpus(DataSettings(source=str(path), **chosen))  # type: ignore[arg-type]


def test_objects_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    corpus = read(path, '{"id": 7, "text": "a\\nb", "label": 1}\n\n{"label": 0, "text": "한글", "more": [1]}\r\n')
    assert corpus.texts.to_list() == ["a\nb", "한글"]
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["1", "0"]
    assert corpus.ids is not None
    assert corpus.ids.to_list() == ["7", None]
    assert corpus.rows.tolist() == [1, 3]
    assert corpus.location(1) == f"{path}, row 3"
    assert (corpus.audit.n_rows, corpus.audit.n_blank_rows) == (3, 1)


def test_missing_texts_are_counted_and_legal(tmp_path: Path) -> None:
    corpus = read(
        tmp_path / "t.jsonl",
        '{"text": null, "label": "x"}\n{"label": "y"}\n{"text": "", "label": "x"}\n'
        '{"text": NaN, "label": "x"}\n{"text": "NaN", "label": "y"}\n',
    )
    assert corpus.texts.to_list() == ["", "", "", "", "NaN"]
    assert (corpus.audit.n_missing, corpus.audit.n_empty, corpus.audit.n_nan_text) == (3, 1, 1)


def test_lists_of_labels_make_a_multi_label_task(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.jsonl", '{"text": "a", "label": ["x", "y", "x"]}\n{"text": "b", "label": []}\n')
    assert corpus.multi_label
    assert corpus.labels is not None
    assert corpus.labels.to_list() == [["x", "y"], []]


def test_whole_floats_and_booleans_as_labels(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.jsonl", '{"text": "a", "label": 1.0}\n{"text": "b", "label": 0}\n')
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["1", "0"]
    corpus = read(tmp_path / "t.jsonl", '{"text": "a", "label": true}\n{"text": "b", "label": false}\n')
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["true", "false"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "label": 1}\n{"text": 5, "label": 1}\n', r"row 2, column 'text': 5 is a number where .* text"),
        ('{"text": "a", "label": 1}\n{"text": ["b"], "label": 1}\n', r'row 2, column \'text\': \["b"\] is a list'),
        ('{"text": "a", "label": 1}\n{"text": {"b": 1}, "label": 1}\n', r"row 2, column 'text': .* is an object"),
        ('{"text": "a", "label": "x"}\n{"text": "b", "label": 1}\n', r"row 2, column 'label': 1 is a number where"),
        ('{"text": "a", "label": [["x"]]}\n', r"column 'label'"),
        ('{"text": "a", "label": {"x": 1}}\n', r"row 1, column 'label': .* is an object, not a single value"),
        ('{"text": 1, "label": "x"}\n{"text": 2, "label": "y"}\n', r"column 'text' holds Int64, not text"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label"\n', r"row 2, character \d+: no JSON"),
        ('{"text": "a", "label": 1}\n[1, 2]\n', r"row 2: \[1, 2\] is not an object"),
        ('[{"text": "a", "label": 1}]\n', r"row 1: .* is not an object"),
        ('{"text": "a\\ud800", "label": 1}\n', r"row 1, column 'text'"),
        ('{"text": "a", "label": 123456789012345678901234567890}\n', r"row 1, column 'label': 1234"),
        ("\n\n", r"holds no JSON object"),
        ('{"text": ' + "[" * 100_000, r"row 1"),
    ],
)
def test_broken_lines_name_file_row_and_column(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=r"t\.jsonl.*" + message):
        read(tmp_path / "t.jsonl", content)


def test_streaming_meets_a_broken_row_after_the_batches_before_it(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a"}\n' * 5 + '{"text": 1}\n')
    batches = iter_texts(DataSettings(source=str(path)), 2)
    assert len(next(batches)) == 2
    with pytest.raises(DataError, match="row 6, column 'text'"):
        list(batches)


def test_a_column_empty_in_a_whole_batch_keeps_its_type(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "label": ["x"]}\n{"text": null, "label": null}\n{"text": "c", "label": ["y"]}\n')
    batches = list(iter_texts(DataSettings(source=str(path)), 1, labels="optional"))
    assert [batch.texts.to_list() for batch in batches] == [["a"], [""], ["c"]]
    assert all(batch.labels is not None and batch.labels.dtype == pl.List(pl.String) for batch in batches)
