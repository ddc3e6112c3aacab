"""CSV and TSV: quoting, ragged rows, empty cells, and messages that name file, row and column."""

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sulsul.corpora import Corpus, DataSettings, iter_texts, read_corpus
from sulsul.corpora.records import broken_quote_column
from sulsul.errors import DataError, LabelError


def read(path: Path, content: str | bytes, **chosen: object) -> Corpus:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_corpus(DataSettings(source=str(path), **chosen))  # type: ignore[arg-type]


def test_quoted_cells_keep_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.csv", 'text,label\n"a, ""b""\r\nc",x\nd,y\n')
    assert corpus.texts.to_list() == ['a, "b"\r\nc', "d"]
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["x", "y"]
    assert corpus.rows.tolist() == [1, 2]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
def test_line_ends(tmp_path: Path, end: str, last: str) -> None:
    content = end.join(["text,label", "a,x", "b,y"]) + (end if last else "")
    assert read(tmp_path / "t.csv", content).texts.to_list() == ["a", "b"]


def test_a_lone_carriage_return_is_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    corpus = read(path, 'text,label\na\rb,x\n"c\rd",y\n')
    assert corpus.texts.to_list() == ["a\rb", "c\rd"]
    (streamed,) = iter_texts(DataSettings(source=str(path)), 10)
    assert streamed.texts.to_list() == ["a\rb", "c\rd"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\na,x\n"b,y\nc,z\n', r"row 2 \(line 3\), column 'text': the quote .* is never closed"),
        ('text,label\na,x\n"he said "no"",y\n', r"row 2 \(line 3\), column 'text': broken quotes"),
        ('text,label\na,x\nb,"y" z\n', r"row 2 \(line 3\), column 'label': broken quotes"),
        ("text,label\na,x\nb,y,z\n", r"row 2 \(line 3\): 3 fields where the header has 2; .* last column 'label'"),
        ("text,label\na,x\nb\n", r"row 2 \(line 3\): 1 fields .* the row ends before column 'label'"),
        ('text,label\n"a\nb",x\nc\n', r"row 2 \(line 4\): 1 fields"),
        ("text,label\n", r"has a header but no rows"),
        ("text,label", r"has a header but no rows"),
        ("text,label\n\n\n", r"t\.csv has no rows"),
        ('"text,label\na,x\n', r"header: broken quotes"),
        ("text,text\na,x\n", r"the header names 'text' more than once"),
        ("text,label\ra,x\rb,y\r", r"lines end in CR alone"),
    ],
)
def test_broken_tables_name_file_row_and_column(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=r"t\.csv.*" + message if "no rows" not in message else message):
        read(tmp_path / "t.csv", content)


def test_quotes_that_are_text_make_a_tsv_read_without_quoting(tmp_path: Path) -> None:
    content = 'id\ttext\tlabel\n1\t"no" he said\t0\n2\t5" disk\t1\n3\t"never closed\t0\n'
    corpus = read(tmp_path / "t.tsv", content)
    assert corpus.texts.to_list() == ['"no" he said', '5" disk', '"never closed']
    assert corpus.audit.files[0].quoting is False


def test_stray_quotes_that_pair_up_over_lines_do_not_swallow_rows(tmp_path: Path) -> None:
    content = 'text\tlabel\n"a\t0\nb\t1\nc"\t0\n'
    path = tmp_path / "t.tsv"
    corpus = read(path, content)
    assert corpus.texts.to_list() == ['"a', "b", 'c"']
    (streamed,) = iter_texts(DataSettings(source=str(path)), 10)
    assert streamed.texts.to_list() == corpus.texts.to_list()


