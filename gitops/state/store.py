"""All stores over one connection pool."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import redis
from redis.backoff import ExponentialBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from gitops.model.application import repository_urls
from gitops.settings import Settings
from gitops.state.apps import Apps, Kept
from gitops.state.artifacts import Artifacts
from gitops.state.due import Due
from gitops.state.envelope import envelope
from gitops.state.inflight import Inflight
from gitops.state.keys import Keys
from gitops.state.lease import Lease
from gitops.state.live import LiveIndex
from gitops.state.locks import Lock, Locks
from gitops.state.notices import Notices
from gitops.state.operations import Operations
from gitops.state.queue import Envelope, Queue, Rank
from gitops.state.refs import RefsCache
from gitops.state.scripts import Call, Command, Scripts
from gitops.state.seal import Seal
from gitops.state.shards import Shards
from gitops.state.strays import Strays
from gitops.state.workers import Workers


def connect(url: str, timeout: float = 30.0, *, retries: int = 5) -> redis.Redis:
    """A client that notices a dead connection within `timeout` seconds and rides out a restart; not without `retries`.

    Without them an answer or an error is there after `timeout` seconds at the most.
    """
    return redis.Redis.from_url(
        url,
        # Read with a third less CPU than RESP3 by redis-py's own parser.
        protocol=2,
        socket_timeout=timeout,
        socket_connect_timeout=min(timeout, 5.0),
        socket_keepalive=True,
        health_check_interval=25,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A step begins: the lock that it holds, and what it needs to know first, as it was when it had the lock."""

    lock: Lock
    kept: Kept
    #: How urgent the wish was; None for a message that came again, and where there was none.
    rank: Rank | None
    #: The counter of the control namespace's configuration.
    config: str

    @property
    def app(self) -> str:
        return self.lock.app


class Events(NamedTuple):
    """When the first application is due, the first operation is to be woken, the first comparison was put off to.

    Unix seconds; inf where there is none.
    """

    due: float
    parked: float
    soon: float

    def wait(self, now: float, together: float) -> float:
        """Seconds from `now`, unix seconds, until the first of them, a minute at the most.

        What is due or put off to within `together` seconds is left to come together: nobody waits for a poll, and what
        was put off is in no hurry.
        """
        first = min(self.parked, max(min(self.due, self.soon), now + together))
        return min(max(0.0, first - now), 60.0)


class State:
    """What the engine keeps in Redis, by store. `envelope` makes messages as the broker carries them."""

    def __init__(self, settings: Settings, envelope: Envelope = envelope, client: redis.Redis | None = None) -> None:
        self.redis = client or connect(settings.redis_url.get_secret_value())
        self.keys = Keys(settings.redis_prefix)
        self.seal = Seal(settings.seal_key.get_secret_value())
        self.scripts = scripts = Scripts(self.redis)
        self.queue = Queue(self.redis, scripts, self.keys, envelope)
        self.locks = Locks(self.redis, scripts, self.keys, self.queue, settings.lock_ttl)
        self.due = Due(self.redis, scripts, self.keys, self.queue, settings.poll_interval, settings.poll_jitter)
        self.apps = Apps(self.redis, scripts, self.keys, self.seal)
        self.artifacts = Artifacts(self.redis, self.keys, self.seal, settings.artifact_ttl)
        self.live = LiveIndex(self.redis, scripts, self.keys, self.queue)
        self.operations = Operations(self.redis, scripts, self.keys, self.seal, self.queue)
        self.refs = RefsCache(self.redis, self.keys, self.seal)
        self.inflight = Inflight(self.redis, scripts, self.keys)
        self.notices = Notices(self.redis, self.keys)
        self.strays = Strays(self.redis, self.keys, self.seal)
        self.workers = Workers(self.redis, scripts, self.keys, self.queue)
        self.lease = Lease(self.redis, self.keys, settings.lease_ttl)
        self.shards = Shards(self.redis, self.keys, settings.lease_ttl)
        #: What the step under way has to write at its end, before its lock is freed.
        self.at_leave: list[Call | Command] = []

    def enter(self, lane: str, app: str, *, worker: str, message_id: str, task: str, queued: bool) -> Entry | None:
        """A worker begins a step: take the lock, and note what it works on. None where somebody else holds the lock.

        `queued`: by a message, whose marker goes, so that a wish which comes from now on gets a message of its own.
        """
        self.at_leave = []
        calls: list[Call | Command] = [self.queue.beginning(task, app, message_id)] if queued else []
        calls.append(self.workers.beginning(worker, message_id, task, app))
        calls.append(self.locks.acquiring(lane, app, worker=worker, message_id=message_id, task=task))
        calls += [self.apps.keeping(app), ("GET", self.keys.config)]
        *begun, _, acquired, kept, config = self.scripts.together(calls)
        lock = self.locks.acquired(lane, app, acquired)
        if lock is None:
            self.workers.ended(worker, message_id)
            return None
        rank = self.queue.begun(begun[0]) if queued else None
        return Entry(lock, self.apps.kept_as(app, kept), rank, config.decode() if config else "")

    def leave(self, lock: Lock, *, worker: str, message_id: str, done: bool) -> None:
        """The step has ended: write what it left to be written, free the lock, publish what was wished for meanwhile.

        `done`: nothing follows it.
        """
        calls: list[Call | Command] = [*self.at_leave, self.locks.releasing(lock)]
        if done:
            calls.append(self.workers.ending(worker, message_id))
        self.scripts.together(calls)

    def look_anew(self, app: str) -> None:
        """Make the next fetch of an application (or generation of a set) look at each of its repositories again."""
        desired = self.apps.desired(app)
        urls = {tracked.url for tracked in desired.tracked} if desired else set()
        # Where no fetch has succeeded yet, only the Application itself tells of its repositories.
        for url in urls | repository_urls(self.apps.get(app) or {}):
            self.refs.expire(url)

    def events(self) -> Events:
        """The times that a clock has to act at."""
        pipe = self.redis.pipeline(transaction=False)
        for zset in (self.keys.due, self.keys.parked, self.keys.soon):
            pipe.zrange(zset, 0, 0, withscores=True)
        return Events(*(first[0][1] if first else inf for first in pipe.execute()))
