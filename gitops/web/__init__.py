"""Webhooks in, state out: the HTTP face of the engine.

`run(deps, host, port)` serves it; `app(deps)` is the Starlette application. What it needs of the engine is `Deps`,
a set of callables: applications to match pushes against, a function that enqueues, secrets, summaries.
"""

from gitops.web.app import app, run
from gitops.web.deps import Deps
from gitops.web.matching import WatchedApp, WatchedSource

__all__ = ["Deps", "WatchedApp", "WatchedSource", "app", "run"]
