"""Kill what you like: every object is applied, no operation is left running, no message is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from celery import Celery
from redis import Redis

from gitops.model.objects import GVK, ObjectKey
from gitops.settings import Settings
from gitops.state import State
from testbed.world import World, eventually

StartWorld = Callable[..., World]
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
"""

MANUAL = {"syncOptions": ["CreateNamespace=true"]}


def state_of(world: World) -> State:
    return State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))


def drained(world: World) -> bool:
    """No message waits, none is unacknowledged, and no operation is under way."""
    state = state_of(world)
    unacked = Redis.from_url(world.redis.url).hlen("gitops:unacked")
    return sum(state.queue.depths().values()) == 0 and unacked == 0 and state.operations.parked() == 0


def synced(world: World) -> int:
    """How many Applications are Synced, by one request."""
    found = world.client.list(GVK("argoproj.io", "v1alpha1", "Application"), namespace="argocd")
    return sum(((app.get("status") or {}).get("sync") or {}).get("status") == "Synced" for app in found)


def test_fifty_applications_with_one_of_two_workers_killed_in_the_middle(start_world: StartWorld) -> None:
    # A short visibility timeout, so that the test need not wait minutes for the dead worker's messages.
    world = start_world(
        workers=2,
        env={
            "GITOPS_VISIBILITY_TIMEOUT": "20",
            "GITOPS_LOCK_TTL": "18",
            "GITOPS_HARD_TIME_LIMIT": "16",
            "GITOPS_SOFT_TIME_LIMIT": "14",
        },
    )
    names = [f"fifty-{n:02}" for n in range(50)]
    repo = world.repo({"app/settings.yaml": SETTINGS, "app/deployment.yaml": DEPLOYMENT})
    for worker in world.engine.workers:
        world.engine.signal(worker, signal.SIGSTOP)
    for name in names:
        world.application(name, repo.http_url)
    for worker in world.engine.workers:
        world.engine.signal(worker, signal.SIGCONT)
    done = eventually(lambda: synced(world), "the first applications", context=world.logs)
    assert done < 50, "the kill comes in the middle"
    world.engine.kill("worker-0")
    eventually(
        lambda: all(world.status(name) == ("Synced", "Healthy") for name in names),
        "all fifty Synced and Healthy",
        120,
        lambda: f"{[(n, world.status(n)) for n in names if world.status(n) != ('Synced', 'Healthy')]}\n{world.logs()}",
    )
    for name in names:
        assert world.live("ConfigMap", name, "settings")
        assert world.live("Deployment", name, "web", "apps")
        assert world.app(name)["status"]["operationState"]["phase"] == "Succeeded"
    eventually(lambda: drained(world), "the last message", 90, lambda: str(state_of(world).queue.depths()))


def test_a_sync_that_a_killed_worker_had_taken_and_not_begun_does_not_wait_for_its_message(
    start_world: StartWorld,
) -> None:
    world = start_world(workers=1, env={"GITOPS_VISIBILITY_TIMEOUT": "3600"})
    world.application("asked", world.repo({"app/settings.yaml": SETTINGS}).http_url, syncPolicy=MANUAL)
    world.becomes("asked", sync="OutOfSync", health="Missing")
    eventually(lambda: drained(world), "an idle worker")
    ((worker, children),) = ((w, children_of(int(w.rpartition(":")[2]))) for w in state_of(world).workers.alive())
    for child in children:
        os.kill(child, signal.SIGSTOP)
    celery = Celery(broker=world.redis.url, backend=world.redis.url)
    options = {"global_keyprefix": "gitops:", "priority_steps": [0]}
    celery.conf.update(broker_transport_options=options, result_backend_transport_options=options)
    asked = celery.send_task("gitops.sync", args=["asked"], queue="apply-urgent")
    eventually(lambda: Redis.from_url(world.redis.url).hlen("gitops:unacked") == 1, "the message, taken")
    world.engine.kill(worker.partition("@")[0])
    world.engine.start_worker(worker.partition("@")[0])
    assert asked.get(timeout=60)["phase"] == "Succeeded", "soon after the worker has been silent for 15 s"
    assert world.live("ConfigMap", "asked", "settings")
    eventually(lambda: drained(world), "the last message", 30)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_an_emptied_redis_loses_nothing(start_world: StartWorld) -> None:
    world = start_world(workers=1)
    repo = world.repo({"app/settings.yaml": SETTINGS})
    for name in ("empty-a", "empty-b"):
        world.application(name, repo.http_url)
        world.becomes(name)
    world.redis.flushall()
    settings = ObjectKey("", "ConfigMap", "empty-a", "settings")
    world.client.merge_patch(settings, {"data": {"colour": "red"}})
    eventually(
        lambda: (world.client.get(settings) or {})["data"] == {"colour": "blue"},
        "healing from Git and the cluster alone",
        context=world.logs,
    )
    sha = repo.publish({"app/settings.yaml": SETTINGS.replace("blue", "green")}, "green")
    world.engine.gitops("app", "refresh", "empty-b")
    eventually(lambda: world.app("empty-b")["status"]["sync"].get("revision") == sha, "the next commit")


def test_a_standby_beat_takes_over(start_world: StartWorld) -> None:
    world = start_world(workers=1, beats=2, env={"GITOPS_LEASE_TTL": "3"})
    state = state_of(world)
    leader = eventually(state.lease.leader, "a leader")
    first = next(b for b in world.engine.beats if "leading as" in world.engine.log(b))
    world.engine.kill(first)
    eventually(lambda: state.lease.leader() not in {"", leader}, "another leader", 15)
    world.application("after-failover", world.repo({"app/settings.yaml": SETTINGS}).http_url)
    world.becomes("after-failover")


def test_a_worker_asked_to_end_finishes_what_it_has_begun(start_world: StartWorld) -> None:
    world = start_world(workers=2)
    names = [f"rolling-{n}" for n in range(10)]
    repo = world.repo({"app/settings.yaml": SETTINGS})
    for name in names:
        world.application(name, repo.http_url)
    eventually(lambda: any(world.status(n)[0] == "Synced" for n in names), "the first", context=world.logs)
    assert world.engine.terminate("worker-0") == 0
    for name in names:
        world.becomes(name)
    eventually(lambda: drained(world), "the last message", 30)
