"""The Celery application and its tasks: each a thin shell over gitops."""
