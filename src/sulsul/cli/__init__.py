"""The command line: parse, call, print. Exit codes: 0 done, 1 refused, 2 usage, 130 interrupted."""

import sys

from sulsul.errors import SulsulError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a user meets messages here, never a traceback for bad input."""
    from sulsul.cli.app import app

    try:
        app(standalone_mode=True)
    except SulsulError as error:
        sys.stdout.flush()
        print(f"sulsul: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\nsulsul: interrupted.", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output, such as `head`, closed it. Python would complain once more at exit.
        sys.stderr.close()
        sys.exit(1)
