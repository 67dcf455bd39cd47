"""`helmCharts` of a kustomization give what `kustomize build --enable-helm` gives; they are off unless switched on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import GitOpsError
from gitops.model.application import Source
from gitops.source import BuildEnv, ChartDependency, Renderer, RenderRequest
from gitops.source.render import yamlread

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\n",
    "values.yaml": "replicas: 1\nlabels: {a: chart, b: chart}\nlist: [1, 2]\ngone: here\n",
    "values-prod.yaml": "replicas: 2\nlabels: {b: prod}\n",
    "templates/cm.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-web', "
        "namespace: '{{ .Release.Namespace }}'}\ndata:\n  all: {{ toJson .Values | quote }}\n"
        "  kube: '{{ .Capabilities.KubeVersion }}'\n  api: '{{ .Capabilities.APIVersions.Has \"x.io/v1\" }}'\n"
    ),
    "templates/hook.yaml": (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n"
    ),
    "templates/test.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
    "crds/crd.yaml": (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: xs.x.io}\n"
    ),
}
#: What is beside the name in the entry of helmCharts.
ENTRIES: dict[str, str] = {
    "plain": "",
    "release": "releaseName: rel, namespace: space",
    "crds": "includeCRDs: true",
    "no-hooks": "skipHooks: true",
    "no-tests": "skipTests: true",
    "values-file": "valuesFile: mine.yaml",
    "inline-override": "valuesInline: {replicas: 7, labels: {a: inline}, list: [3], gone: null}",
    "inline-merge": "valuesInline: {replicas: 7, labels: {c: inline}, new: 1}, valuesMerge: merge",
    "inline-replace": "valuesInline: {replicas: 7}, valuesMerge: replace",
    "file-and-inline": "valuesFile: mine.yaml, valuesInline: {labels: {b: inline}}",
    "additional": "additionalValuesFiles: [mine.yaml, charts/web/values-prod.yaml]",
}
ON = "--enable-helm"


def write(root: Path, entry: str, *, generator: bool = False, chart: str = "app/charts/web") -> Path:
    files = {f"{chart}/{path}": content for path, content in CHART.items()}
    files["app/mine.yaml"] = "replicas: 5\nlabels: {a: mine}\n"
    files["app/cm.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n"
    files["app/kustomization.yaml"] = "resources: [cm.yaml]\nnamePrefix: pre-\ncommonLabels: {team: a}\n"
    if generator:
        files["app/kustomization.yaml"] += "generators: [chart.yaml]\n"
        files["app/chart.yaml"] = (
            "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: web\nreleaseName: rel\n"
        )
    else:
        files["app/kustomization.yaml"] += f"helmCharts: [{{name: web, {entry}}}]\n"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def ours(renderer: Renderer, root: Path, options: str = ON, **more: Any) -> list[Any]:
    request = RenderRequest(
        root, "app", Source(repoURL="x", path="app"), env=BuildEnv(app_name="app"), kustomize_build_options=options,
        kube_version="v1.33.0", api_versions=("x.io/v1",),
    )  # fmt: skip
    return renderer.render(request, **more).objects


def theirs(kustomize: Path, helm: Path, root: Path) -> list[Any]:
    command = [kustomize, "build", "--enable-helm", "--helm-command", helm, "--helm-kube-version", "v1.33.0",
               "--helm-api-versions", "x.io/v1", root / "app"]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, env={"HOME": str(root), "PATH": "/usr/bin:/bin"})
    return [d.value for d in yamlread.documents(done.stdout)]


def by_name(objects: list[Any]) -> list[Any]:
    return sorted(objects, key=lambda o: (o["kind"], o["metadata"]["name"]))


@pytest.mark.parametrize("what", ENTRIES)
def test_an_entry(
    renderer: Renderer, warm_renderer: Renderer, kustomize_binary: Path, helm_binary: Path, tmp_path: Path, what: str
) -> None:
    root = write(tmp_path, ENTRIES[what])
    expected = by_name(theirs(kustomize_binary, helm_binary, root))
    assert by_name(ours(renderer, root)) == expected
    assert by_name(ours(warm_renderer, root)) == expected


def test_a_generator(renderer: Renderer, kustomize_binary: Path, helm_binary: Path, tmp_path: Path) -> None:
    root = write(tmp_path, "", generator=True)
    assert by_name(ours(renderer, root)) == by_name(theirs(kustomize_binary, helm_binary, root))


@pytest.mark.parametrize("generator", [False, True])
def test_off_by_default(renderer: Renderer, tmp_path: Path, generator: bool) -> None:
    root = write(tmp_path, "", generator=generator)
    with pytest.raises(GitOpsError) as caught:
        ours(renderer, root, options="")
    assert str(caught.value) == (
        "app/kustomization.yaml: helmCharts are switched off, as they are by default; add --enable-helm to "
        "kustomize.buildOptions of argocd-cm, or use the chart as a source of its own"
    )


def test_a_chart_of_a_chart_repository_is_brought_by_the_caller(renderer: Renderer, tmp_path: Path) -> None:
    root = write(tmp_path, "repo: 'https://charts.example.com', version: ^1", chart="elsewhere")
    asked: list[ChartDependency] = []

    def charts(wanted: ChartDependency) -> Path:
        asked.append(wanted)
        return root / "elsewhere"

    assert "pre-release-name-web" in [o["metadata"]["name"] for o in ours(renderer, root, charts=charts)]
    assert asked == [ChartDependency("web", "^1", "https://charts.example.com")]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("chartHome: x, valuesFile: ../../secret.yaml", "leads out of the repository"),
        ("valuesFile: ../mine.yaml", "security; file"),
        ("valuesMerge: wrong", "valuesMerge is wrong"),
        ("valuesInline: 3", "valuesInline is not a map"),
        ("nameTemplate: x", "nameTemplate is not supported"),
        ("name: ../../../web", "leads out of the repository"),
        ("name: absent", "no repo is named"),
        ("name: [1]", "has no name"),
    ],
)
def test_what_is_refused(renderer: Renderer, tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(GitOpsError, match=message) as caught:
        ours(renderer, write(tmp_path, entry))
    assert "\n" not in str(caught.value)
