"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from testbed import build
from testbed.redis import binary


def machine() -> dict[str, object]:
    """Cores, memory and CPU model."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 1024 / 1024, 1) if memory else None,
        "cpu": model[1] if model else platform.machine(),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """What took part."""
    parts = build.control_plane()
    return {
        "gitops-engine": version("gitops-engine"),
        "python": platform.python_version(),
        "celery": version("celery"),
        "valkey": _said([str(binary()), "--version"]),
        "kubernetes": _said([str(parts["kube-apiserver"]), "--version"]),
        "etcd": _said([str(parts["etcd"]), "--version"]),
        "git": _said(["git", "--version"]),
    }


def _said(command: list[str]) -> str:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"v?=?v?(\d+\.\d+[\w.+-]*)", output)
    return found[1] if found else output.strip()
