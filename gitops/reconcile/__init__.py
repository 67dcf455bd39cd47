"""The rooms put together: what the tasks do. fetch -> compare -> operate, each under the application's lock."""

from gitops.reconcile.engine import Engine

__all__ = ["Engine"]
