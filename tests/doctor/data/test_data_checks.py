"""Every data check: a planted mistake that it must find, and a clean neighbour on which it must stay silent."""

import numpy as np
import polars as pl
import pytest
from tests.doctor.conftest import clean_rows

from sulsul.corpora import DataSettings, read_corpus
from sulsul.doctor.data import (
    boilerplate,
    classes,
    copied_splits,
    duplicates,
    evaluation_size,
    grouping,
    label_leak,
    label_order,
    missing_texts,
    near_duplicates,
    token_archive,
    unicode_damage,
)
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.examination import examine_data


def only(findings):
    (finding,) = list(findings)
    return finding


def test_clean_data_has_no_errors_or_warnings(clean):
    assert [f for f in examine_data(clean).findings if f.severity != "note"] == []


def test_missing_texts_are_counted_with_their_rows(evidence_of, clean):
    rows = clean_rows()
    rows[4], rows[9] = ("nan", "pos"), ("", "neg")
    finding = only(missing_texts.find_missing_texts(evidence_of(rows)))
    assert finding.severity == "warning"
    assert finding.evidence["rows_reading_nan"] == [5]
    assert finding.evidence["rows_without_text"] == [10]
    assert list(missing_texts.find_missing_texts(clean)) == []


@pytest.mark.parametrize(("written", "read"), [("utf-8", "latin-1"), ("cp949", "latin-1"), ("utf-8", "cp1252")])
def test_text_read_in_the_wrong_encoding(evidence_of, written, read):
    meant = "맛있는 국수" if written == "cp949" or read == "latin-1" else "café crème"
    rows = [(f"{text} {meant}".encode(written).decode(read), label) for text, label in clean_rows()]
    if written == "cp949":
        rows = [(meant.encode(written).decode(read) + f" {i}", label) for i, (_, label) in enumerate(rows)]
    finding = only(unicode_damage.find_broken_encoding(evidence_of(rows)))
    assert finding.severity == "warning"
    assert meant.split()[0] in str(finding.evidence["examples"])


def test_right_encodings_are_not_taken_for_wrong(evidence_of):
    rows = [(f"{text} café 맛있는 국수 甲1甲2 캬 ¿Qué?", label) for text, label in clean_rows()]
    assert list(unicode_damage.find_broken_encoding(evidence_of(rows))) == []
    rows[3] = ("캬", "pos")
    assert list(unicode_damage.find_broken_encoding(evidence_of(rows))) == []


def test_replacement_characters(evidence_of):
    rows = clean_rows()
    rows[0] = ("the soup was \ufffd\ufffd", "pos")
    assert only(unicode_damage.find_broken_encoding(evidence_of(rows))).severity == "warning"


def test_decomposed_and_invisible_characters(evidence_of, clean):
    rows = clean_rows()
    rows[0] = ("\u1112\u1161\u11ab국", "pos")
    rows[1] = ("the\u200bsoup was lovely", "pos")
    evidence = only(unicode_damage.find_unusual_characters(evidence_of(rows))).evidence
    assert evidence == {"not_in_composed_form": 1, "with_zero-width_characters": 1}
    assert list(unicode_damage.find_unusual_characters(clean)) == []


def test_markup(evidence_of, clean):
    rows = [(f"{text}.<br /><br />{text}", label) for text, label in clean_rows()]
    finding = only(boilerplate.find_boilerplate(evidence_of(rows)))
    assert finding.severity == "warning"
    assert finding.evidence["tags"] == 1.0
    assert list(boilerplate.find_boilerplate(clean)) == []


def test_mathematics_is_not_markup(evidence_of):
    rows = [(f"{text} if a < b & c > d", label) for text, label in clean_rows()]
    assert list(boilerplate.find_boilerplate(evidence_of(rows))) == []


