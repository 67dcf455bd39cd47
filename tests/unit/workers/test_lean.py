"""What a worker's processes do not load."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOADED = """
import sys
sys.argv = [{application!r}, {application!r}, "--help"]
from workers.lean import run
try:
    run({application!r})
except SystemExit:
    pass
import {module}
print("loaded:", *(name for name in ("flower", "prompt_toolkit", "pygments", "rich") if sys.modules.get(name)))
"""


@pytest.mark.parametrize(
    ("application", "module"), [("workers", "gitops.reconcile.engine"), ("beat", "beat.watcher")], ids=str
)
def test_neither_a_prompt_nor_colours_nor_flower(application: str, module: str) -> None:
    code = LOADED.format(application=application, module=module)
    env = {**os.environ, "GITOPS_SEAL_KEY": "of the test"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.rstrip().splitlines()[-1] == "loaded:"
