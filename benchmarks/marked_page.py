"""What commands write into pages of docs: the lines between two comments."""

from pathlib import Path

from sulsul.files import write_text_atomically


def write_between(page: Path, start: str, end: str, text: str) -> None:
    """Put a text between the comments ``start`` and ``end`` of a page, in place of what stands there."""
    head, _, rest = page.read_text(encoding="utf-8").partition(start)
    _, _, tail = rest.partition(end)
    write_text_atomically(page, f"{head}{start}\n{text}\n{end}{tail}")
