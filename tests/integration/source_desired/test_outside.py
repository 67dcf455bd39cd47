"""What goes into a render from outside of its repository is pinned in the outcome, and followed when it moves."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gitops.errors import RepositoryError
from gitops.state.due import JOINED, UNCHANGED, Tracked

LOOK_AND_FETCH = {"git-upload-pack": 2}
#: A worker without anything of a repository leaves it to Git, which asks the server what it can first.
CLONE = {"info/refs git-upload-pack": 1, "git-upload-pack": 1}
CHART = "apiVersion: v2\nname: web\nversion: 0.1.0\n"


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


@pytest.fixture
def pages() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The URL of a web server, and what it serves by path."""
    served: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", served
    server.shutdown()
    server.server_close()


# --- remote bases ---


def bases(repository: Any) -> tuple[Any, Any]:
    """A repository of bases (an overlay of a base beside it), and one with an application on its branch `stable`."""
    far, near = repository("far"), repository("near")
    far.write(
        {
            "overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: far-\n",
            "base/kustomization.yaml": "resources: [cm.yaml]\n",
            "base/cm.yaml": config_map("one"),
        }
    )
    far.commit()
    far.push()
    far.branch("stable")
    far.push()
    near.publish({"app/kustomization.yaml": f"resources: ['{far.http_url}//overlay?ref=stable']\n"})
    return far, near


def test_a_branch_of_a_remote_base_that_moves_is_found_by_the_look_that_all_share(
    desk: Any, repository: Any, git_server: Any
) -> None:
    far, near = bases(repository)
    source = {"repoURL": near.http_url, "path": "app"}
    first, other = desk.make("a", source), desk.make("b", source)
    assert desk.names(first) == ["far-one"]
    assert Tracked(far.http_url, "stable", far.head) in first.tracked

    # A commit that nothing of it reads renders nothing.
    far.publish({"README.md": "x\n"})
    desk.state.refs.expire(far.http_url)
    desk.renderer.paths.clear()
    git_server.reset_counts()
    same = desk.make("a", source, first)
    assert same.artifact == first.artifact
    assert Tracked(far.http_url, "stable", far.head) in same.tracked
    assert desk.renderer.paths == []

    # One that changes the base beside the overlay renders both applications; the first to look looks for both.
    far.publish({"base/cm.yaml": config_map("two")})
    desk.state.refs.expire(far.http_url)
    git_server.reset_counts()
    second = desk.make("a", source, same)
    assert desk.names(second) == ["far-two"]
    assert desk.names(desk.make("b", source, other)) == ["far-two"]
    assert len(desk.renderer.paths) >= 2
    assert git_server.counts(far.name) == LOOK_AND_FETCH
    assert git_server.counts(near.name) == {}


def test_a_claim_of_a_due_time_sees_that_a_remote_base_has_moved(desk: Any, repository: Any) -> None:
    far, near = bases(repository)
    desired = desk.make("a", {"repoURL": near.http_url, "path": "app"})
    desk.state.apps.put("argocd/a", {"metadata": {"name": "a", "namespace": "argocd", "resourceVersion": "1"}})
    desk.state.apps.set_fields("argocd/a", spec="s", done="s", full="99999999999")
    desk.state.apps.link("argocd/a", {t.url for t in desired.tracked})
    assert "argocd/a" in desk.state.apps.users(far.http_url)

    def claim() -> int:
        desk.state.due.add("argocd/a", 1000.0, at_once=True)
        return int(desk.state.due.claim("argocd/a", 1001.0, desired.tracked))

    assert claim() == UNCHANGED
    far.publish({"base/cm.yaml": config_map("two")})
    desk.state.refs.expire(far.http_url)
    # Another application's look is the one that finds it, and it sends for everyone who uses the repository.
    desk.make("b", {"repoURL": near.http_url, "path": "app"})
    assert claim() == JOINED


