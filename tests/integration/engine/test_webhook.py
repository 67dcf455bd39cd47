"""A push that a provider tells of arrives at once, with `gitops web` as a process beside beat and workers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gitops.model.objects import Manifest, ObjectKey
from testbed.engine import ROOT
from testbed.processes import free_port
from testbed.world import World, eventually

KEY = secrets.token_hex(16)
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: COLOUR}
"""


@pytest.fixture(scope="module")
def web(world: World) -> Iterator[str]:
    """`gitops web`, and the webhook's secret where Argo CD has it."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd-secret", "namespace": "argocd"},
        "stringData": {"webhook.github.secret": KEY},
    }
    world.client.apply(Manifest.of(secret))
    port = free_port()
    env = {**os.environ, **world.engine.env, "GITOPS_WEB_PORT": str(port), "GITOPS_WEB_TOKEN": "unused"}
    process = subprocess.Popen([sys.executable, "-m", "gitops.cli", "web"], env=env, cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url), "the web server")
        yield url
    finally:
        process.terminate()
        process.wait(30)
        world.client.delete(ObjectKey("", "Secret", "argocd", "argocd-secret"))


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def push(url: str, repo_url: str, sha: str, changed: list[str], key: str = KEY) -> httpx.Response:
    """GitHub's message about one commit on the default branch."""
    event: dict[str, Any] = {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": sha,
        "commits": [{"id": sha, "added": [], "removed": [], "modified": changed}],
        "head_commit": {"id": sha, "added": [], "removed": [], "modified": changed},
        "repository": {"html_url": repo_url, "default_branch": "main"},
    }
    body = json.dumps(event).encode()
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": secrets.token_hex(16),
        "X-Hub-Signature-256": f"sha256={signature}",
        "Content-Type": "application/json",
    }
    return httpx.post(f"{url}/api/webhook", content=body, headers=headers, timeout=10)


def test_a_signed_push_makes_the_commit_arrive(world: World, web: str) -> None:
    repo = world.repo({"app/settings.yaml": SETTINGS.replace("COLOUR", "blue")})
    world.application("pushed", repo.http_url)
    world.becomes("pushed")
    repo.write({"app/settings.yaml": SETTINGS.replace("COLOUR", "red")})
    sha = repo.commit("second")
    repo.push()

    forged = push(web, repo.http_url, sha, ["app/settings.yaml"], key="another key")
    assert forged.status_code in (400, 401, 403)
    told = push(web, repo.http_url, sha, ["app/settings.yaml"])
    assert told.is_success, told.text

    # The poll interval is minutes, so polling cannot be what brings it.
    def colour() -> str:
        live = world.live("ConfigMap", "pushed", "settings") or {}
        return str(live["data"]["colour"])

    eventually(lambda: colour() == "red", "the pushed commit", context=world.logs)
    eventually(lambda: world.app("pushed")["status"]["sync"]["revision"] == sha, "its revision", context=world.logs)
