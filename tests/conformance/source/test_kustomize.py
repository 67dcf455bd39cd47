"""The warm renderer, kubectl and kustomize give the same objects; the source's fields act as `kustomize edit`."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import GitOpsError
from gitops.model.application import Source
from gitops.source import BuildEnv, RemoteBase, RemoteFile, Renderer, RenderRequest
from gitops.source.render import yamlread

FILES = {
    "repo/base/kustomization.yaml": (
        "resources: [deployment.yaml, service.yaml]\ncommonAnnotations: {from: base}\n"
        "configMapGenerator:\n- {name: settings, files: [app.properties, renamed=other.txt], literals: [a=b]}\n"
        "- {name: env, envs: [settings.env]}\n"
    ),
    "repo/base/deployment.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n"
        "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n"
        "      containers:\n      - {name: web, image: nginx:1.20}\n      - {name: side, image: ghcr.io/org/side}\n"
        "      volumes: [{name: s, configMap: {name: settings}}]\n"
    ),
    "repo/base/service.yaml": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, on: yes}\n"
    ),
    "repo/base/app.properties": "mode=0644\n",
    "repo/base/other.txt": "two\nlines\n",
    "repo/base/settings.env": "X=1\nY=on\n",
    "repo/overlay/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\nnamePrefix: old-\n"
        "images:\n- {name: nginx, newTag: '1.21'}\n- {name: busybox, newTag: '1'}\n"
        "patches:\n- path: patch.yaml\n- target: {kind: Service}\n"
        "  patch: |-\n    - {op: add, path: /spec/type, value: NodePort}\n"
        "replacements: [{path: replacement.yaml}]\ntransformers: [transformer.yaml]\ncomponents: [../component]\n"
    ),
    "repo/overlay/patch.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {minReadySeconds: 5}\n"
    ),
    "repo/overlay/replacement.yaml": (
        "source: {kind: Deployment, fieldPath: spec.minReadySeconds}\n"
        "targets: [{select: {kind: Service}, fieldPaths: [metadata.annotations.seconds], options: {create: true}}]\n"
    ),
    "repo/overlay/transformer.yaml": (
        "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\npath: extra.yaml\n"
    ),
    "repo/overlay/extra.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {extra: here}}\n",
    "repo/component/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {component: 'yes'}}]\n"
    ),
    "repo/second/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [cm.yaml]\n"
    ),
    "repo/second/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: second}\n",
}
#: The source's fields -> the commands of Argo CD that they stand for.
EDITS: dict[str, tuple[dict[str, Any], list[list[str]]]] = {
    "nothing": ({}, []),
    "namePrefix replaces": ({"namePrefix": "new-"}, [["set", "nameprefix", "--", "new-"]]),
    "nameSuffix": ({"nameSuffix": "-v2"}, [["set", "namesuffix", "--", "-v2"]]),
    "namespace": ({"namespace": "prod"}, [["set", "namespace", "--", "prod"]]),
    "image tag": ({"images": ["nginx:1.27"]}, [["set", "image", "nginx:1.27"]]),
    "image name": (
        {"images": ["nginx=registry.example.com:5000/web:2", "ghcr.io/org/side=other"]},
        [["set", "image", "nginx=registry.example.com:5000/web:2", "ghcr.io/org/side=other"]],
    ),
    "image digest": (
        {"images": ["nginx@sha256:" + "0" * 64]}, [["set", "image", "nginx@sha256:" + "0" * 64]],
    ),
    "image keeps its tag": ({"images": ["nginx=other:*"]}, [["set", "image", "nginx=other:*"]]),
    "replicas": ({"replicas": [{"name": "web", "count": "4"}]}, [["set", "replicas", "web=4"]]),
    "labels": ({"commonLabels": {"team": "a"}}, [["add", "label", "team:a"]]),
    "labels without selector": (
        {"commonLabels": {"team": "a"}, "labelWithoutSelector": True},
        [["add", "label", "--without-selector", "team:a"]],
    ),
    "labels in templates": (
        {"commonLabels": {"team": "a"}, "labelWithoutSelector": True, "labelIncludeTemplates": True},
        [["add", "label", "--without-selector", "--include-templates", "team:a"]],
    ),
    "annotations": ({"commonAnnotations": {"note": "b"}}, [["add", "annotation", "note:b"]]),
    "components": ({"components": ["../second"]}, [["add", "component", "../second"]]),
}  # fmt: skip


def ours(renderer: Renderer, root: Path, path: str, **spec: Any) -> list[Any]:
    source = Source.model_validate({"repoURL": "x", "path": path, "kustomize": spec})
    return renderer.render(RenderRequest(root, path, source, env=BuildEnv(app_name="app"))).objects


def built(kustomize: Path, folder: Path, edits: list[list[str]]) -> list[Any]:
    for edit in edits:
        subprocess.run([kustomize, "edit", *edit], cwd=folder, check=True, capture_output=True)
    printed = subprocess.run([kustomize, "build", folder], check=True, capture_output=True).stdout
    return [d.value for d in yamlread.documents(printed)]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kustomize")
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root / "repo"


@pytest.mark.parametrize("what", EDITS)
def test_fields_are_kustomize_edit(
    renderer: Renderer, warm_renderer: Renderer, kustomize_binary: Path, repo: Path, tmp_path: Path, what: str
) -> None:
    spec, edits = EDITS[what]
    copy = Path(shutil.copytree(repo, tmp_path / "repo"))
    expected = built(kustomize_binary, copy / "overlay", edits)
    before = {p: p.read_bytes() for p in repo.rglob("*") if p.is_file()}
    assert ours(renderer, repo, "overlay", **spec) == expected
    assert ours(warm_renderer, repo, "overlay", **spec) == expected
    assert {p: p.read_bytes() for p in repo.rglob("*") if p.is_file()} == before


def test_patches_are_appended(renderer: Renderer, warm_renderer: Renderer, repo: Path) -> None:
    patches = [
        {"target": {"kind": "Deployment"}, "patch": "- {op: replace, path: /spec/replicas, value: 7}"},
        {"path": "extra.yaml"},
    ]
    objects = ours(renderer, repo, "overlay", patches=patches)
    assert objects == ours(warm_renderer, repo, "overlay", patches=patches)
    assert next(o for o in objects if o["kind"] == "Deployment")["spec"]["replicas"] == 7


def test_labels_that_are_there_already(renderer: Renderer, repo: Path) -> None:
    with pytest.raises(GitOpsError, match="forceCommonAnnotations"):
        ours(renderer, repo, "base", commonAnnotations={"from": "app"})
    objects = ours(renderer, repo, "base", commonAnnotations={"from": "app"}, forceCommonAnnotations=True)
    assert {o["metadata"]["annotations"]["from"] for o in objects} == {"app"}


def test_values_are_substituted(renderer: Renderer, repo: Path) -> None:
    objects = ours(
        renderer, repo, "base",
        images=["nginx:$ARGOCD_APP_NAME"], commonLabels={"app-is": "${ARGOCD_APP_NAME}"},
        commonAnnotations={"raw": "$X"},
    )  # fmt: skip
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:app"
    assert deployment["metadata"]["labels"]["app-is"] == "app"
    assert deployment["metadata"]["annotations"]["raw"] == "$X"


def test_a_missing_component(renderer: Renderer, repo: Path) -> None:
    with pytest.raises(GitOpsError, match=r"component \.\./none does not exist"):
        ours(renderer, repo, "base", components=["../none"])
    assert ours(renderer, repo, "base", components=["../none"], ignoreMissingComponents=True)


@dataclass
class Checked:
    """A checkout that is complete, and what was asked of it."""

    root: Path
    needed: list[str]

    def need(self, path: str) -> None:
        self.needed.append(path)


@pytest.mark.parametrize("which", ["renderer", "warm_renderer"])
def test_remote_bases_come_through_the_caller(
    request: pytest.FixtureRequest, which: str, repo: Path, tmp_path: Path
) -> None:
    renderer: Renderer = request.getfixturevalue(which)
    url = "https://git.example.com/org/bases.git//base?ref=v1"
    (tmp_path / "kustomization.yaml").write_text(f"resources: ['{url}']\nnamePrefix: far-\n")
    asked: list[RemoteBase] = []
    needed: list[str] = []

    def remote(base: RemoteBase) -> Checked:
        asked.append(base)
        return Checked(repo, needed)

    source = Source(repoURL="x", path=".")
    rendered = renderer.render(RenderRequest(tmp_path, ".", source), remote=remote)
    assert list(rendered.remotes) == asked
    assert "base/kustomization.yaml" in rendered.remotes[asked[0]]
    assert "base" in needed
    assert asked == [RemoteBase(url, "https://git.example.com/org/bases.git", "v1", "base")]
    assert "far-web" in [o["metadata"]["name"] for o in rendered.objects]
    with pytest.raises(GitOpsError, match="is not allowed here"):
        renderer.render(RenderRequest(tmp_path, ".", source))


@pytest.fixture
def far_files(tmp_path: Path) -> Iterator[str]:
    """The URL of a folder of files on a web server."""
    folder = tmp_path / "far"
    folder.mkdir()
    (folder / "service.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: far}\n")
    (folder / "patch.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: far, labels: {a: b}}\n")
    (folder / "app.conf").write_text("x=1\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_files_at_urls_are_what_kustomize_fetches(
    renderer: Renderer, warm_renderer: Renderer, kustomize_binary: Path, tmp_path: Path, far_files: str
) -> None:
    """Resources, patches and the files of generators; the render itself has no network, so the caller brings them."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "kustomization.yaml").write_text(
        f"resources: ['{far_files}/service.yaml']\npatches: [{{path: '{far_files}/patch.yaml'}}]\n"
        f"configMapGenerator: [{{name: a, files: ['{far_files}/app.conf']}}]\nnamePrefix: pre-\n"
    )
    expected = built(kustomize_binary, app, [])
    request = RenderRequest(tmp_path, "app", Source(repoURL="x", path="app"))
    for one in (renderer, warm_renderer):
        asked: list[str] = []

        def files(wanted: RemoteFile, asked: list[str] = asked) -> Path:
            asked.append(wanted.url)
            return tmp_path / "far" / wanted.url.rpartition("/")[2]

        assert one.render(request, files=files).objects == expected
        assert sorted(asked) == [f"{far_files}/{name}" for name in ("app.conf", "patch.yaml", "service.yaml")]
    with pytest.raises(GitOpsError, match=r"remote file .* is not fetched here"):
        renderer.render(request)


def test_a_lazy_checkout_is_asked_for_what_lies_outside_of_the_path(renderer: Renderer, repo: Path) -> None:
    asked: list[str] = []
    source = Source(repoURL="x", path="overlay")
    rendered = renderer.render(RenderRequest(repo, "overlay", source), asked.append)
    assert "base" in asked
    assert "component" in asked
    assert {"base/app.properties", "base/settings.env", "component/kustomization.yaml"} <= rendered.inputs
