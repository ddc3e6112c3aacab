"""Explanations for the terminal and as a page."""

import html

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from sulsul.explanation.explanation import Explanation
from sulsul.explanation.faithfulness import Faithfulness
from sulsul.explanation.many_texts import CorpusExplanation

# Okabe & Ito's blue and vermilion: told apart with any kind of colour vision.
FOR_RGB, AGAINST_RGB = (0, 114, 178), (213, 94, 0)
_N_LISTED = 5
_STRONG = 0.55  # from this share of the largest influence on, white letters read better than black ones


def for_terminal(explanation: Explanation) -> RenderableType:
    """Return the text tinted by influence, the strongest tokens as numbers, and how far to trust them."""
    largest = _largest(explanation)
    tinted = Text()
    for segment in explanation.segments():
        tinted.append(explanation.text[segment.start : segment.end], style=_style(segment.influence / largest))
    strongest = sorted(explanation.tokens, key=lambda token: -abs(token.influence))[:_N_LISTED]
    listed = ", ".join(
        f"{explanation.text[token.start : token.end].strip()} {token.influence:+.2f}" for token in strongest
    )
    return Group(
        Text(headline(explanation)),
        tinted,
        Text(f"strongest: {listed or 'there is no token the network knows or reads'}"),
        Text(trust(explanation.faithfulness)),
    )


def words_for_terminal(explanation: CorpusExplanation) -> RenderableType:
    """Return one table of words for each class."""
    tables: list[RenderableType] = []
    for name, words in explanation.words.items():
        table = Table("word", "mean influence", "texts", title=Text(f"for {name}"), title_justify="left")
        for entry in words:
            table.add_row(Text(entry.word), f"{entry.mean_influence:+.3f}", f"{entry.n_texts:,}")
        tables.append(table)
    return Group(*tables, Text(f"{explanation.n_texts:,} texts; {trust(explanation.faithfulness)}"))


def headline(explanation: Explanation) -> str:
    """Return what is explained, in one line."""
    return (
        f"{explanation.target}: probability {explanation.probability:.3f}, log-odds {explanation.log_odds:+.2f} "
        f"({explanation.method})"
    )


def trust(faithfulness: Faithfulness | None) -> str:
    """Return what the deletion test says, in one line."""
    if faithfulness is None:
        return "no deletion test: it needs at least two tokens"
    low, high = faithfulness.interval
    judged = "more than chance" if low > 0 else "no more than chance: do not rely on them"
    return (
        f"deleting what has influence costs {faithfulness.drop:.2f} of the log-odds, deleting at random "
        f"{faithfulness.random_drop:.2f}; difference {faithfulness.advantage:+.2f} (95 % {low:+.2f} to {high:+.2f}): "
        f"the influences say {judged}"
    )


def as_html(explanation: Explanation) -> str:
    """Return a page that needs no script, no network and no other file; everything from the text is escaped."""
    largest = _largest(explanation)
    parts = []
    for segment in explanation.segments():
        words = html.escape(explanation.text[segment.start : segment.end])
        if segment.influence == 0.0:
            parts.append(words)
            continue
        share = segment.influence / largest
        red, green, blue = FOR_RGB if share > 0 else AGAINST_RGB
        colour = "#fff" if abs(share) >= _STRONG else "inherit"
        parts.append(
            f'<mark style="background:rgba({red},{green},{blue},{abs(share):.2f});color:{colour}" '
            f'title="{segment.influence:+.3f}">{words}</mark>'
        )
    return _PAGE.format(
        title=html.escape(f"Why {explanation.target}?"),
        headline=html.escape(headline(explanation)),
        text="".join(parts),
        trust=html.escape(trust(explanation.faithfulness)),
    )


def _largest(explanation: Explanation) -> float:
    return max((abs(segment.influence) for segment in explanation.segments()), default=0.0) or 1.0


def _style(share: float) -> Style:
    if share == 0.0:
        return Style()
    mixed = [round(255 + abs(share) * (part - 255)) for part in (FOR_RGB if share > 0 else AGAINST_RGB)]
    foreground = "white" if abs(share) >= _STRONG else "black"
    return Style.parse(f"{foreground} on rgb({mixed[0]},{mixed[1]},{mixed[2]})")


_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.7 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere }}
mark {{ border-radius: .2em }}
</style></head><body>
<h1>{title}</h1>
<p>{headline}. Blue speaks for it, orange against it; the numbers are parts of the log-odds.</p>
<p class="text">{text}</p>
<p>{trust}.</p>
</body></html>
"""
