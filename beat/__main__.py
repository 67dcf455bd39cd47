"""`python -m beat beat …`: `celery -A beat beat …` without what it does not need."""

from workers.lean import run

run("beat")
