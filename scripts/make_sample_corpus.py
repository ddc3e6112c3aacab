"""Write the bundled sample corpus: short synthetic reviews in which the order of the words decides.

Every text belongs to a group of two or four that share their words and differ in what stands where, so that half
of each group is positive and half negative. A group stays within one split, and about half of the test groups name
things that training never mentions.

Run ``python scripts/make_sample_corpus.py [OUTPUT]``; the same seed always writes the same bytes.
"""

import argparse
import csv
import io
import random
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sulsul.files import write_atomically
from sulsul.sample import sample_path

PHRASES = Path(__file__).with_name("sample_corpus_phrases.toml")
SEED = 20_240_229
ROWS = {"train": 2400, "validation": 300, "test": 300}
UNSEEN_SHARE_OF_TEST = 0.5
OPENER_SHARE = 0.25
TRAIL_SHARE = 0.6

Phrases = dict[str, Any]
Group = list[tuple[str, bool]]


class Sampler:
    """Draws from lists with nothing but ``random.random``, whose sequence Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def chance(self, share: float) -> bool:
        """Return true in ``share`` of the calls."""
        return self._random.random() < share

    def pick(self, items: list[Any]) -> Any:
        """Return one item."""
        return items[int(self._random.random() * len(items))]

    def shuffled(self, items: list[Any]) -> list[Any]:
        """Return the items in a new order (Fisher-Yates)."""
        items = list(items)
        for last in range(len(items) - 1, 0, -1):
            other = int(self._random.random() * (last + 1))
            items[last], items[other] = items[other], items[last]
        return items


class Topic(NamedTuple):
    """A noun and the quality it is judged by."""

    noun: str
    quality: Phrases


def draw_topics(phrases: Phrases, sampler: Sampler, *, unseen: bool) -> tuple[Topic, Topic, str]:
    """Return two topics of one domain with different qualities, and a sentence that may open the text."""
    domain = phrases["domains"][sampler.pick(sorted(phrases["domains"]))]
    nouns = domain["unseen"] if unseen else domain
    names = sampler.shuffled([name for name in phrases["qualities"] if name in nouns])[:2]
    first, second = (Topic(sampler.pick(nouns[name]), phrases["qualities"][name]) for name in names)
    opener = sampler.pick(domain["openers"]) + " " if sampler.chance(OPENER_SHARE) else ""
    return first, second, opener


def with_particle(noun: str, after_consonant: str, after_vowel: str) -> str:
    """Return the Korean noun with the particle that its last syllable calls for."""
    ends_in_consonant = (ord(noun[-1]) - 0xAC00) % 28 != 0
    return noun + (after_consonant if ends_in_consonant else after_vowel)


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[0].upper() + text[1:]


# --- contrast: one clause concedes, the other decides -----------------------------------------------------------------


def draw_adjectives(first: Phrases, second: Phrases, sampler: Sampler, negate: Callable[[Phrases, str], str]) -> Any:
    """Return (words, is_positive) for two opposed clauses; one of them may be negated."""
    kind = sampler.pick(["plain", "plain", "both good", "both bad"])
    if kind == "plain":
        good_first = sampler.chance(0.5)
        return [
            (first["good" if good_first else "bad"], good_first),
            (second["bad" if good_first else "good"], not good_first),
        ]
    word = "good" if kind == "both good" else "bad"
    straight, negated = (first[word], kind == "both good"), (negate(second, word), kind == "both bad")
    return [straight, negated]


def english_contrast(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return two English texts with the same clauses, each deciding once."""
    *topics, opener = draw_topics(phrases, sampler, unseen=unseen)
    adjectives = draw_adjectives(
        topics[0].quality, topics[1].quality, sampler, lambda quality, word: f"not {quality[word]}"
    )
    trails = sampler.shuffled(phrases["trails"])
    clauses = []
    for topic, (words, positive), trail in zip(topics, adjectives, trails, strict=False):
        intensifier = sampler.pick(phrases["intensifiers"])
        words = words.replace("not ", "not " + intensifier) if words.startswith("not ") else intensifier + words
        ending = f" {trail}" if sampler.chance(TRAIL_SHARE) else ""
        clauses.append((f"the {topic.noun} was {words}{ending}", positive))
    frame = sampler.pick(phrases[sampler.pick(["contrasts_last", "contrasts_first"])])
    return [
        (opener + sentence(frame.format(concede=concede, decide=decide)), positive)
        for (concede, _), (decide, positive) in (clauses, clauses[::-1])
    ]


