"""What an end-to-end test arranges and looks at: Applications in a cluster, repositories, an engine of processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gitops.cluster import ClusterClient
from gitops.model.objects import Manifest, Object, ObjectKey
from testbed.controlplane import ControlPlane
from testbed.engine import Engine
from testbed.gitrepo import GitRepo
from testbed.gitserver import GitServer
from testbed.redis import RedisServer

DEADLINE = 60.0


def eventually(check: Callable[[], Any], what: str, timeout: float = DEADLINE, context: Callable[[], str] = str) -> Any:
    """Call `check` until its answer is true and return that; fail naming `what` when time is up."""
    deadline = time.monotonic() + timeout
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout:g} s\n{context()}")
        time.sleep(0.02)
    return answer


@dataclass
class World:
    """What a test arranges and looks at."""

    client: ClusterClient
    engine: Engine
    git: GitServer
    cluster: ControlPlane
    redis: RedisServer

    def repo(self, files: dict[str, str]) -> GitRepo:
        """A new repository with one commit."""
        repo = self.git.create(f"team/{secrets.token_hex(4)}")
        repo.publish(files, "first")
        return repo

    def application(self, name: str, repo_url: str, *, path: str = "app", **spec: Any) -> Object:
        """Create an Application, automated unless `syncPolicy` says otherwise, into a namespace of its name."""
        policy = {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": ["CreateNamespace=true"],
        }
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": repo_url, "path": path, "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
                "syncPolicy": policy,
                **spec,
            },
        }
        return self.client.apply(Manifest.of(body))

    def app(self, name: str) -> Object:
        return self.client.get(ObjectKey("argoproj.io", "Application", "argocd", name)) or {}

    def live(self, kind: str, namespace: str, name: str, group: str = "") -> Object | None:
        return self.client.get(ObjectKey(group, kind, namespace, name))

    def status(self, name: str) -> tuple[str, str]:
        """(sync, health) of an Application."""
        status = self.app(name).get("status") or {}
        return (status.get("sync") or {}).get("status", ""), (status.get("health") or {}).get("status", "")

    def becomes(self, name: str, sync: str = "Synced", health: str = "Healthy", timeout: float = DEADLINE) -> Object:
        """Wait for a status; returns the Application."""
        eventually(
            lambda: self.status(name) == (sync, health),
            f"{name} {sync} and {health}",
            timeout,
            lambda: f"status: {self.app(name).get('status')}\n{self.logs()}",
        )
        return self.app(name)

    def condition(self, name: str, kind: str, timeout: float = DEADLINE) -> str:
        """Wait for a condition of this type; returns its message."""

        def find() -> str:
            found = (self.app(name).get("status") or {}).get("conditions") or []
            return next((str(c["message"]) for c in found if c["type"] == kind), "")

        return str(eventually(find, f"{kind} of {name}", timeout, lambda: f"{self.app(name)}\n{self.logs()}"))

    def logs(self) -> str:
        return "\n".join(f"--- {c}\n{self.engine.log_tail(c)}" for c in self.engine.components)
