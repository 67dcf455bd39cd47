"""A prefork worker's /metrics counts what all of its processes did, the replaced ones too, and no probe disturbs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import custom_resources
from testbed.processes import ProcessGroup, free_port
from testbed.world import eventually

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("directory", ["", "chosen"])
def test_all_processes_of_a_worker_are_counted(
    control_plane: ControlPlane, redis_url: str, directory: str, tmp_path: Path
) -> None:
    """`GITOPS_METRICS_DIR` chooses the directory; unset, it is one in the worker's data directory."""
    client = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
    install(client, "argocd", custom_resources())
    port = free_port()
    env = {
        "GITOPS_REDIS_URL": redis_url,
        "GITOPS_SEAL_KEY": "of the test",
        "GITOPS_KUBECONFIG": str(control_plane.kubeconfig),
        "GITOPS_DATA_DIR": str(tmp_path / "data"),
        "GITOPS_METRICS_HOST": "127.0.0.1",
        "GITOPS_METRICS_PORT": str(port),
        # Each process is replaced several times in this test.
        "GITOPS_CHILD_MAX_TASKS": "5",
        "PYTHONPATH": str(ROOT),
        **({"GITOPS_METRICS_DIR": str(tmp_path / directory)} if directory else {}),
    }
    kept = tmp_path / directory if directory else tmp_path / "data" / "metrics"
    argv = [sys.executable, "-m", "celery", "-A", "workers", "worker", "-c", "2", "-n", "counted@test"]
    with ProcessGroup("counted") as group:
        group.start("worker", [*argv, "--without-gossip", "--without-mingle"], env, cwd=ROOT)
        group.wait_ready("worker", lambda: " ready." in group.log("worker").read_text(), 60)
        app = Celery(broker=redis_url)
        app.conf.broker_transport_options = {"global_keyprefix": "gitops:", "priority_steps": [0]}
        processes: set[str] = set()
        sent = 0

        def counted() -> float:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
            processes.update(path.stem.rpartition("_")[2] for path in kept.glob("counter_*.db"))
            return sum(
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == "gitops_task_duration_seconds_count" and sample.labels["task"] == "diff"
            )

        # Applications that nobody has: the shortest of all tasks, and none waits for another's lock.
        while sent < 30 or len(processes) < 4:
            for number in range(sent, sent + 10):
                app.send_task("gitops.diff", args=[f"argocd/nobody-{number}"], queue="diff")
            sent += 10
            eventually(lambda expected=sent: counted() >= expected, f"{sent} tasks in the metrics")
            assert sent < 300, "two processes, replaced after five tasks each"
        # A message that comes again with a replaced process is done twice; what a process counted is not counted twice,
        # which would add up to five for each.
        assert sent <= counted() <= sent + len(processes)
        probe = [sys.executable, "-m", "gitops.cli", "probe", "worker"]
        subprocess.run(probe, env={**env, "PATH": "/usr/bin:/bin"}, cwd=ROOT, check=False, capture_output=True)
        assert sent <= counted() <= sent + len(processes), "a probe beside the worker leaves the counters alone"
