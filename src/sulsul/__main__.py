"""``python -m sulsul``."""

from sulsul.cli import main

main()
