"""A new commit of a monorepo: who asked for it sees it first, then those it touches, then the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gitops.errors import RepositoryError, RevisionError
from gitops.model.credentials import RepositoryConfig
from gitops.reconcile.newcommit import PACE
from gitops.reconcile.refs import RefsReader, Waiting
from gitops.source.git import Mirrors, Refs
from gitops.state import State
from gitops.state.queue import Rank
from testbed.gitrepo import git

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


def look(
    desk: Any,
    url: str,
    app: str,
    check: Callable[[], None] = lambda: None,
    *,
    wanted: str = "main",
    made: Callable[..., Mirrors] = Mirrors,
) -> str:
    """One application's look at a repository after a push, and what follows from it; the commit that it found."""
    mirrors = made(desk.disk / "git", RepositoryConfig(), bounds=desk.bounds)
    refs = RefsReader(desk.state, INTERVAL, "test")
    desk.state.refs.expire(url)
    with refs.telling():
        revision = refs.get(mirrors, url, app, wanted).require("main")
        mirrors.ensure(url, revision)
        check()
    return revision


@pytest.mark.parametrize("wanted", ["", "main", "HEAD", "refs/heads/main"])
def test_those_whose_files_a_commit_touches_look_at_once_and_the_others_in_their_turn(
    desk: Any, fleet: Any, wanted: str
) -> None:
    state = desk.state
    sha = fleet.publish(
        {"apps/asks/cm.yaml": config_map("asks", 2), "apps/touched/cm.yaml": config_map("touched", 2)}, "two"
    )

    def nobody_yet() -> None:
        assert sum(state.queue.depths().values()) == 0, "the one who asked is not done with his own"

    begun = time.time()
    assert look(desk, fleet.http_url, "argocd/asks", nobody_yet, wanted=wanted) == sha
    assert waiting(state, "fetch-urgent") == ["argocd/touched"]
    assert waiting(state, "fetch") == []
    assert waiting(state, "generate-urgent") == ["appset:argocd/sets"]
    due = {app.decode(): at - begun for app, at in fleet_due(state)}
    turns = sorted(due[app] for app in ("argocd/other", "argocd/same"))
    assert turns[1] - turns[0] == pytest.approx(1 / PACE, abs=0.01)
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


class Held(Mirrors):
    """Mirrors whose list of refs comes when the test lets it."""

    fetched, listed = threading.Event(), threading.Event()
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def fetch_tip(self, url: str, branch: str) -> str:
        sha = super().fetch_tip(url, branch)
        self.fetched.set()
        return sha

    def refs(self, url: str) -> Refs:
        assert self.fetched.wait(10)
        assert self.listed.wait(10)
        self.meanwhile()
        return super().refs(url)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> type[Held]:
    for name in ("fetched", "listed"):
        monkeypatch.setattr(Held, name, threading.Event())
    return Held


def test_a_pushed_commit_is_there_before_the_list_of_all_refs(desk: Any, fleet: Any, held: type[Held]) -> None:
    sha = fleet.publish({"apps/touched/cm.yaml": config_map("touched", 2)}, "two")

    def known_alone() -> None:
        mirrors = Mirrors(desk.disk / "git", RepositoryConfig(), bounds=desk.bounds)
        assert mirrors.tree_ids(fleet.http_url, sha, ["apps"])["apps"]
        with pytest.raises(Waiting):
            RefsReader(desk.state, INTERVAL, "another").get(mirrors, fleet.http_url, "argocd/other", "main")
        asked = RefsReader(desk.state, INTERVAL, "a third", rank=Rank.PERSON)
        for _ in range(2):
            with pytest.raises(Waiting):
                asked.get(mirrors, fleet.http_url, "argocd/asked", "main")
            asked.rank = Rank.POLL
        held.listed.set()

    assert look(desk, fleet.http_url, "argocd/asks", known_alone, made=held) == sha
    assert sorted(waiting(desk.state, "fetch-urgent")) == ["argocd/asked", "argocd/touched"], "as urgent as it was"
    assert waiting(desk.state, "fetch") == ["argocd/other"], "the list of refs has come, for whoever waited for it"


def test_a_push_between_the_commit_and_the_list_is_looked_at_next(
    desk: Any, fleet: Any, held: type[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = fleet.publish({"apps/asks/cm.yaml": config_map("asks", 2)}, "two")
    monkeypatch.setattr(
        held, "meanwhile", staticmethod(lambda: fleet.publish({"apps/asks/cm.yaml": config_map("asks", 3)}, "three"))
    )
    assert look(desk, fleet.http_url, "argocd/asks", held.listed.set, made=held) == sha
    assert "argocd/asks" in waiting(desk.state, "fetch-urgent")
    assert look(desk, fleet.http_url, "argocd/asks") == fleet.head


def test_a_list_that_fails_takes_nothing_from_the_commit_that_came(
    desk: Any, fleet: Any, held: type[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = fleet.publish({"apps/asks/cm.yaml": config_map("asks", 2)}, "two")

    def broken() -> None:
        raise RepositoryError("the server is gone")

    monkeypatch.setattr(held, "meanwhile", staticmethod(broken))
    assert look(desk, fleet.http_url, "argocd/asks", held.listed.set, made=held) == sha
    assert desk.state.refs.get(fleet.http_url).error == "the server is gone"


def test_a_branch_that_is_gone_is_said_by_the_list(desk: Any, fleet: Any) -> None:
    fleet.publish({"a": "1"}, "two")
    git("branch", "--move", "main", "trunk", cwd=fleet.bare)
    with pytest.raises(RevisionError, match="unable to resolve 'main'"):
        look(desk, fleet.http_url, "argocd/asks")


def test_two_sources_of_one_repository_see_one_look(desk: Any, fleet: Any, git_server: Any) -> None:
    sha = fleet.publish({"apps/asks/cm.yaml": config_map("asks", 2)}, "two")
    fleet.tag("v2")
    git_server.reset_counts()
    sources = [
        {"repoURL": fleet.http_url, "path": "apps/asks", "targetRevision": revision} for revision in ("main", "v2")
    ]
    desk.state.refs.expire(fleet.http_url)
    desired = desk.make("asks", sources)
    assert desired.revisions == (sha, sha)
    # Where the branch is, its commit, and the list of all refs.
    assert git_server.counts(fleet.name) == {"git-upload-pack": 3}


def test_a_look_that_ends_before_one_could_ask_to_be_told_is_no_look_to_wait_for(
    desk: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one stores its look and gives the lease back right after it was found to be taken."""
    other = RefsReader(desk.state, INTERVAL, "the other")
    mine = RefsReader(desk.state, INTERVAL, "mine")
    mirrors = Mirrors(desk.disk / "git", RepositoryConfig(), bounds=desk.bounds)
    desk.state.refs.expire(fleet.http_url)
    lease = desk.state.refs.lease

    def taken(url: str, owner: str, ttl: float) -> bool:
        monkeypatch.setattr(desk.state.refs, "lease", lease)
        other.get(mirrors, fleet.http_url, "argocd/other")
        return False

    monkeypatch.setattr(desk.state.refs, "lease", taken)
    assert mine.get(mirrors, fleet.http_url, "argocd/asks").resolve("main")
    assert desk.state.redis.exists(desk.state.keys.waiting(fleet.http_url)) == 0
