"""Celery's command line without its plugins and its prompt.

`celery` loads the commands that other packages add to it, Flower's among them: 45 MiB that no worker or beat uses. The
prompt of `celery amqp repl` is 9 MiB more; httpx's own command line, and colours for it and for Celery's, are 4.
"""

from __future__ import annotations

import importlib.metadata
import sys
from types import ModuleType
from typing import Any

#: Modules without which Celery and httpx go on, as where they are not installed.
_OPTIONAL = ("httpx._main", "pygments")


def run(application: str) -> None:
    """`celery -A <application>` with the arguments of this process, plugins left out."""
    everything = importlib.metadata.entry_points

    def without_plugins(**wanted: Any) -> Any:
        return () if wanted.get("group") == "celery.commands" else everything(**wanted)

    for name in _OPTIONAL:
        sys.modules[name] = None  # type: ignore[assignment]
    prompt = ModuleType("click_repl")
    prompt.register_repl = lambda _group: None  # type: ignore[attr-defined]
    importlib.metadata.entry_points, sys.modules["click_repl"] = without_plugins, prompt
    try:
        from celery.bin.celery import main
    finally:
        importlib.metadata.entry_points = everything
        del sys.modules["click_repl"]
    sys.argv = ["celery", "-A", application, *sys.argv[1:]]
    sys.exit(main())
