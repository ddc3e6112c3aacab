"""The page: complete, escaped, self-contained and small, for every kind of record."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sulsul.evaluation import evaluate_predictions
from sulsul.report.page import render_report

VOID = {"meta", "link", "br", "img"}


class Reader(HTMLParser):
    """Collects tags and checks that they are nested properly."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.headings, self.ids = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"h1", "h2", "h3"}:
            self.headings.append((self.open[-1], data.strip()))


def test_every_section_is_there(full_record):
    reader = Reader(render_report(full_record))
    second = [text for level, text in reader.headings if level == "h2"]
    assert second == [
        "Not distinguishable from a baseline",
        "Context",
        "Findings",
        "Training",
        "Classes",
        "Calibration",
        "Confident mistakes",
        "Data and text",
        "Repeat",
    ]
    assert [text for level, text in reader.headings if level == "h1"] == [full_record.title]
    links = {attributes["href"][1:] for tag, attributes in reader.tags if tag == "a"}
    assert links <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_what_is_needed_to_repeat_is_there(full_record):
    page = render_report(full_record)
    for expected in ("--text 제목,내용 --label 분류", "9f2c9f2c", "torch 2.13.0", "avx512", "2 cores", "62.1\u00a0%"):
        assert expected in page
    assert re.search(r"<dt>Seed</dt><dd>42</dd>", page)


@pytest.mark.parametrize("kind", ["full_record", "compare_record", "bare_record"])
def test_every_kind_of_record_gives_a_well_formed_page(kind, request):
    page = render_report(request.getfixturevalue(kind))
    Reader(page)
    assert len(page.encode()) < 200_000


def test_the_page_needs_nothing_from_outside(full_record):
    reader = Reader(render_report(full_record))
    assert not {"script", "img", "iframe", "object", "form"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href"}:
                assert value.startswith(("#", "data:"))
    assert "@import" not in render_report(full_record)
    assert "url(" not in render_report(full_record)


def test_text_from_data_is_escaped(full_record):
    page = render_report(full_record)
    assert "<script" not in page
    assert "&lt;script&gt;window.hacked" in page
    assert "{{ 7 * 7 }}" in page


def test_hostile_names_everywhere_are_escaped(full_record):
    hostile = '"><script>window.hacked=1</script>\x00\x1b'
    names = (hostile, hostile + "2", "행정")
    evaluation = evaluate_predictions([0, 1, 2, 2], np.eye(3)[[0, 1, 2, 0]], names)
    record = full_record.model_copy(
        update={
            "title": hostile,
            "command": hostile,
            "settings": {hostile: hostile},
            "versions": {hostile: hostile},
            "files": (hostile,),
            "evaluations": {"test": evaluation},
            "data": full_record.data.model_copy(
                update={"classes": names, "source": hostile, "fingerprint": hostile, "scripts": {hostile: 1.0}}
            ),
            "baselines": tuple(b.model_copy(update={"title": hostile}) for b in full_record.baselines),
        }
    )
    page = render_report(record)
    assert "<script" not in page
    assert "\x00" not in page
    assert "\x1b" not in page
    Reader(page)


def test_korean_text_is_marked_as_korean(full_record):
    page = render_report(full_record)
    assert '<span class="data" dir="auto" lang="ko">행정</span>' in page
    assert re.search(r'class="quote" dir="auto" lang="ko">기초생활수급자', page)


def test_tables_have_header_cells_with_a_scope(full_record):
    reader = Reader(render_report(full_record))
    cells = [attributes for tag, attributes in reader.tags if tag == "th"]
    assert cells
    assert all(attributes.get("scope") in {"col", "row"} for attributes in cells)


def test_a_thousand_classes_stay_small(full_record):
    names = [f"분류 {c}" for c in range(1000)]
    true = np.arange(1000)
    given = np.eye(1000)[(true + (true % 3 == 0)) % 1000]
    record = full_record.model_copy(
        update={
            "evaluations": {"test": evaluate_predictions(true, given, names)},
            "data": full_record.data.model_copy(
                update={"classes": tuple(names), "class_counts": {"train": tuple([1] * 1000)}}
            ),
        }
    )
    page = render_report(record)
    assert len(page.encode()) < 2_000_000
    assert "The most frequent confusions" in page
    assert "the 200 most frequent of 1,000 classes" in page


def test_a_multi_label_evaluation_has_no_matrix(full_record):
    evaluation = evaluate_predictions([[1, 0], [1, 1]], [[0.9, 0.2], [0.8, 0.3]], ["버스", "도로"])
    page = render_report(full_record.model_copy(update={"evaluations": {"data": evaluation}}))
    assert "Whole label set right" in page
    assert "Micro-F1" in page
    assert "Confusion" not in page


def test_a_collapse_is_an_alarm(full_record):
    evaluation = evaluate_predictions([0, 1, 2], np.eye(3)[[2, 2, 2]], ["경제", "복지", "행정"])
    page = render_report(full_record.model_copy(update={"evaluations": {"test": evaluation}}))
    assert "Every text gets the same answer." in page
    assert "tone-collapsed" in page


def test_the_last_weights_are_named_as_such(full_record):
    training = full_record.training.model_copy(update={"kept_epoch": 12})
    assert "although epoch 8 was best" in render_report(full_record.model_copy(update={"training": training}))


def test_an_interruption_before_the_first_epoch_is_said(full_record):
    training = full_record.training.model_copy(
        update={"history": (), "best_epoch": 0, "kept_epoch": 0, "stopped": "interrupted"}
    )
    page = render_report(full_record.model_copy(update={"training": training}))
    assert "it was interrupted. No epoch was finished." in page
    Reader(page)


def test_many_mistakes_are_folded(full_record):
    page = render_report(full_record.model_copy(update={"mistakes": full_record.mistakes * 3}))
    assert "<summary>6 more</summary>" in page
    assert page.count('class="quote"') == 12