def korean_contrast(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return two Korean texts with the same clauses, each deciding once."""
    *topics, opener = draw_topics(phrases, sampler, unseen=unseen)
    adjectives = draw_adjectives(
        topics[0].quality, topics[1].quality, sampler, lambda quality, word: quality[word + "_not"]
    )
    opinions = sampler.shuffled(phrases["opinions"])
    clauses = []
    for topic, (words, positive), opinion in zip(topics, adjectives, opinions, strict=False):
        start = (
            f"{with_particle(topic.noun, '은', '는')} {sampler.pick(phrases['intensifiers'])}{words}다는 {opinion[0]}"
        )
        clauses.append((f"{start} {opinion[1]}", f"{start} {opinion[2]}", positive))
    frame = sampler.pick(phrases[sampler.pick(["contrasts_last", "contrasts_first"])])
    return [
        (opener + frame.format(concede_on=concede[0], concede=concede[1], decide=decide[1]), decide[2])
        for concede, decide in (clauses, clauses[::-1])
    ]


def english_verdict(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return "not cheap, but quiet" and "quiet, but not cheap"."""
    first, second, opener = draw_topics(phrases, sampler, unseen=unseen)
    clauses = draw_adjectives(first.quality, second.quality, sampler, lambda quality, word: f"not {quality[word]}")
    frame = sampler.pick(phrases["verdicts"])
    return [
        (opener + sentence(frame.format(concede=concede, decide=decide)), positive)
        for (concede, _), (decide, positive) in (clauses, clauses[::-1])
    ]


def korean_verdict(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return "맛있지는 않지만 저렴하다" and "저렴하지만 맛있지는 않다"."""
    first, second, opener = draw_topics(phrases, sampler, unseen=unseen)
    clauses = draw_adjectives(first.quality, second.quality, sampler, lambda quality, word: quality[word] + "지는 않")
    frame = sampler.pick(phrases["verdicts"])
    return [
        (opener + frame.format(concede_on=concede + "지만", decide=decide + "다"), positive)
        for (concede, _), (decide, positive) in (clauses, clauses[::-1])
    ]


# --- denial: a word far from the adjective turns it round -------------------------------------------------------------


def denial(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return four texts: affirmed or denied, praise or complaint."""
    topic, _, opener = draw_topics(phrases, sampler, unseen=unseen)
    frames = sampler.pick(phrases["denials"])
    who = sampler.pick(phrases.get("groups", [""]))
    return [
        (
            opener
            + frame.format(
                group=who,
                noun=topic.noun,
                subject=with_particle(topic.noun, "이", "가"),
                adjective=topic.quality[word],
            ),
            affirmed == (word == "good"),
        )
        for affirmed, frame in ((True, frames[0]), (False, frames[1]))
        for word in ("good", "bad")
    ]


# --- comparison and role order: the same two things, the other way round ----------------------------------------------


def comparison(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return four texts: ours against the other, better or worse; the label is about ours."""
    topic, _, opener = draw_topics(phrases, sampler, unseen=unseen)
    ours, theirs = (sampler.pick(phrases[side]).format(noun=topic.noun) for side in ("ours", "theirs"))
    frame, degree = sampler.pick(phrases["comparisons"]), sampler.pick(phrases["degrees"])
    words = ("more", "less") if "more" in topic.quality else ("good", "bad")
    return [
        (
            opener
            + sentence(
                frame.format(
                    first=first,
                    second=second,
                    subject=with_particle(first, "이", "가"),
                    topic=with_particle(first, "은", "는"),
                    degree=degree,
                    comparative=topic.quality[word],
                    adjective=topic.quality[word],
                )
            ),
            (first == ours) == (word == words[0]),
        )
        for first, second in ((ours, theirs), (theirs, ours))
        for word in words
    ]


def match_result(phrases: Phrases, sampler: Sampler, unseen: bool) -> Group:
    """Return four texts on who beat whom; the label is about our side."""
    ours = sampler.pick(phrases["our_sides"])
    theirs = sampler.pick(phrases["unseen_sides" if unseen else "their_sides"])
    frames, occasion = sampler.pick(phrases["results"]), sampler.pick(phrases["occasions"])
    return [
        (
            sentence(
                frame.format(
                    first=first,
                    second=second,
                    subject=with_particle(first, "이", "가"),
                    object=with_particle(second, "을", "를"),
                    occasion=occasion,
                )
            ),
            (first == ours) == wins,
        )
        for first, second in ((ours, theirs), (theirs, ours))
        for wins, frame in ((True, frames[0]), (False, frames[1]))
    ]


# A family is drawn as often as it is listed.
FAMILIES: dict[str, list[Callable[[Phrases, Sampler, bool], Group]]] = {
    "en": [english_contrast] * 11 + [english_verdict] * 2 + [denial] * 2 + [comparison] * 2 + [match_result],
    "ko": [korean_contrast] * 11 + [korean_verdict] * 2 + [denial] * 2 + [comparison] * 2 + [match_result],
}


def make_rows(seed: int = SEED) -> Iterator[tuple[str, str, str, str]]:
    """Yield (text, label, language, split), no text twice, both languages alternating group by group."""
    phrases = tomllib.loads(PHRASES.read_text(encoding="utf-8"))
    sampler = Sampler(seed)
    seen: set[str] = set()
    for split, n_rows in ROWS.items():
        written = 0
        for language in ("en", "ko"):
            target = n_rows * (1 if language == "en" else 2) // 2
            while written < target:
                unseen = split == "test" and sampler.chance(UNSEEN_SHARE_OF_TEST)
                group = sampler.pick(FAMILIES[language])(phrases[language], sampler, unseen)
                if written + len(group) > target or any(text in seen for text, _ in group):
                    continue
                seen.update(text for text, _ in group)
                written += len(group)
                for text, positive in group:
                    yield text, "positive" if positive else "negative", language, split


def make_csv(seed: int = SEED) -> bytes:
    """Return the whole corpus as UTF-8 CSV, rows in a random order."""
    rows = Sampler(seed + 1).shuffled(list(make_rows(seed)))
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "text", "label", "language", "split"])
    writer.writerows((number, *row) for number, row in enumerate(rows, start=1))
    return file.getvalue().encode("utf-8")


def main() -> None:
    """Parse the command line and write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", nargs="?", type=Path, default=sample_path())
    arguments = parser.parse_args()
    content = make_csv()
    write_atomically(arguments.output, content)
    sys.stdout.write(f"{arguments.output}: {len(content):,} bytes\n")


if __name__ == "__main__":
    main()
