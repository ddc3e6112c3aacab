"""The optional API key: where it comes from, and whether a request has it."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from sulsul.errors import UsageError

KEY_VARIABLE = "SULSUL_API_KEY"
_SHORTEST_KEY = 16


def read_api_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> SecretStr | None:
    """Return the key that clients must send, or None where everybody may ask.

    It comes from the first line of a file or from ``SULSUL_API_KEY``, never from the command line, which every user of
    the machine can read.

    Raises
    ------
    UsageError
        If the file cannot be read, or the key is short or not printable ASCII.
    """
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: the API key cannot be read ({error}).") from None
        key, where = lines[0].strip() if lines else "", str(file)
    elif KEY_VARIABLE in environment:
        key, where = environment[KEY_VARIABLE].strip(), KEY_VARIABLE
    else:
        return None
    if len(key) < _SHORTEST_KEY or not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(
            f"{where}: an API key is at least {_SHORTEST_KEY} ASCII characters without spaces; "
            "`openssl rand -hex 24` makes one."
        )
    return SecretStr(key)


class KeyCheck:
    """Compares the ``Authorization: Bearer`` header with the key in a time that tells nothing about it."""

    def __init__(self, key: SecretStr) -> None:
        self._digest = hashlib.sha256(key.get_secret_value().encode()).digest()

    def admits(self, header: bytes | None) -> bool:
        """Return whether the header's value carries the key."""
        scheme, _, given = (header or b"").partition(b" ")
        # Digests have one length whatever was sent, so that not even the key's length shows.
        equal = hmac.compare_digest(hashlib.sha256(given.strip()).digest(), self._digest)
        return equal and scheme.lower() == b"bearer"
