"""Recognising the encoding of a text file from samples, and decoding it block by block."""

import codecs
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from sulsul.corpora.gzip_text import GzipText
from sulsul.errors import DataError, EncodingError, UsageError

_SAMPLE_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose little-endian mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# cp949 is a superset of these, and files that claim them often hold its extra syllables.
_KOREAN = {"euc_kr", "ks_c_5601_1987", "korean", "johab_949"}


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading bytes; ``.gz`` is decompressed on the way, see :class:`GzipText`."""
    return cast(BinaryIO, GzipText(path)) if path.suffix == ".gz" else path.open("rb")


def named_encoding(name: str) -> str:
    """Return the codec of an encoding the user gave.

    Raises
    ------
    UsageError
        If Python has no such text codec.
    """
    try:
        info = codecs.lookup(name)
        "".encode(name)
    except LookupError as error:
        raise UsageError(
            f"encoding {name!r} is unknown; use auto, utf-8, utf-16, cp949 or another codec of Python."
        ) from error
    if info.name in _KOREAN:
        return "cp949"
    # A byte order mark is never part of the text.
    return "utf-8-sig" if info.name == "utf-8" else info.name


def recognise_encoding(path: Path) -> str:
    """Return the codec that fits samples of the file's beginning, middle and end.

    A byte order mark decides. Without one: separators and line ends that appear only if pairs of bytes are read as
    UTF-16 mean UTF-16; samples that are valid UTF-8 mean UTF-8; samples that decode as cp949 into mostly everyday
    syllables mean cp949. Where nothing fits the answer is UTF-8, so that decoding names the first byte that is not.
    """
    samples = _samples(path)
    head = samples[0][1]
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if wide := _utf16_without_mark(head):
        return wide
    if all(_decodes(block, "utf-8", first=offset == 0) for offset, block in samples):
        return "utf-8-sig"
    if all(looks_like_cp949(block) for _, block in samples if not block.isascii()):
        return "cp949"
    return "utf-8-sig"


def undecodable(path: Path | str, offset: int, byte: int, tried: str | None, where: str = "") -> EncodingError:
    """Return the error for a byte that is no text in the encodings that were tried."""
    return EncodingError(
        f"{path}{where}: byte 0x{byte:02X} at offset {offset} is not {tried}. "
        "Give the right encoding with --encoding (for instance cp949, windows-1252), or save the file as UTF-8."
    )


def decode_blocks(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a file block by block; memory does not grow with the file.

    Raises
    ------
    EncodingError
        At the first undecodable byte, after everything before it was yielded; names file and byte offset.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    fed = 0
    with open_binary(path) as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            fed += len(block)
            before = decoder.getstate()
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                rest = len(error.object) - error.start
                decoder.setstate(before)
                yield decoder.decode(block[: max(0, len(block) - rest)])
                raise undecodable(path, fed - rest, error.object[error.start], plain_name(encoding)) from None
            except UnicodeError as error:  # UTF-16 without its mark
                raise EncodingError(f"{path}: not {plain_name(encoding)} ({error}).") from error
            if text:
                yield text
            if not block:
                return


def decode_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their ends (``\\n`` or ``\\r\\n``); raises as :func:`decode_blocks` does."""
    n_lines = 0
    try:
        with open_text(path, encoding) as file:
            for line in file:
                n_lines += 1
                yield line
    except UnicodeError:
        # The quick way decodes ahead; go to the bad byte again to yield every line before it and name its offset.
        yield from itertools.islice(_decode_lines_exactly(path, encoding), n_lines, None)


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file for reading decoded lines that end in ``\\n`` only; an undecodable byte raises UnicodeError."""
    return io.TextIOWrapper(open_binary(path), encoding=encoding, newline="\n")


def _decode_lines_exactly(path: Path, encoding: str) -> Iterator[str]:
    rest: list[str] = []
    for block in decode_blocks(path, encoding):
        lines = block.split("\n")
        rest.append(lines[0])
        if len(lines) > 1:
            yield "".join(rest) + "\n"
            yield from (line + "\n" for line in lines[1:-1])
            rest = [lines[-1]]
    if last := "".join(rest):
        yield last


def transcode(path: Path, encoding: str, file: IO[bytes]) -> None:
    """Write the text of a file as UTF-8 (no byte order mark) into an open binary file.

    Raises
    ------
    EncodingError
        At the first undecodable byte; names file and byte offset.
    """
    for block in decode_blocks(path, encoding):
        file.write(block.encode("utf-8", "surrogatepass"))


def require_utf8(address: str, encoding: str) -> None:
    """Refuse any encoding but UTF-8 for a file that only Polars can open.

    Raises
    ------
    DataError
        If another encoding is named.
    """
    if encoding != "auto" and not is_utf8(named_encoding(encoding)):
        raise DataError(f"{address}: only UTF-8 can be read from here; download or unpack the file first.")


def is_utf8(encoding: str) -> bool:
    """Whether a codec is UTF-8, with or without a byte order mark."""
    return encoding in {"utf-8", "utf-8-sig"}


def plain_name(encoding: str | None) -> str | None:
    """Return the name of a codec as people write it: ``utf-8`` whether or not a byte order mark may come first."""
    return "utf-8" if encoding is not None and is_utf8(encoding) else encoding


def _samples(path: Path) -> list[tuple[int, bytes]]:
    """Return (offset, bytes) of the beginning, middle and end; of compressed files only the beginning."""
    with open_binary(path) as file:
        samples = [(0, file.read(_SAMPLE_BYTES))]
        if path.suffix != ".gz":
            size = os.fstat(file.fileno()).st_size
            for start in (size // 2, size - _SAMPLE_BYTES):
                if start >= _SAMPLE_BYTES:
                    file.seek(start)
                    samples.append((start, file.read(_SAMPLE_BYTES)))
    return samples


def _decodes(block: bytes, encoding: str, *, first: bool) -> bool:
    """Whether a sample decodes; a character cut by its edges does not count against it."""
    if not first:
        block = block[next((i for i, byte in enumerate(block[:4]) if byte & 0xC0 != 0x80), 0) :]
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        decoder.decode(block, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(head: bytes) -> str | None:
    # Zero bytes alone do not tell the order: the low byte of 가 (AC00) and 글 (AE00) is zero as well.
    if head.count(0) < max(2, len(head) // 200):
        return None
    counts = {}
    for name in ("utf-16-le", "utf-16-be"):
        text = head[: len(head) // 2 * 2].decode(name, "replace")
        counts[name] = sum(map(text.count, " ,\t\n")) if _decodes(head, name, first=True) else 0
    name = max(counts, key=lambda key: counts[key])
    # In UTF-16 nearly every byte that looks like a separator is half of one; in UTF-8 with NUL in its texts few are.
    told = counts[name] >= 2 and counts[name] > 5 * min(counts.values())
    return name if told and 2 * counts[name] > sum(map(head.count, (b" ", b",", b"\t", b"\n"))) else None


def looks_like_cp949(block: bytes) -> bool:
    """Whether bytes decode as cp949 and their two-byte characters are mostly of the everyday set (KS X 1001).

    Without the second condition Western text passes: the curly quote of windows-1252 and the letter after it are
    together a rare syllable.
    """
    # A sample may begin inside a character: begin after the first ASCII byte that cannot be a second byte.
    start = next((i + 1 for i, byte in enumerate(block[:4096]) if byte < 0x41), 0)
    decoder = codecs.getincrementaldecoder("cp949")()
    try:
        text = decoder.decode(block[start:], final=False)
    except UnicodeDecodeError:
        return False
    wide = [character.encode("cp949") for character in set(text) if not character.isascii()]
    everyday = sum(1 for pair in wide if len(pair) == 2 and pair[0] >= 0xA1 and pair[1] >= 0xA1)
    return everyday >= 0.8 * len(wide)


def recognise_after_failure(path: Path, tried: str) -> str | None:
    """Return the codec of a file whose samples looked like UTF-8 but which is not UTF-8 further on.

    None if ``tried`` was another codec, if there are UTF-8 characters before the bad byte, or if the file as a whole
    is not plausible as cp949.
    """
    if not is_utf8(tried):
        return None
    offset, _ = _first_bad_byte(path, tried)
    with open_binary(path) as file:
        for start in range(0, offset, _BLOCK_BYTES):
            if not file.read(min(_BLOCK_BYTES, offset - start)).isascii():
                return None
        if not looks_like_cp949(b"\n" + file.read(_SAMPLE_BYTES)):
            return None
    try:
        for _ in decode_blocks(path, "cp949"):
            pass
    except EncodingError:
        return None
    return "cp949"


def _first_bad_byte(path: Path, encoding: str) -> tuple[int, int]:
    """Return (offset, byte) of the first byte that does not decode."""
    decoder = codecs.getincrementaldecoder(encoding)()
    fed = 0
    with open_binary(path) as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            fed += len(block)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return fed - len(error.object) + error.start, error.object[error.start]
            if not block:
                return 0, 0
