"""`python -m workers worker …`: `celery -A workers worker …` without what it does not need."""

from workers.lean import run

run("workers")
