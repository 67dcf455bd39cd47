"""The engine as its users run it: one beat, a pool of workers, Flower, each a process with its own log.

with ControlPlane() as cluster, RedisServer() as redis, Engine(cluster.kubeconfig, redis.url, workers=2) as engine:
    engine.kill_worker(0)
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from testbed.closing import Closing
from testbed.processes import ProcessGroup, free_port, wait_until

ROOT = Path(__file__).parents[1]
CRDS = ROOT / "helm" / "crds"
START_SECONDS = 60.0


class Engine(Closing):
    """Beat and workers over a cluster and a Redis that are there already."""

    def __init__(
        self,
        kubeconfig: Path,
        redis_url: str,
        *,
        workers: int = 2,
        beats: int = 1,
        flower: bool = False,
        concurrency: int = 2,
        namespace: str = "argocd",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start. `env` adds GITOPS_ settings. Raises TestbedError with a log's tail where a process does not start."""
        self._group = ProcessGroup("engine")
        self.directory = self._group.directory
        self.env = {
            "GITOPS_REDIS_URL": redis_url,
            "GITOPS_SEAL_KEY": secrets.token_hex(16),
            "GITOPS_KUBECONFIG": str(kubeconfig),
            "GITOPS_NAMESPACE": namespace,
            "GITOPS_DATA_DIR": str(self.directory / "data"),
            "GITOPS_CONCURRENCY": str(concurrency),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        self.workers = [f"worker-{n}" for n in range(workers)]
        self.beats = [f"beat-{n}" for n in range(beats)]
        #: By component: where beat and each worker serve their metrics.
        self.metrics_urls: dict[str, str] = {}
        self.flower_url = ""
        self.flower_password = secrets.token_hex(8)
        try:
            for beat in self.beats:
                self.start_beat(beat)
            for worker in self.workers:
                self.start_worker(worker)
            if flower:
                self._start_flower()
            for worker in self.workers:
                self.wait_worker(worker)
        except BaseException:
            self._group.close()
            raise

    def start_beat(self, name: str) -> None:
        """Start a beat."""
        self._start(name, ["beat", "beat", "--pidfile="], self._metrics(name))

    def start_worker(self, name: str) -> None:
        """Start a worker with the settings' own concurrency, and a disk of its own."""
        argv = ["workers", "worker", "-n", f"{name}@testbed", "--without-gossip", "--without-mingle"]
        self._start(name, argv, {"GITOPS_DATA_DIR": str(self.directory / name), **self._metrics(name)})

    def _metrics(self, name: str) -> dict[str, str]:
        port = free_port()
        self.metrics_urls[name] = f"http://127.0.0.1:{port}/metrics"
        return {"GITOPS_METRICS_HOST": "127.0.0.1", "GITOPS_METRICS_PORT": str(port)}

    def wait_worker(self, name: str) -> None:
        """Wait until a worker takes messages."""
        self._group.wait_ready(name, lambda: " ready." in self.log(name), START_SECONDS)

    def _start_flower(self) -> None:
        port = free_port()
        self.flower_url = f"http://127.0.0.1:{port}"
        argv = ["celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
        # With what failed tasks answered, which Flower does not show unless asked to.
        columns = "name,args,state,result,received,started,runtime,worker"
        env = {"FLOWER_BASIC_AUTH": f"admin:{self.flower_password}", "FLOWER_TASKS_COLUMNS": columns}
        self._start("flower", argv, env)

    def _start(self, name: str, argv: list[str], env: Mapping[str, str] | None = None) -> None:
        self._group.start(name, [sys.executable, "-m", *argv], {**self.env, **(env or {})}, cwd=ROOT)

    def kill(self, name: str) -> None:
        """SIGKILL a process and all that it started."""
        self._group.signal(name, signal.SIGKILL)
        self._group.stop(name, grace=0)

    def terminate(self, name: str, grace: float = 60.0) -> int | None:
        """SIGTERM a process, as Kubernetes does, and wait for its end. Returns its exit code."""
        self._group.signal(name, signal.SIGTERM)
        wait_until(lambda: self._group.exit_code(name) is not None, grace, f"the end of {name}")
        return self._group.exit_code(name)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process."""
        self._group.signal(name, number)

    def log(self, name: str) -> str:
        """What a process has said so far."""
        path = self._group.log(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self, name: str, lines: int = 40) -> str:
        """The last that a process said."""
        return self._group.log_tail(name, lines)

    @property
    def components(self) -> list[str]:
        return [*self.beats, *self.workers, *(["flower"] if self.flower_url else [])]

    def gitops(self, *args: str, check: bool = True) -> str:
        """Run the command line against this engine; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "gitops.cli", *args],
            env={**self.env, "PATH": "/usr/bin:/bin"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if check and done.returncode:
            raise AssertionError(f"gitops {' '.join(args)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout + ("" if check else done.stderr)

    def close(self) -> None:
        """End everything."""
        self._group.close()


def custom_resources() -> list[dict[str, object]]:
    """The CRDs of the chart."""
    return [doc for path in sorted(CRDS.glob("*.yaml")) for doc in yaml.safe_load_all(path.read_text()) if doc]
