"""A person looks for a failed sync, and finds it and its reason; and finds no secret on the way."""

from __future__ import annotations

import json

import httpx
import pytest
from playwright.sync_api import Browser, expect

from testbed.world import eventually

SECRET = "correct-horse-battery-staple"
FILES = {
    "app/secret.yaml": f"""
apiVersion: v1
kind: Secret
metadata: {{name: db}}
stringData: {{password: {SECRET}}}
""",
    "app/refused.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: Not_A_Name}
""",
}


@pytest.fixture(scope="module")
def failed(pages):
    """An Application whose sync the API server refuses."""
    pages.world.application("refused", pages.world.repo(FILES).http_url)

    def state():
        return (pages.world.app("refused").get("status") or {}).get("operationState") or {}

    eventually(lambda: state().get("phase") in ("Failed", "Error"), "the failed sync", context=pages.world.logs)
    return pages


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


def test_flower_finds_the_applications_tasks(browser: Browser, failed):
    engine = failed.world.engine

    assert httpx.get(f"{engine.flower_url}/tasks").status_code == 401
    context = browser.new_context(http_credentials={"username": "admin", "password": engine.flower_password})
    page = context.new_page()
    page.goto(f"{engine.flower_url}/tasks")
    page.locator("input[type=search]").fill("argocd/refused")
    row = page.locator("#tasks-table tbody tr").filter(has_text="gitops.diff").first
    page.goto(f"{engine.flower_url}/task/{row.get_attribute('id')}")
    expect(page.locator("body")).to_contain_text("argocd/refused")
    assert SECRET not in page.content()


def test_no_secret_is_on_any_page_of_flower_nor_in_its_api(failed):
    engine = failed.world.engine
    with httpx.Client(base_url=engine.flower_url, auth=("admin", engine.flower_password), timeout=10) as client:
        tasks = client.get("/api/tasks").json()
        assert tasks
        paths = ["/", "/workers", "/tasks", "/broker", "/api/workers?refresh=1", "/api/tasks", "/metrics"]
        paths += [f"/task/{task}" for task in tasks] + [f"/api/task/info/{task}" for task in tasks]
        known = [SECRET, engine.env["GITOPS_SEAL_KEY"], engine.flower_password]
        for path in paths:
            text = client.get(path).text
            for secret in known:
                assert secret not in text, path
    assert "argocd/refused" in json.dumps(tasks)
