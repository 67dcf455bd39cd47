"""The Celery application and its tasks: each a thin shell over gitops. `celery -A workers worker` runs a pool."""

from workers.app import app
from workers.tasks import apply, diff, fetch, generate, refresh, sync

__all__ = ["app", "apply", "diff", "fetch", "generate", "refresh", "sync"]
