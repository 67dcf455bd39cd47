"""What we render from a chart is what `helm template` prints: the same objects after YAML parsing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import GitOpsError, InvalidSpecError
from gitops.model.application import Source
from gitops.source import BuildEnv, RemoteFile, Renderer, RenderRequest
from gitops.source.render import yamlread

sys.path.insert(0, str(Path(__file__).parent))
from charts import CHARTS, write

KUBE = "v1.35.0"
FROM_CONFORMANCE = [
    "cases/helm", "cases/helm-api-versions", "cases/helm-glob-values", "cases/helm-guestbook",
    "cases/helm-kube-version",
    "cases/helm-namespace", "cases/helm-with-dependencies", "cases/helm3-crd", "example-apps/apps",
    "example-apps/blue-green", "example-apps/helm-dependency", "example-apps/helm-guestbook",
]  # fmt: skip


def helm(binary: Path, chart: Path, home: Path, *arguments: str) -> list[Any] | None:
    """The objects that the binary prints; None where it fails."""
    command = [binary, "template", "release", chart, "--namespace", "space", "--include-crds", *arguments]
    done = subprocess.run(command, capture_output=True, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, check=False)
    return None if done.returncode else [d.value for d in yamlread.documents(done.stdout)]


def ours(renderer: Renderer, root: Path, path: str, kube: str = KUBE, **spec: Any) -> list[Any] | None:
    source = Source.model_validate({"repoURL": "x", "path": path, "helm": {"releaseName": "release", **spec}})
    request = RenderRequest(root, path, source, env=BuildEnv(app_name="app", namespace="space"), kube_version=kube)
    try:
        return renderer.render(request).objects
    except GitOpsError as error:
        return None if "\n" not in str(error) else pytest.fail("an error of more than one line")


def same(a: list[Any] | None, b: list[Any] | None) -> bool:
    """Equal but for their order, which the sync decides anew."""
    return (a is None) == (b is None) and sorted(map(repr, map(_sorted, a or []))) == sorted(
        map(repr, map(_sorted, b or []))
    )


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _sorted(value[key])) for key in sorted(value)]
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("charts"))


@pytest.mark.parametrize("name", CHARTS)
def test_chart(renderer: Renderer, helm_binary: Path, charts: Path, tmp_path: Path, name: str) -> None:
    expected = helm(helm_binary, charts / name, tmp_path, "--kube-version", KUBE)
    assert same(expected, ours(renderer, charts, name))
    assert (expected is None) == (name in ("failing", "required", "alone"))


@pytest.mark.parametrize("path", FROM_CONFORMANCE)
def test_conformance_chart(renderer: Renderer, helm_binary: Path, conformance: Path, tmp_path: Path, path: str) -> None:
    expected = helm(helm_binary, conformance / path, tmp_path, "--kube-version", KUBE)
    found = ours(renderer, conformance, path)
    if path == "cases/helm-api-versions":
        # Each binary brings the list of its own time; ours is told the destination cluster's.
        assert [o["kind"] for o in found or []] == [o["kind"] for o in expected or []]
    else:
        assert same(expected, found)


def parameters(*pairs: str) -> dict[str, Any]:
    return {"parameters": [dict(zip(("name", "value"), pair.split("=", 1), strict=True)) for pair in pairs]}


def sets(*pairs: str) -> list[str]:
    return [part for pair in pairs for part in ("--set", pair)]


NUMBERS = ("big=2000000", "uid=1000660000", "list={1000000,2,x}", "env[0].value=5000000", "nested.a.b=7", "t=true",
           "z=007", "more[1]=9", "n=null", "e=")  # fmt: skip
OPTIONS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "numbers keep their type": ("numbers", parameters(*NUMBERS), sets(*NUMBERS)),
    "a comma is a part of the value": ("numbers", parameters("big=a,b"), sets(r"big=a\,b")),
    "forced strings": (
        "numbers",
        {"parameters": [{"name": "big", "value": "2000000", "forceString": True}]},
        ["--set-string", "big=2000000"],
    ),
    "a schema refuses": ("schema", parameters("n=11"), sets("n=11")),
    "a schema is passed over": (
        "schema", {**parameters("n=11"), "skipSchemaValidation": True}, [*sets("n=11"), "--skip-schema-validation"],
    ),
    "nulls take defaults away": ("nulls", {"valueFiles": ["over.yaml"]}, ["-f", "{chart}/over.yaml"]),
    "a null parameter": ("nulls", parameters("a.b=null"), sets("a.b=null")),
    "a file parameter": (
        "numbers", {"fileParameters": [{"name": "text", "path": "Chart.yaml"}]},
        ["--set-file", "text={chart}/Chart.yaml"],
    ),
    "a subchart's values": (
        "subcharts",
        parameters("store.port=6000000", "global.env=dev"),
        sets("store.port=6000000", "global.env=dev"),
    ),
    "conditions and tags": (
        "subcharts", parameters("db.enabled=false", "idle.enabled=true", "tags.fast=false"),
        sets("db.enabled=false", "idle.enabled=true", "tags.fast=false"),
    ),
    "api versions": (
        "capabilities", {"apiVersions": ["example.com/v1/Thing"]}, ["--api-versions", "example.com/v1/Thing"],
    ),
    "another namespace": ("tpl", {"namespace": "other"}, ["--namespace", "other"]),
    "tests left out": ("hooks", {"skipTests": True}, ["--skip-tests"]),
}  # fmt: skip


@pytest.mark.parametrize("what", OPTIONS)
def test_options(renderer: Renderer, helm_binary: Path, charts: Path, tmp_path: Path, what: str) -> None:
    name, spec, arguments = OPTIONS[what]
    given = [a.replace("{chart}", str(charts / name)) for a in arguments]
    expected = helm(helm_binary, charts / name, tmp_path, "--kube-version", KUBE, *given)
    assert same(expected, ours(renderer, charts, name, **spec))


def test_a_chart_that_needs_a_newer_cluster(
    renderer: Renderer, helm_binary: Path, charts: Path, tmp_path: Path
) -> None:
    assert helm(helm_binary, charts / "capabilities", tmp_path, "--kube-version", "v1.19.0") is None
    assert ours(renderer, charts, "capabilities", kube="v1.19.0") is None


def test_values_win_over_files_and_parameters_over_values(renderer: Renderer, charts: Path) -> None:
    objects = ours(
        renderer, charts, "nulls",
        valueFiles=["over.yaml"], values="a: {c: 3, x: 1}", parameters=[{"name": "a.x", "value": "$ARGOCD_APP_NAME"}],
    )  # fmt: skip
    assert objects is not None
    assert yamlread.load(objects[0]["data"]["all"].encode())["a"] == {"c": 3, "x": "app"}
    objects = ours(renderer, charts, "nulls", values="a: {c: 3}", valuesObject={"a": {"c": 4}})
    assert objects is not None
    assert yamlread.load(objects[0]["data"]["all"].encode())["a"] == {"b": 1, "c": 4}


@pytest.mark.parametrize("version", ["^1", "1.x", "1.2.3", ">=1.0.0 <1.2", "9.9", "", "nonsense"])
def test_a_dependency_beside_the_chart_fits_its_version(
    renderer: Renderer, helm_binary: Path, tmp_path: Path, version: str
) -> None:
    """As `helm dependency build`: the chart at a file:// repository must be of the version that is asked for."""
    entry = f"dependencies: [{{name: lib, version: '{version}', repository: 'file://../lib'}}]\n"
    files = {
        "lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.2.3\n",
        "lib/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lib}\n",
        "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n" + entry,
        "app/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\n",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    rendered = ours(renderer, tmp_path, "app")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [helm_binary, "dependency", "build", tmp_path / "app"]
    built = subprocess.run(command, env=env, capture_output=True, check=False)
    assert (rendered is None) == (built.returncode != 0)
    if rendered is not None:
        assert same(rendered, helm(helm_binary, tmp_path / "app", tmp_path))


def test_value_files_at_urls(renderer: Renderer, charts: Path, tmp_path: Path) -> None:
    """They are brought by the caller, come in their place among the others, and only by a permitted scheme."""
    (tmp_path / "prod.yaml").write_text("greeting: from afar\n")
    asked: list[str] = []

    def files(wanted: RemoteFile) -> Path:
        asked.append(wanted.url)
        return tmp_path / "prod.yaml"

    def greeting(*names: str, **more: Any) -> str:
        spec = {"repoURL": "x", "path": "tpl", "helm": {"valueFiles": names}}
        request = RenderRequest(charts, "tpl", Source.model_validate(spec), env=BuildEnv(app_name="app"), **more)
        return str(renderer.render(request, files=files).objects[0]["data"])

    url = "https://values.example.com/prod.yaml"
    assert "from afar" in greeting(url.replace("prod", "$ARGOCD_APP_NAME"))
    assert asked == ["https://values.example.com/app.yaml"]
    assert "from afar" not in greeting(url, "values.yaml")
    with pytest.raises(InvalidSpecError, match=r"scheme https, which is not permitted; .*helm\.valuesFileSchemes"):
        greeting(url, value_file_schemes=("s3",))
    with pytest.raises(InvalidSpecError, match="scheme ftp, which is not permitted"):
        greeting("ftp://values.example.com/prod.yaml")
    assert len(asked) == 2
