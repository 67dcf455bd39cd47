"""Operations whose workers are killed with SIGKILL at random instants end as the undisturbed one does."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from gitops.model.objects import Object
from gitops.settings import Settings
from gitops.state import State
from testbed.world import World, eventually

StartWorld = Callable[..., World]
KILLS = 50
#: Operations under way at the same time, so that every kill hits one.
AT_ONCE = 6
PREFIX = "argocd.argoproj.io/"


def config_map(name: str, wave: int) -> str:
    marks = f'{{{PREFIX}sync-wave: "{wave}"}}'
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {marks}}}\ndata: {{a: '1'}}\n"


def hook(name: str, phase: str, policy: str) -> str:
    return f"""
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations: {{{PREFIX}hook: {phase}, {PREFIX}hook-delete-policy: {policy}}}
spec:
  template: {{spec: {{restartPolicy: Never, containers: [{{name: main, image: "registry.example/a:1"}}]}}}}
"""


#: By the place of their (phase, wave) in the order.
PLACES = {"before": 0, **{f"c{n}": 1 + n // 2 for n in range(6)}, "after": 4}
FILES = {
    "app/all.yaml": "\n---\n".join(
        [
            hook("before", "PreSync", "BeforeHookCreation"),
            *(config_map(name, place - 1) for name, place in PLACES.items() if name.startswith("c")),
            hook("after", "PostSync", "HookSucceeded"),
        ]
    )
}


def ended(world: World, name: str) -> bool:
    status = world.app(name).get("status") or {}
    return bool((status.get("operationState") or {}).get("finishedAt")) and world.status(name) == ("Synced", "Healthy")


def outcome(world: World, name: str, since: int) -> dict[str, Any]:
    """What is to be the same: the operation's end, what is there, and how often and in which order it was made."""
    status = world.app(name)["status"]
    state = status["operationState"]
    made = [
        event["objectRef"]["name"]
        for event in world.cluster.audit.events(since)
        if event.get("responseStatus", {}).get("code") == 201
        and event["verb"] in ("create", "patch")
        and event.get("objectRef", {}).get("namespace") == name
        and event["objectRef"]["resource"] in ("configmaps", "jobs")
        and event["userAgent"].startswith("gitops")
        and "dryRun" not in event["requestURI"]
    ]
    # The namespace has a row only in the step that made it, which may have been killed right after.
    rows = {
        (row["name"], row["syncPhase"]): (row["status"], row["hookPhase"])
        for row in state["syncResult"]["resources"]
        if row["kind"] != "Namespace"
    }
    return {
        "end": (state["phase"], state["message"], state.get("retryCount", 0)),
        "rows": rows,
        "objects": {each: world.live("ConfigMap", name, each)["data"] for each in PLACES if each.startswith("c")},
        "hooks": [world.live("Job", name, each, "batch") is not None for each in ("before", "after")],
        "made": Counter(made),
        "in order": [PLACES[each] for each in made] == sorted(PLACES[each] for each in made),
        "syncs": len(status["history"]),
    }


def victim(store: Redis, state: State) -> str:
    """A worker that moves an operation on at this moment, as the store names it; "" for none."""
    for worker in state.workers.alive():
        for entry in store.hvals(f"gitops:running:{worker}"):
            if state.apps.kept(entry.decode().split("|", 1)[1]).operation:
                return worker
    return ""


def test_fifty_kills_leave_no_trace(start_world: StartWorld, record_property: pytest.RecordProperty) -> None:
    seed = int(os.environ.get("GITOPS_CHAOS_SEED") or time.time())
    print(f"seed {seed} (GITOPS_CHAOS_SEED repeats it)")
    record_property("seed", seed)
    chance = random.Random(seed)
    # What a worker had taken and not begun comes again after the visibility timeout: a short one, to wait less.
    times = {
        "GITOPS_VISIBILITY_TIMEOUT": "20",
        "GITOPS_LOCK_TTL": "18",
        "GITOPS_HARD_TIME_LIMIT": "16",
        "GITOPS_SOFT_TIME_LIMIT": "14",
    }
    world = start_world(workers=3, env={"GITOPS_WAVE_DELAY": "0", **times})
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    store = Redis.from_url(world.redis.url)
    since, url = world.cluster.audit.mark(), world.repo(FILES).http_url
    world.application("undisturbed", url)
    eventually(lambda: ended(world, "undisturbed"), "the undisturbed operation", context=world.logs)
    calm = outcome(world, "undisturbed", since)
    assert calm["end"] == ("Succeeded", "successfully synced (no more tasks)", 0)
    assert calm["in order"]
    assert set(calm["made"].values()) == {1}

    names: list[str] = []
    open_: list[str] = []
    for _ in range(KILLS):
        open_ = [name for name in open_ if not ended(world, name)]
        while len(open_) < AT_ONCE:
            names.append(f"killed-{len(names)}")
            open_.append(names[-1])
            world.application(names[-1], url)
        worker = str(eventually(lambda: victim(store, state), "an operation that moves on", context=world.logs))
        time.sleep(chance.uniform(0.0, 0.08))  # the random instant
        name = worker.partition("@")[0]
        world.engine.kill(name)
        # It would count as gone when it has been silent for some seconds; how many is not what is tested here.
        state.workers.leave(worker)
        world.engine.start_worker(name)
    eventually(
        lambda: all(ended(world, name) for name in names), "the end of all operations", 120, lambda: _left(world, names)
    )
    # A hook that succeeded goes a moment after its operation has ended.
    eventually(lambda: all(not world.live("Job", n, "after", "batch") for n in names), "the succeeded hooks' end", 20)
    for name in names:
        assert outcome(world, name, since) == calm, f"{name}, seed {seed}"


def _left(world: World, names: list[str]) -> str:
    states: dict[str, Object] = {n: (world.app(n).get("status") or {}) for n in names if not ended(world, n)}
    return f"{states}\n{world.logs()}"
