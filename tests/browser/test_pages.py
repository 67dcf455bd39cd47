"""A person looks for a failed sync, and finds it and its reason; and finds no secret on the way."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
import redis
from celery import Celery
from playwright.sync_api import Browser, expect

from testbed.world import eventually

SECRET = "correct-horse-battery-staple"
#: A number where Kubernetes wants a string: the API server quotes it in its refusal.
QUOTED = 7305512846619
GOOD = f"""
apiVersion: v1
kind: Secret
metadata: {{name: db}}
stringData: {{password: {SECRET}}}
"""
REFUSED = """
apiVersion: v1
kind: ConfigMap
metadata: {name: Not_A_Name}
"""
MISTYPED = f"""
apiVersion: v1
kind: Secret
metadata: {{name: mistyped}}
stringData: {{pin: {QUOTED}}}
"""
POLICY = {"automated": {}, "syncOptions": ["CreateNamespace=true"], "retry": {"limit": 0}}
APPLICATIONS = {
    "deployed": {"app/secret.yaml": GOOD},
    "refused": {"app/secret.yaml": GOOD, "app/refused.yaml": REFUSED},
    "mistyped": {"app/secret.yaml": MISTYPED},
}


@pytest.fixture(scope="module")
def failed(pages):
    """Applications with Secrets: one that is synced, and two that the API server refuses."""
    world = pages.world
    for name, files in APPLICATIONS.items():
        world.application(name, world.repo(files).http_url, syncPolicy=POLICY)

    def ended(name):
        state = (world.app(name).get("status") or {}).get("operationState") or {}
        return state.get("phase") in ("Succeeded", "Failed", "Error")

    for name in APPLICATIONS:
        eventually(lambda name=name: ended(name), f"the end of the sync of {name}", context=world.logs)
    return pages


@pytest.fixture(scope="module")
def flower(failed):
    """Flower's API."""
    engine = failed.world.engine
    with httpx.Client(base_url=engine.flower_url, auth=("admin", engine.flower_password), timeout=10) as client:
        yield client


def tasks_of(flower: httpx.Client, name: str) -> dict[str, str]:
    """The results of an application's tasks, by task id."""
    found = flower.get("/api/tasks", params={"limit": 1000}).json()
    return {uuid: task.get("result") or "" for uuid, task in found.items() if f"argocd/{name}" in json.dumps(task)}


def test_the_status_page_shows_the_failed_sync_and_its_reason(browser: Browser, failed):
    context = browser.new_context(http_credentials={"username": "me", "password": failed.token})
    page = context.new_page()
    page.goto(failed.web)
    page.get_by_label("Name, project, state or error").fill("refused")
    page.get_by_role("button", name="Search").click()
    row = page.get_by_role("row", name="argocd/refused")
    expect(row).to_contain_text("OutOfSync")
    expect(row).to_contain_text("Not_A_Name")
    assert SECRET not in page.content()


def test_flower_finds_the_applications_failed_task_and_its_reason(browser: Browser, failed, flower):
    engine = failed.world.engine
    eventually(lambda: any("Not_A_Name" in text for text in tasks_of(flower, "refused").values()), "the task's end")

    assert httpx.get(f"{engine.flower_url}/tasks").status_code == 401
    context = browser.new_context(http_credentials={"username": "admin", "password": engine.flower_password})
    page = context.new_page()
    page.goto(f"{engine.flower_url}/tasks")
    page.locator("input[type=search]").fill("argocd/refused")
    expect(page.locator("#tasks-table tbody")).to_contain_text("Not_A_Name")
    row = page.locator("#tasks-table tbody tr").filter(has_text="Not_A_Name").first
    page.goto(f"{engine.flower_url}/task/{row.get_attribute('id')}")
    expect(page.locator("body")).to_contain_text("argocd/refused")
    expect(page.locator("body")).to_contain_text("Failed: ")
    expect(page.locator("body")).to_contain_text("a lowercase RFC 1123 subdomain")
    assert SECRET not in page.content()


def test_flower_shows_how_an_operation_ended(flower):
    eventually(lambda: "'done: Succeeded'" in tasks_of(flower, "deployed").values(), "the outcome in Flower")


def test_the_secret_was_applied_and_nobody_shows_it(failed, flower):
    world, engine = failed.world, failed.world.engine
    live = world.live("Secret", "deployed", "db")
    assert base64.b64decode(live["data"]["password"]).decode() == SECRET

    known = [SECRET, base64.b64encode(SECRET.encode()).decode(), str(QUOTED)]
    known += [engine.env["GITOPS_SEAL_KEY"], engine.flower_password]
    tasks = flower.get("/api/tasks").json()
    assert "argocd/deployed" in json.dumps(tasks)
    paths = ["/", "/workers", "/tasks", "/broker", "/api/workers?refresh=1", "/api/tasks", "/metrics"]
    paths += [f"/task/{task}" for task in tasks] + [f"/api/task/info/{task}" for task in tasks]
    shown = {f"Flower {path}": flower.get(path).text for path in paths}
    shown |= {f"the log of {component}": engine.log(component) for component in engine.components}
    shown |= {f"the metrics of {name}": httpx.get(url).text for name, url in engine.metrics_urls.items()}
    shown |= {f"the Application {name}": json.dumps(world.app(name)) for name in APPLICATIONS}
    outcome = celery_client(engine.env["GITOPS_REDIS_URL"]).send_task(
        "gitops.sync", args=["deployed"], queue="apply-urgent"
    )
    assert outcome.get(timeout=60)["phase"] == "Succeeded"
    shown |= in_redis(engine.env["GITOPS_REDIS_URL"])
    assert any("celery-task-meta-" in place for place in shown), "a task's result rests in Redis"
    for place, text in shown.items():
        for secret in known:
            assert secret not in text, place


def celery_client(url: str) -> Celery:
    """Celery as another program would call a task of the engine."""
    client, options = Celery(broker=url, backend=url), {"global_keyprefix": "gitops:"}
    client.conf.broker_transport_options = {**options, "priority_steps": [0]}
    client.conf.result_backend_transport_options = options
    return client


def in_redis(url: str) -> dict[str, str]:
    """Everything that rests in Redis, by key."""
    client = redis.Redis.from_url(url)
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    found = {}
    for key in client.scan_iter(count=1000):
        kind = client.type(key)
        if kind in read:
            found[f"Redis {key.decode()}"] = repr(read[kind](key))
    return found
