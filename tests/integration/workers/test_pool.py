"""What a pool withstands: poison, peaks, and messages made without Celery."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from gitops.settings import Settings
from gitops.state import State
from gitops.state.envelope import envelope
from testbed.processes import ProcessGroup

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LIMIT_KIB = 200_000


def client(url: str) -> Celery:
    made = Celery(broker=url, backend=url)
    options = {"global_keyprefix": "gitops:", "priority_steps": [0]}
    made.conf.update(broker_transport_options=options, result_backend_transport_options={"global_keyprefix": "gitops:"})
    return made


@pytest.fixture
def pool(redis_url: str) -> Iterator[Celery]:
    import sys

    env = {
        "GITOPS_REDIS_URL": redis_url,
        "GITOPS_SEAL_KEY": "of the test",
        "GITOPS_KUBECONFIG": "/nonexistent",
        "GITOPS_CHILD_MEMORY_LIMIT_KIB": str(LIMIT_KIB),
        "PYTHONPATH": f"{ROOT}:{HERE}",
    }
    argv = [sys.executable, "-m", "celery", "-A", "greedy", "worker", "-c", "1", "-n", "pool@test"]
    with ProcessGroup("pool") as group:
        env["GITOPS_DATA_DIR"] = str(group.directory / "data")
        group.start("pool", [*argv, "--without-gossip", "--without-mingle"], env, cwd=ROOT)
        group.wait_ready("pool", lambda: " ready." in group.log("pool").read_text(), 60)
        yield client(redis_url)


def call(app: Celery, name: str, *args: Any) -> Any:
    return app.send_task(name, args=args, queue="fetch").get(timeout=30)


def test_a_task_that_outgrows_its_memory_fails_alone(pool: Celery) -> None:
    parent = call(pool, "test.answer")
    with pytest.raises(Exception, match="more memory than a worker process may use"):
        call(pool, "test.greedy")
    assert call(pool, "test.answer") == parent, "the worker's parent process goes on"


def test_a_process_above_its_limit_is_replaced_after_its_task(pool: Celery) -> None:
    small, again = call(pool, "test.large", 1), call(pool, "test.large", 1)
    assert small == again
    big = call(pool, "test.large", LIMIT_KIB // 1024 + 10)
    assert big == small, "the task itself completes"
    assert call(pool, "test.large", 1) != big


def test_between_the_two_limits_a_process_is_replaced_and_beyond_the_hard_one_its_task_fails(pool: Celery) -> None:
    parent, hard = call(pool, "test.answer"), LIMIT_KIB * 3 // 2048
    pids = set()
    for _ in range(3):
        pids.add(call(pool, "test.large", LIMIT_KIB // 1024))
        with pytest.raises(Exception, match="more memory than a worker process may use"):
            call(pool, "test.large", hard + 1)
    assert len(pids) == 3, "each process that grew beyond the soft limit was replaced"
    assert call(pool, "test.answer") == parent, "no process was killed, and the worker goes on"


def test_a_message_of_ours_reads_as_one_that_celery_published(redis_url: str) -> None:
    """Whatever kombu writes in a message, ours has too: a new kombu that wants more is noticed here."""
    state = State(Settings(redis_url=redis_url, seal_key="of the test"), envelope)
    app = client(redis_url)
    app.send_task("gitops.fetch", args=["argocd/a"], queue="theirs", headers={"enqueued_at": 1.0})
    state.queue.want("fetch", "argocd/a")
    theirs = json.loads(state.redis.lindex("gitops:theirs", 0))
    ours = json.loads(state.redis.lindex("gitops:fetch", 0))
    assert ours.keys() == theirs.keys()
    assert ours["properties"].keys() >= theirs["properties"].keys()
    assert ours["headers"].keys() >= theirs["headers"].keys()
    assert ours["headers"]["task"] == theirs["headers"]["task"]
    assert json.loads(base64.b64decode(ours["body"])) == json.loads(base64.b64decode(theirs["body"]))
