"""Going through the opcodes of a pickle before it is loaded: only those that lists, integers and arrays need.

Python's unpickler can be made to allocate gigabytes by one opcode of five bytes (a memo entry with a huge number), and
it knows opcodes that call, import and build almost anything. A data file needs few of them. Long runs of list and
integer opcodes are passed over by one regular expression (some 15 million a second), the others one by one.
"""

import re

# Opcodes with arguments of a fixed length: lists, marks, memo, small and 4-byte integers, tuples, floats, constants.
# A memo number of four bytes must be below 2**24, which bounds the memo to 256 MB.
_RUN = re.compile(
    rb"(?:[\](aet)\x85-\x87\x94N\x88\x89Rb\x93]|[Kqh].|M..|J.{4}|j.{4}|r...\x00|G.{8}|\x95.{8}|\x80.)*+", re.DOTALL
)
# Opcodes followed by a length and so many bytes: strings, bytes and long integers.
_LENGTH_BYTES = {
    b"U": 1, b"T": 4, b"X": 4, b"\x8c": 1, b"\x8d": 8,
    b"C": 1, b"B": 4, b"\x8e": 8, b"\x96": 8, b"\x8a": 1, b"\x8b": 4,
}  # fmt: skip
_LONGEST_NAME = 200


def refused_opcode(content: bytes) -> str | None:
    """Return what a pickle holds besides the admitted opcodes, in words; None if nothing.

    Examples
    --------
    >>> import pickle
    >>> refused_opcode(pickle.dumps([[1, 2], [300]]))
    >>> refused_opcode(pickle.dumps({"a": 1}, protocol=2))
    "opcode '}' at byte 2"
    """
    position = 0
    while True:
        match = _RUN.match(content, position)
        position = match.end() if match else position
        opcode = content[position : position + 1]
        if opcode == b".":
            return None
        if opcode == b"c":
            end = _end_of_global(content, position)
        elif opcode in _LENGTH_BYTES:
            start = position + 1 + _LENGTH_BYTES[opcode]
            end = start + int.from_bytes(content[position + 1 : start], "little")
        else:
            shown = ascii(opcode.decode("latin-1")) if opcode else "nothing"
            return f"opcode {shown} at byte {position}"
        if not position < end <= len(content):
            return f"an argument that runs past its end at byte {position}"
        position = end


def _end_of_global(content: bytes, position: int) -> int:
    """Return the offset after the two lines of a name, -1 if they are missing or too long."""
    limit = position + _LONGEST_NAME
    first = content.find(b"\n", position, limit)
    second = content.find(b"\n", first + 1, limit) if first >= 0 else -1
    return second + 1 if second >= 0 else -1
