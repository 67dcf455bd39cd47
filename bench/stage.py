"""One arrangement: a fresh control plane, a Redis, a Git server with the monorepo, and an engine over them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import redis
from celery import Celery

from bench import BenchError, measure
from bench.fleet import LABEL, REPOSITORY, Fleet
from bench.raw import RawClient
from bench.watching import FleetWatch
from bench.writes import Writes
from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.state.keys import Keys
from gitops.state.queue import QUEUES
from testbed.closing import Closing
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer

CONTROL = "argocd"
#: The engine acts as a ServiceAccount, as it does in a cluster: a bound token, RBAC, and no exemption from fairness.
ACCOUNT = "bench-engine"
USER = f"system:serviceaccount:{CONTROL}:{ACCOUNT}"
PREFIX = "gitops:"
#: Seconds without any progress after which a measurement is given up.
PATIENCE = 120.0

Say = Callable[[str], None]


class Plane:
    """A control plane with every part running and each write synced to disk, and a bare client for it.

    The custom resources are there, also for the bare client alone: both meet an API server that has built its schemas.
    """

    def __init__(self) -> None:
        self.cluster = ControlPlane(durable=True)
        try:
            install(ClusterClient(Connection.from_kubeconfig(self.cluster.kubeconfig)), CONTROL, custom_resources())
        except BaseException:
            self.cluster.close()
            raise
        self.raw = RawClient(self.cluster.port, self.cluster.ca_file, self.cluster.token)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by part; the controllers are controller-manager, scheduler and kwok together."""
        found = {"api_server": 0.0, "etcd": 0.0, "controllers": 0.0}
        names = {"kube-apiserver": "api_server", "etcd": "etcd"}
        for component in self.cluster.components:
            found[names.get(component, "controllers")] += measure.cpu_seconds([self.cluster.pid(component)])
        return found

    def wait_running(self, count: int) -> None:
        """Wait until `count` Deployments of the fleet have their Pod."""

        def running() -> bool:
            items = self.cluster.api.request(
                "GET", f"/apis/apps/v1/deployments?labelSelector={LABEL}&resourceVersion=0"
            )["items"]
            return sum(1 for item in items if item.get("status", {}).get("availableReplicas")) >= count

        until(running, f"{count} running Deployments", interval=1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cluster.close()


class Stage(Closing):
    """A fleet in Git, a plane, and engines that come and go over the same Redis."""

    def __init__(self, fleet: Fleet, say: Say) -> None:
        self.fleet, self._say = fleet, say
        self._stack = ExitStack()
        try:
            self.plane = self._stack.enter_context(Plane())
            self.cluster = self.plane.cluster
            self.redis = self._stack.enter_context(RedisServer())
            git = self._stack.enter_context(GitServer(ssh=False))
            self.repo = git.create(REPOSITORY)
            self.repo.publish(fleet.monorepo(), "the fleet")
            self._kubeconfig = self.cluster.service_account_kubeconfig(CONTROL, ACCOUNT, "cluster-admin")
        except BaseException:
            self._stack.close()
            raise
        self.engine: Engine | None = None
        self._seal_key = secrets.token_hex(16)
        self._client = redis.Redis.from_url(self.redis.url)
        self._keys = Keys(PREFIX)
        options = {"global_keyprefix": PREFIX, "priority_steps": [0]}
        self._celery = Celery(broker=self.redis.url)
        self._celery.conf.update(broker_transport_options=options, task_ignore_result=True)

    # --- the engine ---

    def start_engine(self, workers: int = 2, **env: str) -> Engine:
        """Start beat and workers; an engine that runs is ended first. Redis keeps what it holds."""
        self.stop_engine()
        whole = {
            "GITOPS_REPO_PROTOCOLS": "https,ssh,http",
            "GITOPS_SEAL_KEY": self._seal_key,
            "GITOPS_CONCURRENCY": os.environ.get("PROCESSES", "1"),
            **env,
        }
        self._say(f"starting beat and {workers} worker{'s' if workers > 1 else ''}")
        self.engine = Engine(self._kubeconfig, self.redis.url, workers=workers, namespace=CONTROL, env=whole)
        return self.engine

    def stop_engine(self) -> None:
        """End beat and workers."""
        if self.engine:
            self.engine.close()
            self.engine = None

    def processes(self) -> set[int]:
        """Beat, workers, and all that they started."""
        return measure.with_descendants(measure.with_environment(f"GITOPS_SEAL_KEY={self._seal_key}".encode()))

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by part: engine, redis, api_server, etcd, controllers."""
        return {
            "engine": measure.cpu_seconds(self.processes()),
            "redis": measure.cpu_seconds([self.redis.pid]),
            **self.plane.cpu(),
        }

    def logs(self) -> str:
        """The last that the engine said."""
        if not self.engine:
            return ""
        return "\n".join(f"--- {name}\n{self.engine.log_tail(name, 15)}" for name in self.engine.components)

    # --- what is done to it ---

    def writes(self) -> Writes:
        """The engine's writes from now on."""
        return Writes(self.cluster.audit, USER)

    def create_applications(self) -> None:
        """Create every Application."""
        self.plane.raw.apply(self.fleet.applications(self.repo.http_url, CONTROL), threads=4)

    def refresh(self, name: str) -> None:
        """Call the task that a push webhook is equivalent to."""
        self._celery.send_task("gitops.refresh", args=[name], queue="fetch-urgent")

    def watch(self, collection: str) -> FleetWatch:
        """Follow a collection of the fleet's objects."""
        return FleetWatch(self.cluster.port, self.cluster.ca_file, self.cluster.token, collection)

    # --- what it is waited for ---

    def statuses(self) -> dict[tuple[str, str], int]:
        """How many Applications have each (sync, health)."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{CONTROL}/applications?resourceVersion=0"
        found: dict[tuple[str, str], int] = {}
        for app in self.cluster.api.request("GET", path)["items"]:
            status = app.get("status") or {}
            both = (status.get("sync") or {}).get("status", ""), (status.get("health") or {}).get("status", "")
            found[both] = found.get(both, 0) + 1
        return found

    def wait_settled(self) -> None:
        """Wait until every Application is Synced and Healthy, and nothing waits or runs.

        Raises BenchError saying how far it got.
        """
        wanted = {("Synced", "Healthy"): self.fleet.size}
        try:
            until(lambda: self.statuses() == wanted, "the fleet Synced and Healthy", 300.0, interval=1.0)
        except BenchError as error:
            raise BenchError(f"{error}: {self.statuses()}\n{self.logs()}") from None
        self.wait_idle()

    def wait_idle(self, calm: float = 0.3) -> None:
        """Wait until no message waits or runs and no operation is parked, for `calm` seconds on end."""
        since = time.monotonic()

        def idle() -> bool:
            nonlocal since
            pipe = self._client.pipeline(transaction=False)
            for name in QUEUES:
                pipe.llen(self._keys.queue(name))
            pipe.hlen(f"{PREFIX}unacked")
            pipe.zcard(self._keys.parked)
            pipe.zcard(self._keys.soon)
            if any(pipe.execute()):
                since = time.monotonic()
            return time.monotonic() - since > calm

        until(idle, "an idle engine", PATIENCE, interval=0.05)

    def forget_due_times(self) -> None:
        """Let the next beat spread all due times over its own interval. The engine must be stopped."""
        self._client.delete(self._keys.due)

    def due_times(self) -> dict[bytes, float]:
        """When each Application is looked at next."""
        return dict(self._client.zrange(self._keys.due, 0, -1, withscores=True))  # type: ignore[arg-type]

    def close(self) -> None:
        """End everything."""
        self.stop_engine()
        self._client.close()
        self._stack.close()


def until(condition: Callable[[], Any], what: str, timeout: float = PATIENCE, interval: float = 0.1) -> None:
    """Wait for a condition. Raises BenchError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what} did not come about within {timeout:g} s")
        time.sleep(interval)
