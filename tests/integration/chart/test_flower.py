"""Flower as the chart starts it: closed, for reading only, and with what it knew before a restart."""

from __future__ import annotations

import httpx
import pytest

from testbed.world import eventually

pytestmark = pytest.mark.cluster

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n"
PAGES = ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks", "/api/queues/length"]


@pytest.fixture(scope="module")
def release(install, chart_git):
    found = install(namespaces=("flower-target",))
    # Flower comes first: it knows what it has seen.
    for component in ("flower", "worker-default", "beat"):
        found.start(component)
    repo = chart_git.create("flower")
    repo.publish({"app/settings.yaml": SETTINGS}, "first")
    found.application("watched", repo.http_url, "flower-target")
    found.becomes("watched")
    return found


@pytest.fixture
def flower(release):
    return release.pods.pods[0]


@pytest.fixture
def person(release, flower):
    """One who knows the password."""
    user, _, password = release.secret("flower-basic-auth").partition(":")
    with httpx.Client(base_url=flower.url("", "http"), auth=(user, password), timeout=20) as client:
        yield client


def tasks_of(person, app):
    """The ids of an application's tasks, as a search for its name finds them."""
    found = person.get("/api/tasks", params={"limit": 1000}).raise_for_status().json()
    return {uuid for uuid, task in found.items() if app in (task.get("args") or "") + (task.get("kwargs") or "")}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("auth", [None, ("admin", "guessed"), ("admin", "")])
def test_nobody_sees_a_page_without_the_password(flower, path, auth):
    assert httpx.get(flower.url(path, "http"), auth=auth).status_code == 401


def test_an_application_is_found_by_its_name(release, person):
    eventually(lambda: tasks_of(person, f"{release.namespace}/watched"), "its tasks", context=release.pods.logs)
    page = person.get("/tasks/datatable", params=search(f"{release.namespace}/watched")).json()
    assert page["recordsFiltered"] > 0
    assert all(f"{release.namespace}/watched" in str(row) for row in page["data"])
    assert person.get("/tasks/datatable", params=search("no-such-name")).json()["recordsFiltered"] == 0


def search(words):
    """What the page of tasks asks when a person searches."""
    return {
        "draw": 1,
        "start": 0,
        "length": 50,
        "search[value]": words,
        "order[0][column]": 0,
        "order[0][dir]": "desc",
        "columns[0][data]": "name",
    }


def test_nothing_can_be_changed_through_it(release, person):
    worker = next(iter(person.get("/api/workers", params={"refresh": "1"}).json()))
    commands = [f"worker/shutdown/{worker}", f"worker/pool/restart/{worker}", "task/async-apply/gitops.sync"]
    for path in [f"/api/{command}" for command in commands]:
        assert person.post(path, json={"args": []}).status_code in (401, 403, 405)
    assert release.pods.running(release.pods.pods[1])


def test_it_remembers_after_a_restart(release, person, flower):
    eventually(lambda: tasks_of(person, f"{release.namespace}/watched"), "its tasks")
    before = tasks_of(person, f"{release.namespace}/watched")
    release.pods.restart(flower)
    assert before <= tasks_of(person, f"{release.namespace}/watched")


def test_with_an_identity_provider_everybody_is_sent_there(install):
    oauth = {"provider": "github", "allow": ".*@team[.]example", "redirectURI": "https://x/login"}
    secret = {"client-id": "the-id", "client-secret": "the-secret"}
    found = install({"flower": {"oauth": {**oauth, "existingSecret": "oauth"}}}, secrets={"oauth": secret})
    flower = found.start("flower")
    for path in ("/", "/tasks", "/workers"):
        answer = httpx.get(flower.url(path, "http"))
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/login")
    assert httpx.get(flower.url("/api/tasks", "http")).status_code in (302, 401)
    login = httpx.get(flower.url("/login", "http"))
    assert login.headers["location"].startswith("https://github.com/login/oauth/authorize")
