"""The checks and their documentation belong together."""

import re
from pathlib import Path

from sulsul.doctor import CHECKS, slugs

MISTAKES = Path(__file__).resolve().parents[2] / "docs" / "mistakes.md"


def test_every_check_has_its_section_and_every_section_its_check():
    sections = re.findall(r"^## (.+)$", MISTAKES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == set(slugs())


def test_slugs_are_plain_words():
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs())


def test_a_check_is_registered_once():
    looks = [(check.slug, check.stage, check.look) for check in CHECKS]
    assert len(looks) == len(set(looks))
