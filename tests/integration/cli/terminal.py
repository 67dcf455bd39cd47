"""A `gitops up` as a person starts it, and another terminal beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops.cluster import ClusterClient
from gitops.model.objects import Manifest, Object, ObjectKey
from testbed.gitserver import GitServer
from testbed.world import eventually

ROOT = Path(__file__).parents[3]
PLAIN = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONUNBUFFERED": "1"}
NAMESPACE = "up"


@dataclass
class Up:
    """A `gitops up` that runs, and what it printed on how to go on."""

    process: subprocess.Popen[str]
    said: Path
    client: ClusterClient
    git: GitServer

    @property
    def text(self) -> str:
        return self.said.read_text()

    @property
    def exports(self) -> dict[str, str]:
        """The `export NAME=value` lines that it printed for another terminal."""
        return dict(re.findall(r"^ +export (\w+)=(\S+)$", self.text, re.MULTILINE))

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in "another terminal": with what was exported, and nothing else."""
        exports = {name: value.replace("$PATH", PLAIN["PATH"]) for name, value in self.exports.items()}
        env = {**PLAIN, **exports, "GITOPS_NAMESPACE": NAMESPACE}
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
        assert not check or done.returncode == 0, f"{argv}: {done.stderr}{done.stdout}"
        return done

    def gitops(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("gitops", *args, check=check)

    def application(self, name: str, files: dict[str, str]) -> Object:
        """An Application without automated sync, from a repository of its own."""
        repo = self.git.create(f"team/{name}")
        repo.publish(files, "first")
        spec: dict[str, Any] = {
            "project": "default",
            "source": {"repoURL": repo.http_url, "path": "app", "targetRevision": "HEAD"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
            "syncPolicy": {"syncOptions": ["CreateNamespace=true"]},
        }
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"team": "web"}}
        body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}
        return self.client.apply(Manifest.of(body))

    def app(self, name: str) -> Object:
        return self.client.get(ObjectKey("argoproj.io", "Application", NAMESPACE, name)) or {}

    def sync_status(self, name: str) -> str:
        return str(((self.app(name).get("status") or {}).get("sync") or {}).get("status"))


def start(said: Path, *args: str, **env: str) -> subprocess.Popen[str]:
    """Start `gitops up` in a process group of its own."""
    with said.open("w") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "gitops.cli", "up", *args],
            cwd=ROOT,
            env={**PLAIN, "GITOPS_REPO_PROTOCOLS": "https,ssh,http", **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def runs(process: subprocess.Popen[str], said: Path) -> None:
    """Wait until it says that it runs; fail with what it said where it ended instead."""

    def there() -> bool:
        assert process.poll() is None, said.read_text()
        return "Ctrl-C ends it all." in said.read_text()

    eventually(there, "gitops up", 90, said.read_text)


def end(process: subprocess.Popen[str]) -> int:
    """Ctrl-C."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.wait(60)