def test_font_names_and_endlessly_repeated_words(evidence_of):
    rows = clean_rows()
    rows[:12] = [("돋움 " * 11 + text, label) for text, label in rows[:12]]
    finding = only(boilerplate.find_boilerplate(evidence_of(rows)))
    assert "“돋움”" in finding.what
    rows[:12] = [("qqq " * 11 + text, label) for text, label in clean_rows()[:12]]
    assert "“qqq”" in only(boilerplate.find_boilerplate(evidence_of(rows))).what


def test_a_frequent_word_of_every_text_is_no_remnant(evidence_of):
    rows = [("the " * 30 + text, label) for text, label in clean_rows()]
    assert list(boilerplate.find_boilerplate(evidence_of(rows))) == []


def test_dropped_classes(evidence_of, clean):
    rows = clean_rows() + [(f"number {i} of a third kind", "other") for i in range(30)]
    finding = only(classes.find_dropped_classes(evidence_of(rows, data={"keep_classes": ("pos", "neg")})))
    assert "2 of 3 classes" in finding.what
    assert finding.evidence["rows_left_out"] == 30
    assert list(classes.find_dropped_classes(clean)) == []


def test_imbalance(evidence_of, clean):
    rows = [row for row in clean_rows(400) if row[1] == "pos"] + [row for row in clean_rows(30) if row[1] == "neg"]
    finding = only(classes.find_imbalance(evidence_of(rows)))
    assert finding.severity == "warning"
    assert list(finding.evidence["smallest_class"]) == ["neg"]
    assert list(classes.find_imbalance(clean)) == []


def test_sorted_labels(evidence_of, clean):
    rows = sorted(clean_rows(), key=lambda row: row[1])
    assert only(label_order.find_sorted_labels(evidence_of(rows))).severity == "note"
    cut = evidence_of(rows, data={"limit": 200})
    assert only(label_order.find_sorted_labels(cut)).severity == "warning"
    assert list(label_order.find_sorted_labels(clean)) == []


def test_the_expected_number_of_runs_is_that_of_random_order():
    labels = np.random.default_rng(1).integers(0, 3, 5000)
    n_runs, expected = label_order.runs(labels)
    assert abs(n_runs - expected) < 4 * np.sqrt(5000)


@pytest.mark.parametrize("mark", ["ref77{label}", "[{label}]"])
def test_a_word_or_name_that_gives_the_label_away(evidence_of, mark):
    rows = [(f"{text} {mark.format(label=label)}", label) for text, label in clean_rows()]
    finding = only(label_leak.find_label_leak(evidence_of(rows)))
    assert finding.severity == "error"
    assert "pos" in finding.what or "neg" in finding.what


def test_telling_words_alone_are_no_leak(evidence_of, clean):
    assert list(label_leak.find_label_leak(clean)) == []
    # A word that holds for a quarter of its class is what a classifier is there to find.
    rows = [(f"{text} hooray" if label == "pos" and i % 4 == 0 else text, label)
            for i, (text, label) in enumerate(clean_rows())]  # fmt: skip
    assert list(label_leak.find_label_leak(evidence_of(rows))) == []


def test_copies_across_splits(evidence_of, clean):
    rows = clean_rows()
    evidence = evidence_of([*rows, *[(text.upper() + "!", label) for text, label in rows[:60]]])
    finding = only(duplicates.find_duplicates(evidence))
    assert finding.severity == "error"
    test_rows = evidence.splits["test"]
    assert finding.evidence["test_texts"] == len(duplicates.copies_in_training(evidence, test_rows)) > 0
    assert list(duplicates.find_duplicates(clean)) == []


def test_copies_in_an_undivided_corpus(evidence_of):
    rows = clean_rows()
    finding = only(duplicates.find_duplicates(evidence_of([*rows, *rows[:12]], divided=False)))
    assert finding.severity == "warning"
    assert finding.evidence["copies"] == 12
    assert finding.evidence["rows"][0] == 241


