"""The command line: parse, call, print. Exit codes: 0 done, 1 refused, 2 usage, 130 interrupted."""

import sys
import unicodedata

from sulsul.errors import SulsulError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a user meets messages here, never a traceback for bad input."""
    from sulsul.cli.app import app

    try:
        app(standalone_mode=True)
    except SulsulError as error:
        sys.stdout.flush()
        print(f"sulsul: {_harmless(str(error))}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\nsulsul: interrupted.", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output, such as `head`, closed it. Python would complain once more at exit.
        sys.stderr.close()
        sys.exit(1)


def _harmless(message: str) -> str:
    """Replace the control characters of names and texts that a message quotes: a terminal would obey them."""
    kept = ("\n", "\t")
    return "".join(c if c in kept or unicodedata.category(c) not in {"Cc", "Cs"} else "\ufffd" for c in message)
