"""The workers are away, and everybody goes on asking: no queue outgrows the applications, and then all drains."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from redis import Redis

from beat.clock import Clock
from gitops.model.names import REFRESH
from gitops.model.objects import ObjectKey
from gitops.settings import Settings
from gitops.state import State
from gitops.state.queue import QUEUES, TASKS
from testbed.engine import ROOT
from testbed.processes import free_port
from testbed.world import World, eventually

StartWorld = Callable[..., World]
TICKS = 1000
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


@contextmanager
def web_server(world: World) -> Iterator[str]:
    """`gitops web`, which believes every webhook here."""
    port = free_port()
    own = {
        "GITOPS_WEB_PORT": str(port),
        "GITOPS_WEB_TOKEN": "unused",
        "GITOPS_WEBHOOK_ALLOW_UNAUTHENTICATED": "true",
        "GITOPS_WEBHOOK_RATE": "100000",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gitops.cli", "web"], env={**os.environ, **world.engine.env, **own}, cwd=ROOT
    )

    def ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    try:
        eventually(ready, "the web server")
        yield f"http://127.0.0.1:{port}/api/webhook"
    finally:
        process.terminate()
        process.wait(30)


def push(web: httpx.Client, url: str, repo_url: str) -> int:
    """A push of a commit of its own; the number of applications that it concerns."""
    sha = secrets.token_hex(20)
    commit = {"id": sha, "added": [], "removed": [], "modified": ["app/settings.yaml"]}
    event = {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": sha,
        "commits": [commit],
        "head_commit": commit,
        "repository": {"html_url": repo_url, "default_branch": "main"},
    }
    answer = web.post(url, json=event, headers={"X-GitHub-Event": "push", "X-GitHub-Delivery": sha})
    assert answer.is_success, answer.text
    return int(answer.json()["applications"])


def test_a_thousand_ticks_of_beat_webhooks_drift_and_people_wait_in_as_many_messages_as_there_are_applications(
    start_world: StartWorld,
) -> None:
    world = start_world(workers=0)
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    repo = world.repo({"app/settings.yaml": SETTINGS})
    apps = [f"argocd/away-{n:02}" for n in range(20)]
    for app in apps:
        world.application(app.removeprefix("argocd/"), repo.http_url)
    eventually(lambda: state.apps.ids() == set(apps), "beat's list", context=world.logs)

    clock, begun, longest = Clock(state), time.time(), dict.fromkeys(QUEUES, 0)
    concerned = 0
    with web_server(world) as url, httpx.Client() as web:
        for tick in range(TICKS):
            app = apps[tick % len(apps)]
            clock.tick(begun + tick * state.due.interval / 7)
            concerned = push(web, url, repo.http_url)
            state.live.observe(app, ObjectKey("", "ConfigMap", "shop", f"object-{tick % 50}"), tick + 1)
            if tick % 5 == 0:  # a person who refreshes: beat sees the annotation
                key = ObjectKey("argoproj.io", "Application", *app.split("/"))
                world.client.merge_patch(key, {"metadata": {"annotations": {REFRESH: "normal", "turn": str(tick)}}})
            longest = {name: max(longest[name], depth) for name, depth in state.queue.depths().items()}
    assert concerned == len(apps), "the webhooks meant all of them"
    assert sum(clock.claims.values()) >= TICKS / 7 * len(apps) * 0.8, "the clock went on"
    assert all(depth <= len(apps) for depth in longest.values()), longest
    depths = state.queue.depths()
    assert all(depths[task] + depths[f"{task}-urgent"] <= len(apps) for task in TASKS)

    world.engine.start_worker("worker-0")
    world.engine.workers.append("worker-0")
    broker = Redis.from_url(world.redis.url)
    for app in apps:
        world.becomes(app.removeprefix("argocd/"))
    eventually(
        lambda: not any(state.queue.depths().values()) and not broker.hlen("gitops:unacked"),
        "empty queues",
        context=lambda: f"{state.queue.depths()}\n{world.logs()}",
    )