def test_a_remote_base_by_commit_is_never_looked_up(desk: Any, repository: Any, git_server: Any) -> None:
    far, near = bases(repository)
    near.publish({"app/kustomization.yaml": f"resources: ['{far.http_url}//overlay?ref={far.head}']\n"})
    git_server.reset_counts()
    desired = desk.make("a", {"repoURL": near.http_url, "path": "app"})
    assert desk.names(desired) == ["far-one"]
    assert git_server.counts(far.name) == CLONE
    assert [t.url for t in desired.tracked] == [near.http_url]


# --- charts by version range ---


def archive(version: str) -> bytes:
    out = io.BytesIO()
    files = {"Chart.yaml": f"apiVersion: v2\nname: lib\nversion: {version}\n", "templates/a.yaml": config_map("lib")}
    files["templates/a.yaml"] += f"data: {{version: '{version}'}}\n"
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as packed:
        for name, text in files.items():
            info = tarfile.TarInfo(f"lib/{name}")
            info.size = len(text)
            packed.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def publish(served: dict[str, bytes], *versions: str) -> None:
    entries = [{"version": version, "urls": [f"lib-{version}.tgz"]} for version in versions]
    served["/index.yaml"] = json.dumps({"entries": {"lib": entries}}).encode()
    served.update({f"/lib-{version}.tgz": archive(version) for version in versions})


@pytest.mark.parametrize("how", ["dependency", "kustomization"])
def test_a_chart_by_range_follows_its_repository(
    desk: Any, repository: Any, pages: tuple[str, dict[str, bytes]], how: str
) -> None:
    url, served = pages
    publish(served, "1.0.0")
    files = {"app/Chart.yaml": CHART + f"dependencies: [{{name: lib, version: ^1, repository: '{url}'}}]\n"}
    if how == "kustomization":
        files = {"app/kustomization.yaml": f"helmCharts: [{{name: lib, version: ^1, repo: '{url}'}}]\n"}
        desk.settings["kustomize.buildOptions"] = "--enable-helm"
    repo = repository("app")
    repo.publish(files)
    source = {"repoURL": repo.http_url, "path": "app"}
    first = desk.make("a", source)
    assert desk.make("a", source, first).artifact == first.artifact
    publish(served, "1.0.0", "1.1.0", "2.0.0")
    second = desk.make("a", source, first)
    assert second.artifact != first.artifact
    assert [o.revision for o in second.outside] == ["1.1.0"]


# --- files at URLs ---


def values(desk: Any, repository: Any, url: str) -> dict[str, Any]:
    repo = repository("app")
    repo.publish({"app/Chart.yaml": CHART, "app/templates/a.yaml": config_map("'{{ .Values.name }}'")})
    return {"repoURL": repo.http_url, "path": "app", "helm": {"valueFiles": [url]}}


def test_a_value_file_at_a_url_is_followed(desk: Any, repository: Any, pages: tuple[str, dict[str, bytes]]) -> None:
    url, served = pages
    served["/env/prod.yaml"] = b"name: one\n"
    source = values(desk, repository, url + "/env/prod.yaml")
    first = desk.make("a", source)
    assert desk.names(first) == ["one"]
    assert desk.make("a", source, first).artifact == first.artifact
    served["/env/prod.yaml"] = b"name: two\n"
    second = desk.make("a", source, first)
    assert desk.names(second) == ["two"]
    # The outcome before is still what it was: an address means one content.
    assert desk.names(first) == ["one"]
    # What cannot be looked at leaves what is rendered in place; a new render needs it.
    del served["/env/prod.yaml"]
    assert desk.make("a", source, second).artifact == second.artifact
    with pytest.raises(RepositoryError, match="the server answered 404"):
        desk.make("a", source, second, hard=True)


def test_schemes_of_value_files_are_the_operators(
    desk: Any, repository: Any, pages: tuple[str, dict[str, bytes]]
) -> None:
    url, served = pages
    served["/v.yaml"] = b"name: one\n"
    source = values(desk, repository, url + "/v.yaml")
    first = desk.make("a", source)
    desk.settings["helm.valuesFileSchemes"] = "https"
    with pytest.raises(Exception, match=r"scheme http, which is not permitted; permitted are https"):
        desk.make("a", source, first)
