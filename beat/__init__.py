"""When: the scheduler (leader, clock) and the watcher (ears)."""
