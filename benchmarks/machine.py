"""What the figures were measured on."""

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

_EXTENSIONS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")


def describe_machine(*, threads: int) -> dict[str, Any]:
    """Return processor, memory, system, commit, date and how busy the machine was."""
    cpu = _cpu_fields()
    flags = cpu.get("flags", "").split()
    return {
        "cpu": cpu.get("model name", platform.processor()),
        "family": f"family {cpu.get('cpu family')}, model {cpu.get('model')}, stepping {cpu.get('stepping')}",
        "extensions": [name for name in _EXTENSIONS if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "load": os.getloadavg()[0],
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _cpu_fields() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _commit() -> str:
    def git(*arguments: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../src", "../cpp")
    return git("rev-parse", "--short=10", "HEAD") + (" with local changes" if changed else "")
