"""Celery's command line without its plugins.

`celery` loads the commands that other packages add to it, Flower's among them: 45 MiB that no worker or beat uses.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any


def run(application: str) -> None:
    """`celery -A <application>` with the arguments of this process, plugins left out."""
    everything = importlib.metadata.entry_points

    def without_plugins(**wanted: Any) -> Any:
        return () if wanted.get("group") == "celery.commands" else everything(**wanted)

    importlib.metadata.entry_points = without_plugins
    try:
        from celery.bin.celery import main
    finally:
        importlib.metadata.entry_points = everything
    sys.argv = ["celery", "-A", application, *sys.argv[1:]]
    sys.exit(main())
