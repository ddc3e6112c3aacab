"""What a run ran on and with: machine and package versions."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from sulsul.report.record import Machine

_PACKAGES = ("sulsul", "torch", "numpy", "scipy", "scikit-learn", "polars", "tokenizers")


def package_versions(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of the installed packages, read from their metadata without importing them."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def describe_machine(*, threads: int | None = None) -> Machine:
    """Describe the processor, memory and system; ``threads`` is how many the run used."""
    return Machine(
        cpu=_cpu_name(),
        n_cores=_usable_cores(),
        memory_gib=_memory_gib(),
        system=f"{platform.system()} {platform.release()}".strip(),
        threads=threads,
    )


def _cpu_name() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None  # the system does not say
