"""`gitops web` as a process: what it refuses, what it starts, what it counts, and what it shows to whom."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gitops.model.objects import Manifest, ObjectKey
from testbed.engine import ROOT
from testbed.processes import free_port
from testbed.world import World, eventually

KEY = secrets.token_hex(16)
TOKEN = secrets.token_hex(16)
LARGEST = 20_000
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: COLOUR}
"""


@dataclass
class Web:
    """One web server."""

    url: str
    metrics: str
    process: subprocess.Popen[bytes]

    def push(self, body: bytes, key: str = KEY, **headers: str) -> httpx.Response:
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        given = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}", **headers}
        return httpx.post(f"{self.url}/api/webhook", content=body, headers=given, timeout=10)

    def count(self, metric: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(httpx.get(self.metrics, timeout=10).text)
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        )


def commit(url: str, sha: str, *changed: str, **more: Any) -> bytes:
    """GitHub's message about one commit on the default branch."""
    event = {
        "ref": "refs/heads/main",
        "after": sha,
        "commits": [{"id": sha, "added": [], "removed": [], "modified": list(changed)}],
        "repository": {"html_url": url, "default_branch": "main"},
        **more,
    }
    return json.dumps(event).encode()


def serve(world: World, **env: str) -> Web:
    port, metrics = free_port(), free_port()
    given = {
        **os.environ,
        **world.engine.env,
        "GITOPS_WEB_PORT": str(port),
        "GITOPS_METRICS_HOST": "127.0.0.1",
        "GITOPS_METRICS_PORT": str(metrics),
        "GITOPS_WEBHOOK_MAX_BYTES": str(LARGEST),
        **env,
    }
    process = subprocess.Popen([sys.executable, "-m", "gitops.cli", "web"], env=given, cwd=ROOT)
    return Web(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics", process)


def ready(web: Web) -> bool:
    try:
        return httpx.get(f"{web.url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def webs(observed: World) -> Iterator[tuple[Web, Web, Web]]:
    """Two web servers with a token for readers, and one that nobody configured."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd-secret", "namespace": "argocd"},
        "stringData": {"webhook.github.secret": KEY},
    }
    observed.client.apply(Manifest.of(secret))
    found = (
        serve(observed, GITOPS_WEB_TOKEN=TOKEN),
        serve(observed, GITOPS_WEB_TOKEN=TOKEN),
        serve(observed, GITOPS_WEBHOOK_RATE="0.5"),
    )
    try:
        for web in found:
            eventually(lambda web=web: ready(web), "the web server")
        yield found
    finally:
        for web in found:
            web.process.terminate()
        for web in found:
            web.process.wait(30)
        observed.client.delete(ObjectKey("", "Secret", "argocd", "argocd-secret"))


def test_a_push_refreshes_what_it_touches_and_nothing_else(observed: World, webs: tuple[Web, ...], lines: Any) -> None:
    web = webs[0]
    repo = observed.repo({f"{name}/settings.yaml": SETTINGS.replace("COLOUR", "blue") for name in ("one", "two")})
    for name in ("one", "two"):
        observed.application(name, repo.http_url, path=name)
        observed.becomes(name)
    other = observed.repo({"app/settings.yaml": SETTINGS})
    observed.application("three", other.http_url)
    observed.becomes("three")

    def ended(name: str) -> bool:
        return any(line["event"] == "diff" for line in lines(f"argocd/{name}"))

    for name in ("two", "three"):
        eventually(lambda name=name: ended(name), f"the end of what {name} began with")
    seen = len(lines("argocd/two"))

    def looks(name: str) -> int:
        return sum(line["event"] == "fetch" for line in lines(f"argocd/{name}"))

    looked = looks("three")
    repo.write({"one/settings.yaml": SETTINGS.replace("COLOUR", "red")})
    sha = repo.commit("second")
    repo.push()
    told = web.push(commit(repo.http_url, sha, "one/settings.yaml"))
    assert told.json() == {"applications": 1}, told.text
    eventually(
        lambda: (observed.live("ConfigMap", "one", "settings") or {})["data"]["colour"] == "red", "the pushed commit"
    )
    assert web.count("argocd_webhook_requests_total", repo=repo.http_url) == 1
    # The one that shares the repository hears of the new commit from who looked, and renders nothing: its path is not
    # in it. Of the third nobody spoke.
    assert "rendered" not in [line["event"] for line in lines("argocd/two")[seen:]]
    assert looks("three") == looked


def test_a_replay_is_refused_by_every_web_server(observed: World, webs: tuple[Web, ...]) -> None:
    body = commit("https://git.example/team/replayed", "a" * 40)
    assert webs[0].push(body).status_code == 200
    for web in webs[:2]:
        again = web.push(body, **{"X-GitHub-Delivery": secrets.token_hex(8)})
        assert again.status_code == 409
        assert web.count("gitops_webhook_refused_total", provider="github", reason="replay") == 1


def test_what_is_forged_too_large_or_too_much_is_refused_and_counted(webs: tuple[Web, ...]) -> None:
    web, _, narrow = webs
    body = commit("https://git.example/team/shop", "b" * 40)
    assert web.push(body, key="another").status_code == 401
    assert web.push(commit("https://git.example/team/shop", "c" * 40, padding="x" * LARGEST)).status_code == 413
    unknown = httpx.post(f"{web.url}/api/webhook", json={}, timeout=10)
    assert unknown.status_code == 400
    for reason in ("signature", "size", "unknown"):
        assert web.count("gitops_webhook_refused_total", reason=reason) == 1
    # Bursts may hold ten times the rate: five, of which most are refused for their signature, and then none is read.
    answers = [narrow.push(body, key="another").status_code for _ in range(12)]
    assert set(answers) == {401, 429}
    assert answers[-1] == 429
    assert narrow.count("gitops_webhook_refused_total", reason="flood") == answers.count(429)


def test_the_read_api_is_closed_and_shows_no_secret(observed: World, webs: tuple[Web, ...]) -> None:
    web, _, unconfigured = webs
    repo = observed.repo({"app/settings.yaml": SETTINGS})
    observed.application(
        "shown",
        repo.http_url,
        source={
            "repoURL": repo.http_url,
            "path": "app",
            "helm": {"parameters": [{"name": "db.password", "value": "hunter2-the-parameter"}]},
        },
    )
    paths = ("/", "/api/v1/applications", "/api/v1/applications/argocd/shown")
    for path in paths:
        assert httpx.get(web.url + path, timeout=10).status_code == 401
        for header in ("Bearer -", "Basic Og=="):
            refused = httpx.get(unconfigured.url + path, headers={"Authorization": header}, timeout=10)
            assert refused.status_code == 401, "closed where nobody said who may enter"
        shown = eventually(
            lambda path=path: (
                (
                    found := httpx.get(web.url + path, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
                ).status_code
                == 200
                and "shown" in found.text
                and found
            ),
            f"the Application at {path}",
        )
        for secret in ("hunter2", observed.engine.env["GITOPS_SEAL_KEY"], KEY, TOKEN):
            assert secret not in shown.text
    for path in ("/metrics", "/docs", "/openapi.json"):
        assert httpx.get(web.url + path, timeout=10).status_code == 404
    assert "hunter2" not in httpx.get(web.metrics, timeout=10).text
