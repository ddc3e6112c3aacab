"""What a check found, in the words a user reads."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

Severity = Literal["error", "warning", "note"]


class Finding(BaseModel):
    """One mistake or risk: what was seen, why it matters and what to do.

    ``check`` is the stable slug of the check. ``evidence`` holds the numbers, row numbers and examples that ``what``
    speaks of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    severity: Severity
    what: str
    why: str
    remedy: str
    evidence: dict[str, JsonValue] = {}

    @property
    def documentation(self) -> str:
        """Where the check is explained."""
        return f"docs/mistakes.md#{self.check}"
