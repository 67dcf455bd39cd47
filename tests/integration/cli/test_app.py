"""`gitops app …` and the ad hoc task, in another terminal than `gitops up`, with what it said to export."""

from __future__ import annotations

import json

import pytest
import yaml
from terminal import Up

from gitops.model.objects import ObjectKey
from testbed.world import eventually

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""
#: Never ready by itself: it waits for an address that nobody gives.
GATE = """
apiVersion: v1
kind: Service
metadata: {name: gate, annotations: {testbed.gitops/pending: "true"}}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
"""


@pytest.fixture(scope="module")
def shop(up: Up) -> str:
    """An Application that was looked at and not synced."""
    up.application("shop", {"app/settings.yaml": SETTINGS})
    eventually(lambda: up.sync_status("shop") == "OutOfSync", "shop OutOfSync", 30, lambda: str(up.app("shop")))
    return "shop"


def test_list(up: Up, shop: str) -> None:
    table = up.gitops("app", "list").stdout.splitlines()
    assert table[0].split()[:2] == ["NAME", "CLUSTER"]
    assert any(line.startswith(f"up/{shop} ") for line in table)
    assert "REPO" in up.gitops("app", "list", "-o", "wide").stdout
    assert [a["metadata"]["name"] for a in json.loads(up.gitops("app", "list", "-l", "team=web", "-o", "json").stdout)]
    assert yaml.safe_load(up.gitops("app", "list", "-l", "team=none", "-o", "yaml").stdout) == []
    assert yaml.safe_load(up.gitops("app", "list", "--project", "other", "-o", "yaml").stdout) == []


def test_get(up: Up, shop: str) -> None:
    said = up.gitops("app", "get", shop).stdout
    assert "Sync Status:" in said
    assert "settings" in said
    assert json.loads(up.gitops("app", "get", f"up/{shop}", "-o", "json").stdout)["metadata"]["name"] == shop


def test_diff_then_sync_then_wait(up: Up, shop: str) -> None:
    differs = up.gitops("app", "diff", shop, check=False)
    assert differs.returncode == 1
    assert "colour: blue" in differs.stdout
    waited = up.gitops("app", "wait", shop, "--sync", "--timeout", "1", check=False)
    assert waited.returncode == 1
    assert "timed out after 1 seconds" in waited.stderr
    assert up.client.get(ObjectKey("", "ConfigMap", shop, "settings")) is None

    done = json.loads(up.gitops("app", "sync", shop, "-o", "json").stdout)
    assert done["status"]["operationState"]["phase"] == "Succeeded"
    assert up.client.get(ObjectKey("", "ConfigMap", shop, "settings"))
    up.gitops("app", "wait", shop, "--sync", "--health", "--timeout", "60")
    assert up.gitops("app", "diff", shop).stdout == ""


def test_a_sync_that_cannot_succeed_ends_with_1_and_one_sentence(up: Up) -> None:
    up.application("refused", {"app/bad.yaml": "apiVersion: example.org/v1\nkind: Gizmo\nmetadata: {name: x}\n"})
    done = up.gitops("app", "sync", "refused", check=False)
    assert done.returncode == 1
    assert "Gizmo" in done.stderr
    assert "Traceback" not in done.stderr


def test_wait_tells_what_is_missing(up: Up) -> None:
    up.application("gated", {"app/gate.yaml": GATE})
    up.gitops("app", "sync", "gated", "--async")
    done = up.gitops("app", "wait", "gated", "--health", "--timeout", "3", check=False)
    assert done.returncode == 1
    assert "gated (" in done.stderr


def test_an_application_that_is_not_there_is_said(up: Up) -> None:
    for command in ("get", "sync", "diff", "wait"):
        done = up.gitops("app", command, "nobody", check=False)
        assert done.returncode == 1
        assert "Application up/nobody does not exist" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_ad_hoc_task_from_python_and_from_celerys_own_command(up: Up) -> None:
    up.application("called", {"app/settings.yaml": SETTINGS})
    program = "from workers import sync; print(sync.delay('called').get(timeout=60))"
    said = up.run("python", "-c", program).stdout
    assert "'phase': 'Succeeded'" in said
    assert up.client.get(ObjectKey("", "ConfigMap", "called", "settings"))

    up.client.delete(ObjectKey("", "ConfigMap", "called", "settings"))
    up.run("celery", "-A", "workers", "call", "gitops.sync", '--args=["called"]')
    eventually(lambda: up.client.get(ObjectKey("", "ConfigMap", "called", "settings")), "the ConfigMap's return", 60)