def test_short_texts_that_repeat_are_only_noted(evidence_of):
    rows = clean_rows() + [("great!", "pos")] * 40
    assert only(duplicates.find_duplicates(evidence_of(rows))).severity == "note"


def test_splits_that_are_copies_of_each_other(evidence_of, clean, tmp_path):
    rows = clean_rows()
    pl.DataFrame(rows[:60], schema=["text", "label"], orient="row").write_csv(tmp_path / "other.csv")
    other = str(tmp_path / "other.csv")
    copied = evidence_of(rows, split={"validation_source": other})
    assert "validation-copied" in [finding.check for finding in copied_splits.find_copied_splits(copied)]
    assert list(duplicates.find_duplicates(copied)) == []  # said once
    both = evidence_of(rows[60:], split={"validation_source": other, "test_source": other})
    assert only(copied_splits.find_copied_splits(both)).check == "test-as-validation"
    assert list(copied_splits.find_copied_splits(clean)) == []


def test_conflicting_labels(evidence_of, clean):
    rows = clean_rows()
    other = {"pos": "neg", "neg": "pos"}
    evidence = evidence_of([*rows, *[(text, other[label]) for text, label in rows[:5]]])
    finding = only(duplicates.find_conflicting_labels(evidence))
    assert (finding.severity, finding.evidence["texts"], finding.evidence["rows"]) == ("warning", 5, 10)
    assert list(duplicates.find_conflicting_labels(clean)) == []


def test_near_duplicates(evidence_of, clean):
    rows = clean_rows()
    twins = [("again " + text, label) for text, label in rows[:80]]
    finding = only(near_duplicates.find_near_duplicates(evidence_of([*rows, *twins])))
    assert finding.severity == "error"
    assert "again" in str(finding.evidence["examples"])
    within = only(near_duplicates.find_near_duplicates(evidence_of([*rows, *twins], divided=False)))
    assert within.evidence["pairs"] == 80
    assert list(near_duplicates.find_near_duplicates(clean)) == []


def test_of_very_many_texts_those_that_are_judged_are_compared(evidence_of, monkeypatch):
    monkeypatch.setattr(near_duplicates, "MOST_TEXTS", 200)
    rows = clean_rows()
    twins = [("again " + text, label) for text, label in rows]
    found = only(near_duplicates.find_near_duplicates(evidence_of([*rows, *twins])))
    assert found.evidence["texts_compared"] == 200
    assert found.evidence["test_texts"] > 0


def test_twins_of_another_class_are_no_help(evidence_of):
    rows = clean_rows()
    twins = [(text + " not", {"pos": "neg", "neg": "pos"}[label]) for text, label in rows[:80]]
    assert list(near_duplicates.find_near_duplicates(evidence_of([*rows, *twins]))) == []


def test_columns_of_groups_and_times(evidence_of):
    rows = [(text, label, f"author-{i % 60}") for i, (text, label) in enumerate(clean_rows())]
    finding = only(grouping.find_time_or_groups(evidence_of(rows, columns=("text", "label", "author"))))
    assert (finding.severity, finding.evidence["groups"]) == ("warning", 60)
    rows = [(text, label, f"2024-03-{i % 28 + 1:02} 10:00") for i, (text, label) in enumerate(clean_rows())]
    finding = only(grouping.find_time_or_groups(evidence_of(rows, columns=("text", "label", "entry"))))
    assert finding.severity == "note"


