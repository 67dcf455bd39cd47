"""A new commit of a monorepo: who asked for it sees it first, then those it touches, then the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gitops.model.credentials import RepositoryConfig
from gitops.reconcile.newcommit import PACE
from gitops.reconcile.refs import RefsReader
from gitops.source.git import Mirrors
from gitops.state import State

INTERVAL = 180.0
NAMES = ("asks", "same", "touched", "other", "appset")


def config_map(name: str, value: int) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n"


def waiting(state: State, queue: str) -> list[str]:
    """The applications whose messages wait in a queue."""
    messages = state.redis.lrange(state.keys.queue(queue), 0, -1)
    return sorted(orjson.loads(message)["headers"]["argsrepr"].strip("[]'\"(),") for message in messages)


def fleet_due(state: State) -> list[tuple[bytes, float]]:
    return state.redis.zrange(state.keys.due, 0, -1, withscores=True)


@pytest.fixture
def fleet(desk: Any, repository: Callable[[str], Any]) -> Any:
    """Applications that were fetched and follow one repository, and an ApplicationSet that generates from it."""
    repo = repository("mono")
    repo.publish({f"apps/{name}/cm.yaml": config_map(name, 1) for name in NAMES}, "first")
    for name in NAMES[:-1]:
        app = f"argocd/{name}"
        desired = desk.make(name, {"repoURL": repo.http_url, "path": f"apps/{name}", "targetRevision": "main"})
        desk.state.apps.put(app, {"metadata": {"name": name, "namespace": "argocd", "resourceVersion": "1"}})
        desk.state.apps.set_desired(app, desired)
        desk.state.apps.link(app, {repo.http_url})
        desk.state.due.add(app, time.time() + INTERVAL)
    desk.state.apps.link("appset:argocd/sets", {repo.http_url})
    return repo


def look(desk: Any, url: str, app: str, check: Callable[[], None] = lambda: None) -> None:
    """One application's look at a repository, and what follows from it."""
    mirrors = Mirrors(desk.disk / "git", RepositoryConfig(), bounds=desk.bounds)
    refs = RefsReader(desk.state, INTERVAL, "test")
    desk.state.refs.expire(url)
    with refs.telling():
        mirrors.ensure(url, refs.get(mirrors, url, app).require("main"))
        check()


def test_those_whose_files_a_commit_touches_look_at_once_and_the_others_in_their_turn(desk: Any, fleet: Any) -> None:
    state = desk.state
    fleet.publish({"apps/asks/cm.yaml": config_map("asks", 2), "apps/touched/cm.yaml": config_map("touched", 2)}, "two")

    def nobody_yet() -> None:
        assert sum(state.queue.depths().values()) == 0, "the one who asked is not done with his own"

    begun = time.time()
    look(desk, fleet.http_url, "argocd/asks", nobody_yet)
    assert waiting(state, "fetch-urgent") == ["argocd/touched"]
    assert waiting(state, "fetch") == []
    assert waiting(state, "generate-urgent") == ["appset:argocd/sets"]
    due = {app.decode(): at - begun for app, at in fleet_due(state)}
    turns = sorted(due[app] for app in ("argocd/other", "argocd/same"))
    assert turns[1] - turns[0] == pytest.approx(1 / PACE)
    assert due["argocd/asks"] > turns[1] + 1, "he has looked, and looks again when he is due"


def test_a_look_that_finds_nothing_new_tells_nobody(desk: Any, fleet: Any) -> None:
    look(desk, fleet.http_url, "argocd/asks")
    assert sum(desk.state.queue.depths().values()) == 0


def test_a_commit_that_cannot_be_compared_with_the_last_one_is_everybodys(desk: Any, fleet: Any, tmp_path: Any) -> None:
    """A worker with an empty disk knows the new commit only."""
    fleet.publish({"apps/asks/cm.yaml": config_map("asks", 2)}, "two")
    desk.disk = tmp_path / "another"
    look(desk, fleet.http_url, "argocd/asks")
    assert waiting(desk.state, "fetch-urgent") == ["argocd/other", "argocd/same", "argocd/touched"]


def test_an_application_that_is_no_more_is_forgotten_among_the_users(desk: Any, fleet: Any) -> None:
    desk.state.apps.forget("argocd/touched")
    fleet.publish({"apps/touched/cm.yaml": config_map("touched", 2)}, "two")
    look(desk, fleet.http_url, "argocd/asks")
    assert waiting(desk.state, "fetch-urgent") == []
    assert "argocd/touched" not in desk.state.apps.users(fleet.http_url)
