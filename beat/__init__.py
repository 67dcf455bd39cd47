"""When: the scheduler (leader, clock) and the watcher (ears). `celery -A beat beat` runs one; run two for failover."""

from gitops.settings import settings
from workers import app

app.conf.beat_scheduler = "beat.scheduler:GitOpsScheduler"
app.conf.beat_max_loop_interval = settings().beat_tick

__all__ = ["app"]