def test_groups_whose_rows_share_a_label_need_no_name(evidence_of):
    ordered = sorted(clean_rows(), key=lambda row: row[1])
    rows = [(text, label, i // 4) for i, (text, label) in enumerate(ordered)]
    evidence = evidence_of(rows, columns=("text", "label", "k"))
    assert only(grouping.find_time_or_groups(evidence)).evidence["column"] == "k"


def test_plain_ids_languages_and_named_splits_are_no_groups(evidence_of):
    rows = [(text, label, i, ("ko", "en")[i % 2]) for i, (text, label) in enumerate(clean_rows())]
    evidence = evidence_of(rows, columns=("text", "label", "k", "language"))
    assert list(grouping.find_time_or_groups(evidence)) == []
    parts = ("train", "validation", "test")
    rows = [(text, label, f"author-{i % 60}", parts[i % 3]) for i, (text, label) in enumerate(clean_rows())]
    evidence = evidence_of(rows, columns=("text", "label", "author", "part"), split={"column": "part"})
    assert list(grouping.find_time_or_groups(evidence)) == []


def test_small_and_missing_evaluation_splits(evidence_of):
    assert only(evaluation_size.find_small_evaluation(evidence_of(clean_rows(100)))).severity == "warning"
    assert only(evaluation_size.find_small_evaluation(evidence_of(clean_rows(2000)))).severity == "note"
    large = evidence_of(clean_rows(2000), split={"test": 0.5})
    assert list(evaluation_size.find_small_evaluation(large)) == []
    without = evidence_of(clean_rows(), split={"validation": 0.0})
    assert only(evaluation_size.find_no_validation(without)).severity == "warning"
    nothing = evidence_of(clean_rows(), split={"validation": 0.0, "test": 0.0})
    assert only(evaluation_size.find_no_validation(nothing)).severity == "error"
    assert list(evaluation_size.find_no_validation(large)) == []


def archive(tmp_path, rows, word_index=None):
    path = tmp_path / "ids.npz"
    np.savez(path, x=np.array(rows), y=np.arange(len(rows)) % 2)
    settings = DataSettings(source=str(path), word_index=word_index)
    return DataEvidence(read_corpus(settings), {}, settings)


def test_unknown_ids_of_an_archive(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.ones((50, 1), int), rng.integers(4, 90, (50, 20))], axis=1)
    assert list(token_archive.find_unknown_ids(archive(tmp_path, rows))) == []
    rows[:, 3:9] = 2
    assert only(token_archive.find_unknown_ids(archive(tmp_path, rows))).evidence["share"] == pytest.approx(
        6 / 21, 1e-3
    )


def test_ids_that_are_not_shifted(tmp_path):
    index = tmp_path / "index.json"
    index.write_text("{" + ", ".join(f'"w{i}": {i}' for i in range(1, 101)) + "}")
    rng = np.random.default_rng(0)
    shifted = np.concatenate([np.ones((50, 1), int), rng.integers(4, 90, (50, 20))], axis=1)
    assert list(token_archive.find_shifted_ids(archive(tmp_path, shifted, str(index)))) == []
    plain = rng.integers(1, 90, (50, 20))
    assert only(token_archive.find_shifted_ids(archive(tmp_path, plain, str(index)))).check == "token-ids"


@pytest.mark.shared_data
def test_real_data_of_films_and_petitions(shared_data):
    seoul = DataSettings(
        source=str(shared_data / "seoul-120-text.csv"),
        text=("제목", "내용"),
        label="분류",
        keep_classes=("행정", "경제", "복지"),
    )
    found = {f.check: f for f in examine_data(DataEvidence(read_corpus(seoul), {}, seoul), thorough=False).findings}
    assert "3 of 10 classes" in found["dropped-classes"].what
    assert "“돋움” is number 2" in found["boilerplate"].what
    nsmc = DataSettings(source=str(shared_data / "nsmc-train.tsv"), text=("document",), label="label", limit=30_000)
    diagnosis = examine_data(DataEvidence(read_corpus(nsmc), {}, nsmc), thorough=False)
    assert diagnosis.count("error") == diagnosis.count("warning") == 0


def test_every_row_number_counts_from_one(evidence_of):
    rows = clean_rows()
    rows[0] = ("", "pos")
    assert only(missing_texts.find_missing_texts(evidence_of(rows))).evidence["rows_without_text"] == [1]