def test_a_quoted_tsv_with_line_ends_keeps_its_quoting(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.tsv", 'text\tlabel\n"a ""b""\nc"\t0\nd\t1\n')
    assert corpus.texts.to_list() == ['a "b"\nc', "d"]
    assert corpus.audit.files[0].quoting is True


def test_a_tsv_that_neither_rule_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1 \(line 2\), column 'text': broken quotes"):
        read(tmp_path / "t.tsv", 'text\tlabel\n"a" b\t0\nc\n')


def test_empty_lines_are_counted_and_left_out(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.csv", "text,label\n\na,x\n\n\nb,y\n\n")
    assert corpus.texts.to_list() == ["a", "b"]
    assert corpus.rows.tolist() == [2, 5]
    assert (corpus.audit.n_rows, corpus.audit.n_blank_rows) == (6, 4)


def test_an_empty_line_in_a_table_of_one_column_is_an_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('text\na\n\n""\nb\n')
    corpus = read_corpus(DataSettings(source=str(path)), labels="ignored")
    assert corpus.texts.to_list() == ["a", "", "", "b"]
    (streamed,) = iter_texts(DataSettings(source=str(path)), 10)
    assert streamed.texts.to_list() == ["a", "", "", "b"]


def test_empty_texts_are_legal_and_counted(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.csv", 'text,label\n,x\n"  ",x\nnan,y\nNULL,y\nbanana,x\n')
    assert corpus.texts.to_list() == ["", "  ", "nan", "NULL", "banana"]
    assert (corpus.audit.n_empty, corpus.audit.n_missing, corpus.audit.n_nan_text) == (2, 0, 2)


def test_a_row_without_a_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"t\.csv, row 2, column 'label': no label \(2 such row"):
        read(tmp_path / "t.csv", "text,label\na,x\nb,\nc, \n")


def test_limit_reads_the_first_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    corpus = read(path, 'text,label\na,x\nb,y\nc,z\nd,"w\n', limit=3)
    assert corpus.texts.to_list() == ["a", "b", "c"]
    with pytest.raises(DataError, match="row 4"):
        read_corpus(DataSettings(source=str(path), limit=4))


def test_compressed_tables_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    corpus = read(path, gzip.compress("text,label\n한글,x\nb,y\n".encode()))
    assert corpus.texts.to_list() == ["한글", "b"]
    (streamed,) = iter_texts(DataSettings(source=str(path)), 10)
    assert streamed.texts.to_list() == ["한글", "b"]
    with pytest.raises(DataError, match=r"row 1 \(line 2\), column 'text'"):
        read(path, gzip.compress(b'text,label\n"b,y\n'))


def test_a_cell_longer_than_the_csv_modules_default_limit(tmp_path: Path) -> None:
    corpus = read(tmp_path / "t.csv", f"text,label\n{'a' * 300_000},x\nb,y\n")
    assert corpus.texts.str.len_chars().to_list() == [300_000, 1]


def test_several_files_are_read_in_order_and_rows_number_on(tmp_path: Path) -> None:
    for name, content in {"b": "c,y", "a": "a,x\nb,y"}.items():
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{content}\n")
    corpus = read_corpus(DataSettings(source=str(tmp_path / "*.csv")))
    assert corpus.texts.to_list() == ["a", "b", "c"]
    assert corpus.rows.tolist() == [1, 2, 3]
    assert corpus.location(2) == f"{tmp_path / 'b.csv'}, row 1"
    (streamed,) = (batch for batch in iter_texts(DataSettings(source=str(tmp_path / "*.csv")), 10) if len(batch) == 1)
    assert streamed.location(0) == f"{tmp_path / 'b.csv'}, row 1"
    (tmp_path / "c.csv").write_text("other,label\nd,x\n")
    with pytest.raises(DataError, match=r"c\.csv: there is no column 'text', which the files before it have"):
        read_corpus(DataSettings(source=str(tmp_path / "*.csv")))


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\ufdd0\x00\ufeff"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(rows=[("\t\n", "x")], tsv=True)
@given(rows=st.lists(st.tuples(CELLS, st.sampled_from(["x", "y"])), min_size=1, max_size=8), tsv=st.booleans())
def test_whatever_the_csv_module_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]], tsv: bool) -> None:
    import unicodedata

    path = tmp_path / ("t.tsv" if tsv else "t.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if tsv else ",", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([("text", "label"), *rows])
    chosen = DataSettings(source=str(path), encoding="utf-8")
    expected = [unicodedata.normalize("NFC", text) for text, _ in rows]
    assert read_corpus(chosen).texts.to_list() == expected
    streamed = [text for batch in iter_texts(chosen, 3) for text in batch.texts.to_list()]
    assert streamed == expected


@pytest.mark.parametrize(
    ("text", "column"), [('"a', 0), ('a,"b" c', 1), ('a,"b,c', 1), ('"a""b",c"d,"e', 2), ('"x\ny",z"', 1)]
)
def test_the_column_of_a_broken_quote(text: str, column: int) -> None:
    assert broken_quote_column(text, ",") == column
