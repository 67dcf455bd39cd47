"""A comparison follows a fetch until one has come to its end, however often the worker dies in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops.cluster import ClusterClient
from gitops.errors import SyncError
from gitops.model.objects import Manifest, ObjectKey
from gitops.reconcile import Engine
from gitops.settings import Settings
from gitops.state import Entry, State
from gitops.state.locks import CLUSTER, SOURCE
from gitops.state.queue import DIFF, FETCH
from testbed.controlplane import ControlPlane
from testbed.gitrepo import GitRepo
from testbed.gitserver import GitServer

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n"


class Steps:
    """The steps of a task, made by hand in this process."""

    def __init__(self, engine: Engine, app: str) -> None:
        self.engine, self.app = engine, app

    def fetch(self) -> bool:
        """Whether a comparison is to follow."""
        self._under(SOURCE, FETCH, self.engine.fetch)
        return self.engine.follow

    def compare(self) -> None:
        self._under(CLUSTER, DIFF, self.engine.compare)

    def _under(self, lane: str, task: str, step: Callable[[Entry], None]) -> None:
        self.engine.follow = False
        state = self.engine.state
        entry = state.enter(lane, self.app, worker="here", message_id=task, task=task, queued=False)
        assert entry
        step(entry)
        state.leave(entry.lock, worker="here", message_id=task, done=True)


@pytest.fixture
def repo(git_server: GitServer, namespace: str) -> GitRepo:
    made = git_server.create(f"followed/{namespace}")
    made.publish({"app/settings.yaml": SETTINGS}, "first")
    return made


@pytest.fixture
def steps(
    prepared: ClusterClient, control_plane: ControlPlane, redis_url: str, repo: GitRepo, namespace: str, tmp_path: Path
) -> Iterator[Steps]:
    source = {"repoURL": repo.http_url, "path": "app", "targetRevision": "main"}
    spec = {"project": "default", "source": source, "destination": {"name": "in-cluster", "namespace": namespace}}
    meta = {"name": "followed", "namespace": namespace}
    obj = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": meta, "spec": spec}
    prepared.apply(Manifest.of(obj))
    options: dict[str, Any] = {"repo_protocols": "http", "kubeconfig": control_plane.kubeconfig, "poll_interval": 0.01}
    settings = Settings(redis_url=redis_url, seal_key="of the test", namespace=namespace, data_dir=tmp_path, **options)
    engine = Engine.build(settings, State(settings), lambda *_, **__: None)
    engine.renderer.start()
    try:
        yield Steps(engine, f"{namespace}/followed")
    finally:
        engine.renderer.close()


def test_until_it_has_been_compared(steps: Steps) -> None:
    assert steps.fetch()
    assert steps.fetch(), "a worker that dies after its fetch leaves the comparison to the next"
    steps.compare()
    assert not steps.fetch()


def test_until_a_revision_that_changes_no_object_is_in_the_status(steps: Steps, repo: GitRepo) -> None:
    steps.fetch()
    steps.compare()
    sha = repo.publish({"README.md": "nothing of the application"}, "second")
    assert steps.fetch()
    assert steps.fetch()
    steps.compare()
    assert steps.engine.application(steps.app)["status"]["sync"]["revision"] == sha
    assert not steps.fetch()


def test_until_everything_is_read_that_a_comparison_which_failed_did_not_read(
    steps: Steps, prepared: ClusterClient, namespace: str
) -> None:
    state, key = steps.engine.state, ObjectKey("argoproj.io", "Application", *steps.app.split("/"))
    live = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace}}
    prepared.apply(Manifest.of(live))
    steps.fetch()
    steps.compare()
    assert state.apps.flags(steps.app).full > time.time()
    # What it is compared by changes, and the next comparison cannot be made.
    state.due.add(steps.app, time.time())
    state.due.stale({steps.app: time.time()})
    rule = {"group": "", "kind": "ConfigMap", "jqPathExpressions": [".data["]}
    state.apps.put(steps.app, prepared.merge_patch(key, {"spec": {"ignoreDifferences": [rule]}}))
    steps.fetch()
    steps.compare()
    conditions = steps.engine.application(steps.app)["status"]["conditions"]
    assert [c["type"] for c in conditions] == ["ComparisonError"]
    assert state.apps.flags(steps.app).full == 0.0
    state.apps.put(steps.app, prepared.merge_patch(key, {"spec": {"ignoreDifferences": None}}))
    steps.fetch()
    steps.compare()
    assert state.apps.flags(steps.app).full > time.time()


def test_a_refresh_that_is_asked_for_while_another_one_ends_is_taken_away(
    steps: Steps, prepared: ClusterClient
) -> None:
    key = ObjectKey("argoproj.io", "Application", *steps.app.split("/"))
    asked = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    for _ in range(2):
        steps.engine.state.apps.put(steps.app, prepared.merge_patch(key, asked))
        assert steps.fetch()
        steps.compare()
        assert "annotations" not in (prepared.get(key) or {})["metadata"]


def test_a_status_that_is_written_meanwhile_refuses_no_person_a_sync(
    steps: Steps, prepared: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ObjectKey("argoproj.io", "Application", *steps.app.split("/"))
    control = steps.engine.clusters.control
    patch, written = control.merge_patch, []

    def after_another(*args: Any, **options: Any) -> Any:
        if not written:
            written.append(prepared.merge_patch(key, {"status": {"health": {"status": "Progressing"}}}))
        return patch(*args, **options)

    monkeypatch.setattr(control, "merge_patch", after_another)
    steps.engine.request_sync(steps.app, by="anna")
    app = prepared.get(key)
    assert app
    assert written
    assert app["operation"]["initiatedBy"] == {"username": "anna"}
    with pytest.raises(SyncError, match="is in progress"):
        steps.engine.request_sync(steps.app, by="bert")
