"""A process that is killed or replaced cannot count itself; the worker's metrics say what became of it all the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from testbed.processes import ProcessGroup, free_port
from testbed.world import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LIMIT_MIB = 200


@dataclass
class Pool:
    """A worker of one process."""

    app: Celery
    url: str

    def send(self, task: str, *args: Any) -> Any:
        return self.app.send_task(f"gitops.test-{task}", args=args, queue="fetch")

    def value(self, metric: str, /, **labels: str) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(httpx.get(self.url, timeout=10).text)
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        )


@pytest.fixture(scope="module")
def pool(redis_server: Any) -> Iterator[Pool]:
    port = free_port()
    with redis_server.database() as url, ProcessGroup("doomed") as group:
        env = {
            "GITOPS_REDIS_URL": url,
            "GITOPS_SEAL_KEY": "of the test",
            "GITOPS_KUBECONFIG": "/nonexistent",
            "GITOPS_DATA_DIR": str(group.directory / "data"),
            "GITOPS_METRICS_HOST": "127.0.0.1",
            "GITOPS_METRICS_PORT": str(port),
            "GITOPS_CHILD_MEMORY_LIMIT_KIB": str(LIMIT_MIB << 10),
            "GITOPS_CHILD_MAX_TASKS": "4",
            "PYTHONPATH": f"{ROOT}:{HERE}",
        }
        argv = [sys.executable, "-m", "celery", "-A", "doomed", "worker", "-c", "1", "-n", "doomed@test"]
        group.start("pool", [*argv, "--without-gossip", "--without-mingle"], env, cwd=ROOT)
        group.wait_ready("pool", lambda: " ready." in group.log("pool").read_text(), 60)
        app = Celery(broker=url, backend=url)
        options = {"global_keyprefix": "gitops:"}
        app.conf.update(broker_transport_options=options, result_backend_transport_options=options)
        yield Pool(app, f"http://127.0.0.1:{port}/metrics")


def test_a_task_that_is_killed_from_outside(pool: Pool) -> None:
    pool.send("killed")
    labels = {"task": "test-killed", "reason": "WorkerLostError"}
    eventually(lambda: pool.value("gitops_task_failures_total", **labels) == 1, "the loss in the metrics")
    assert pool.value("gitops_worker_child_recycles_total", reason="lost") == 1


def test_a_task_that_heeds_no_limit(pool: Pool) -> None:
    pool.send("endless")
    labels = {"task": "test-endless", "reason": "TimeLimitExceeded"}
    eventually(lambda: pool.value("gitops_task_failures_total", **labels) == 1, "the end in the metrics")
    assert pool.value("gitops_worker_child_recycles_total", reason="time") == 1


def test_a_process_that_outgrew_its_memory_and_one_that_did_its_share(pool: Pool) -> None:
    assert pool.value("gitops_worker_child_recycles_total", reason="memory") == 0
    pool.send("large", LIMIT_MIB - 50).get(timeout=30)  # beside what the process holds anyway
    eventually(lambda: pool.value("gitops_worker_child_recycles_total", reason="memory") == 1, "the memory's recycle")
    before = pool.value("gitops_worker_child_recycles_total", reason="tasks")
    for _ in range(4):
        pool.send("large", 1).get(timeout=30)
    eventually(
        lambda: pool.value("gitops_worker_child_recycles_total", reason="tasks") == before + 1, "the recycle by tasks"
    )
    assert pool.value("gitops_worker_child_recycles_total", reason="memory") == 1
