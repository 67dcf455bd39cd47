"""`manifest-generate-paths` decides where no render can tell what it depends on."""

from __future__ import annotations

from typing import Any

import pytest

from gitops.model.application import Application
from gitops.model.names import MANIFEST_GENERATE_PATHS
from gitops.reconcile.generate_paths import declared

FILE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (".", {"apps/a"}),
        (".;../common", {"apps/a", "apps/common"}),
        (" /lib ; ; sub/*.yaml", {"lib", "apps/a/sub"}),
        ("/", {"."}),
        ("/*/x", {"."}),
        ("../../..", set()),
        ("", set()),
    ],
)
def test_what_is_declared(text: str, paths: set[str]) -> None:
    metadata = {"name": "a", "namespace": "argocd", "annotations": {MANIFEST_GENERATE_PATHS: text}}
    app = Application.from_object({"metadata": metadata, "spec": {"source": {"repoURL": "x", "path": "apps/a"}}})
    assert declared(app, "apps/a") == paths


@pytest.mark.parametrize("how", ["revision", "nothing"])
def test_a_commit_outside_of_it_renders_nothing(desk: Any, repository: Any, how: str) -> None:
    """A render that holds the revision is made anew for each commit, unless the author says what it depends on."""
    repo = repository("app")
    repo.publish({"app/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n", "app/templates/a.yaml": FILE})
    parameter = {"name": "sha", "value": "$ARGOCD_APP_REVISION" if how == "revision" else "x"}
    source = {"repoURL": repo.http_url, "path": "app", "helm": {"parameters": [parameter]}}

    def renders(former: Any, **annotations: str) -> tuple[int, Any]:
        desk.renderer.paths.clear()
        desk.state.refs.expire(repo.http_url)
        made = desk.make("a", source, former, annotations=annotations)
        return len(desk.renderer.paths), made

    _, former = renders(None)
    repo.publish({"README.md": "1\n"})
    count, _ = renders(former)
    assert count == (1 if how == "revision" else 0)
    written = {MANIFEST_GENERATE_PATHS: ".;/lib"}
    _, former = renders(None, **written)
    repo.publish({"README.md": "2\n"})
    count, former = renders(former, **written)
    assert count == 0
    assert former.revisions == (repo.head,)
    repo.publish({"lib/x": "1\n"})
    assert renders(former, **written)[0] == 1
