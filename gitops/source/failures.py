"""Why a render's process ended without an answer, in words: each bound by its name."""

from __future__ import annotations

import signal
from typing import Any

from gitops.errors import RenderError
from gitops.source.request import Limits


def late(limits: Limits) -> RenderError:
    """The wall time is over."""
    return RenderError(f"the render took longer than {limits.wall_seconds:g} seconds")


def memory(limits: Limits) -> RenderError:
    """Memory was refused."""
    return RenderError(f"the render needs more than {limits.memory_mib} MiB of memory")


def ended(report: dict[str, Any], limits: Limits) -> RenderError:
    """The process ended: `report` has its exit code (negative: a signal), whether it was overdue, and its peak MiB."""
    code = int(report["code"])
    cpu = f"the render used more than {limits.cpu_seconds} seconds of CPU"
    if report["overdue"]:
        return late(limits)
    if code == -signal.SIGXCPU:
        return RenderError(cpu)
    if code == -signal.SIGKILL:
        return memory(limits) if report["peak_mib"] >= limits.memory_mib * 0.9 else RenderError(f"{cpu}, or was killed")
    if code in (-signal.SIGABRT, -signal.SIGSEGV):
        # How C and C++ end when memory, or the stack, is refused to them.
        return RenderError(f"the renderer crashed (signal {-code}), or needs more than {limits.memory_mib} MiB")
    what = f"signal {-code}" if code < 0 else f"exit code {code}"
    return RenderError(f"the renderer failed ({what})")
