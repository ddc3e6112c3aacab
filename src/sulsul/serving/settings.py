"""What a server may be told: where it listens, and how much it takes on."""

import ipaddress
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sulsul.errors import SpecificationError, UsageError
from sulsul.specification import describe_validation_error


class ServingSettings(BaseModel):
    """Address and limits of a server. With several workers every limit but ``port`` is one worker's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names clients may address; default: loopback ones when on loopback, any otherwise."
    )
    workers: int = Field(1, ge=1, le=256, description="Processes, each with the model in memory.")
    threads: int = Field(1, ge=1, le=1024, description="Threads a worker computes with.")
    max_body_bytes: int = Field(4 * 2**20, ge=1, description="Largest request body.")
    max_text_characters: int = Field(100_000, ge=1, description="Longest text.")
    max_texts: int = Field(1_000, ge=1, description="Most texts in a request.")
    max_explained_tokens: int = Field(500, ge=1, description="Longest text to explain, in tokens.")
    max_queued_explanations: int = Field(8, ge=1, description="Most explanations that wait.")
    max_queued_texts: int = Field(10_000, ge=1, description="Most texts that wait.")
    max_queued_characters: int = Field(32_000_000, ge=1, description="Most characters that wait.")
    max_connections: int = Field(1_000, ge=1, description="Most open connections.")
    max_batch_texts: int = Field(256, ge=1, description="Most texts computed together.")
    max_batch_tokens: int = Field(8_192, ge=1, description="Most tokens computed together, unless one text has more.")
    batch_delay_s: float = Field(
        0.0, ge=0, le=1, description="How long a text may wait for company while the model is idle."
    )
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Longest time to answer a request.")
    shutdown_s: float = Field(30.0, gt=0, le=3600, description="Longest time to finish accepted requests at the end.")
    log_texts: bool = Field(False, description="Write the texts to the log.")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or is_loopback(self.host)

    def with_overrides(self, assignments: Sequence[str]) -> "ServingSettings":
        """Return the settings with ``KEY=VALUE`` assignments applied.

        Raises
        ------
        UsageError
            If an assignment has no ``=``.
        SpecificationError
            If a key is unknown or a value impossible.
        """
        values: dict[str, object] = self.model_dump()
        for assignment in assignments:
            key, separator, value = assignment.partition("=")
            if not separator:
                raise UsageError(f"--set {assignment}: write KEY=VALUE.")
            values[key] = tuple(value.split(",")) if key == "allowed_hosts" else value
        try:
            return ServingSettings.model_validate(values)
        except ValidationError as error:
            raise SpecificationError(f"server: {describe_validation_error(error)}") from None


def is_loopback(host: str) -> bool:
    """Return whether an address is one of loopback; names other than addresses are not.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
