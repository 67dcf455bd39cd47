"""The names of all keys. Repository URLs are hashed, so that a key tells nothing about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


def url_hash(url: str) -> str:
    """A name for a repository that does not show its URL."""
    return hashlib.blake2b(url.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix."""

    prefix: str

    def app(self, app: str) -> str:
        """Hash: flags and the sealed parts of one application."""
        return f"{self.prefix}app:{app}"

    def lock(self, lane: str, app: str) -> str:
        return f"{self.prefix}lock:{lane}:{app}"

    def observed(self, app: str) -> str:
        """Hash: object key -> resourceVersion, as the watcher saw it last."""
        return f"{self.prefix}obs:{app}"

    def compared(self, app: str) -> str:
        """Hash: object key -> note of the last comparison, which begins with a resourceVersion."""
        return f"{self.prefix}cmp:{app}"

    def notices(self, app: str) -> str:
        """Sorted set: digests of the notifications that were sent, by when they last held."""
        return f"{self.prefix}notices:{app}"

    def webhook(self, digest: str) -> str:
        return f"{self.prefix}webhook:{digest}"

    def artifact(self, address: str) -> str:
        return f"{self.prefix}artifact:{address}"

    def refs(self, url: str) -> str:
        """Hash: what a repository's refs pointed at, and when."""
        return f"{self.prefix}refs:{url_hash(url)}"

    def refs_lease(self, url: str) -> str:
        return f"{self.prefix}refs-lease:{url_hash(url)}"

    def repo_apps(self, url: str) -> str:
        """Set: the applications that use a repository."""
        return f"{self.prefix}repo-apps:{url_hash(url)}"

    def waiting(self, url: str) -> str:
        """Set: applications that wait for a look at a repository that somebody else takes."""
        return f"{self.prefix}refs-waiting:{url_hash(url)}"

    def queue(self, name: str) -> str:
        """List: a Celery queue (kombu's own name for it under our prefix)."""
        return f"{self.prefix}{name}"

    @property
    def taken(self) -> str:
        """Hash: messages that workers have taken and not acknowledged (kombu's own name under our prefix)."""
        return f"{self.prefix}unacked"

    @property
    def taken_at(self) -> str:
        """Sorted set: the same, by when they were taken (kombu's own name under our prefix)."""
        return f"{self.prefix}unacked_index"

    def alive(self, worker: str) -> str:
        return f"{self.prefix}alive:{worker}"

    def running(self, worker: str) -> str:
        """Hash: message id -> task and application that this worker has begun."""
        return f"{self.prefix}running:{worker}"

    def inflight(self, cluster: str) -> str:
        return f"{self.prefix}inflight:{url_hash(cluster)}"

    def discovery(self, cluster: str) -> str:
        return f"{self.prefix}discovery:{url_hash(cluster)}"

    def kinds(self, cluster: str) -> str:
        """Set: `group|kind` in use on a cluster, for the watcher."""
        return f"{self.prefix}kinds:{url_hash(cluster)}"

    @property
    def apps(self) -> str:
        """Set: every application's id."""
        return f"{self.prefix}apps"

    @property
    def due(self) -> str:
        return f"{self.prefix}due"

    @property
    def turn(self) -> str:
        """When the next application that is in no hurry may be looked at, unix seconds."""
        return f"{self.prefix}turn"

    @property
    def soon(self) -> str:
        """Sorted set: applications to be compared in a moment, by time."""
        return f"{self.prefix}soon"

    @property
    def parked(self) -> str:
        """Sorted set: operations that wait, by the time at which the clock wakes them."""
        return f"{self.prefix}parked"

    @property
    def fence(self) -> str:
        return f"{self.prefix}fence"

    @property
    def workers(self) -> str:
        return f"{self.prefix}workers"

    @property
    def leader(self) -> str:
        return f"{self.prefix}leader"

    @property
    def clusters(self) -> str:
        """Set: clusters in use, by server URL, sealed nowhere: it names no credential."""
        return f"{self.prefix}clusters"

    @property
    def config(self) -> str:
        """Counter: raised when a project, a Secret or a ConfigMap of the control namespace changes."""
        return f"{self.prefix}config"

    @property
    def config_parts(self) -> str:
        """Sealed digests of that configuration, part by part, as beat last looked at it."""
        return f"{self.prefix}config-parts"

    @property
    def counters(self) -> str:
        """Hash: `published:<queue>` and `coalesced:<task>`, for metrics."""
        return f"{self.prefix}counters"
