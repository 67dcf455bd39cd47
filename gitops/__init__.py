"""The GitOps engine: a library that never imports celery."""

__version__ = "0.1.0"
