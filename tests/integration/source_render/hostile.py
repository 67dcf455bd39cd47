"""What the tests of hostile repositories share: bounds that are reached fast, files, and how a failure must look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops.errors import GitOpsError
from gitops.source import Limits, Rendered

Render = Callable[..., Rendered]
LIMITS = Limits(wall_seconds=6, cpu_seconds=4, memory_mib=160, output_mib=8, objects=1000, depth=100)
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CHART = "apiVersion: v2\nname: c\nversion: 0.1.0\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: stolen}\n"


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below `root`."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def outside(tmp_path: Path) -> Path:
    """A repository in a folder, with a secret beside it."""
    write(tmp_path, {"secret.yaml": SECRET})
    (tmp_path / "repo").mkdir()
    return tmp_path / "repo"


def fails(render: Render, *args: object, match: str, **kwargs: object) -> GitOpsError:
    """The render fails with one clear sentence that gives nothing away."""
    with pytest.raises(GitOpsError, match=match) as caught:
        render(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    assert "stolen" not in text
    assert "Traceback" not in text
    assert len(text) < 1000
    return caught.value


def until(condition: Callable[[], bool]) -> None:
    """Wait for what comes about just after the answer, such as emptied folders."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def resident_mib() -> float:
    """MiB of memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
