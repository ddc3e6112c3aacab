"""Changing an input a little: its bytes, or the values of a JSON document."""

import json
import random
from typing import Any

NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 1e308, float("inf"), float("nan"), 0.5)
STRINGS = (
    "",
    "\x00",
    "\ud800",
    "../../etc/passwd",
    "/dev/zero",
    "a" * 5000,
    "é\u0301",
    "__class__",
    "{{7*7}}",
    "1e9999",
)
_TOKENS = (
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"\r", b"\n", b"\r\n", b",", b"\t", b"{", b"[" * 2000),
    *(b'{"a":' * 500, b"\\ud800", b"\xed\xa0\x80", b"1e9999", b"99999999999999999999", b"\x80", b"PK\x03\x04", b"PAR1"),
    *(b"\x7f" * 8, b"\xff" * 8),
)
_DEEP = 3000


def mutate_bytes(content: bytes, draw: random.Random, largest: int = 1 << 16) -> bytes:
    """Return the bytes after one to eight small changes."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 2, 4, 8))):
        at = draw.randrange(len(found) + 1)
        span = slice(at, at + draw.choice((1, 2, 4, 8, 32, 256)))
        kind = draw.randrange(7)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1 and at < len(found):
            found[at] = draw.randrange(256)
        elif kind == 2:
            del found[span]
        elif kind == 3:
            found[at:at] = draw.choice(_TOKENS)
        elif kind == 4:
            found[at:at] = found[span]
        elif kind == 5:
            found[span] = (
                draw.choice(NUMBERS[:7]).__int__().to_bytes(16, draw.choice(("little", "big")), signed=True)[:8]
            )
        else:
            del found[at:]
    return bytes(found[:largest])


def mutate_json(content: bytes, draw: random.Random, largest: int = 1 << 16) -> bytes:
    """Return a JSON document with one to four values, keys or lists changed; now and then its bytes."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return mutate_bytes(content, draw, largest)
    if draw.random() < 0.1:
        return mutate_bytes(content, draw, largest)
    for _ in range(draw.randint(1, 4)):
        tree = _change(tree, draw)
    text = json.dumps(tree)
    if draw.random() < 0.03:
        text = text.replace("null", "[" * _DEEP + "]" * _DEEP, 1)
    return text.encode()[:largest]


def _change(tree: Any, draw: random.Random) -> Any:
    """Change one place: walk down at random and stop at random."""
    if isinstance(tree, dict) and tree and draw.random() < 0.85:
        key = draw.choice(list(tree))
        action = draw.random()
        if action < 0.06:
            return {name: value for name, value in tree.items() if name != key}
        if action < 0.1:
            return {**tree, draw.choice(STRINGS): tree[key]}
        return {**tree, key: _change(tree[key], draw)}
    if isinstance(tree, list) and tree and draw.random() < 0.85:
        at = draw.randrange(len(tree))
        action = draw.random()
        if action < 0.06:
            return tree[:at] + tree[at + 1 :]
        if action < 0.1:
            return tree[:at] + [tree[at]] * 40 + tree[at:]
        return [*tree[:at], _change(tree[at], draw), *tree[at + 1 :]]
    return draw.choice([*NUMBERS, *STRINGS, None, True, False, [], {}, [tree], {"a": tree}, [[]], {"config": {}}])
