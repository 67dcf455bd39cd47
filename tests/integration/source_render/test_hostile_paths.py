"""A repository that reaches out of itself is refused, whatever the field that names the way."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hostile import CHART, CONFIG_MAP, Render, fails, outside, write

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.mark.parametrize("target", ["../secret.yaml", "/etc/passwd", "/proc/self/environ"])
def test_a_symlink_out_of_the_repository(render: Render, tmp_path: Path, target: str) -> None:
    repo = outside(tmp_path)
    (repo / "link.yaml").symlink_to(target)
    fails(render, repo, match=r"link\.yaml is a symlink that leads out of the repository")


def test_a_folder_that_is_a_symlink_out_of_the_repository(render: Render, tmp_path: Path) -> None:
    repo = outside(tmp_path)
    (repo / "app").symlink_to("..")
    fails(render, repo, "app", match="leads out of the repository")


def test_a_symlink_in_a_chart(render: Render, tmp_path: Path) -> None:
    repo = write(outside(tmp_path), {"Chart.yaml": CHART, "values.yaml": "", "templates/a.yaml": CONFIG_MAP})
    (repo / "templates" / "b.yaml").symlink_to("../../secret.yaml")
    fails(render, repo, match=r"b\.yaml is a symlink that leads out")


def test_a_symlink_in_kustomize(render: Render, tmp_path: Path) -> None:
    repo = write(outside(tmp_path), {"kustomization.yaml": "resources: [a.yaml]\n"})
    (repo / "a.yaml").symlink_to("../secret.yaml")
    fails(render, repo, match="leads out of the repository")


@pytest.mark.parametrize(
    "kustomization",
    [
        "resources: [../secret.yaml]",
        "resources: [../]",
        "bases: [../..]",
        "components: [../../x]",
        "configMapGenerator: [{name: a, files: [../secret.yaml]}]",
        "configMapGenerator: [{name: a, files: [x=/etc/passwd]}]",
        "secretGenerator: [{name: a, envs: [../secret.yaml]}]",
        "patches: [{path: ../secret.yaml}]",
        "patchesStrategicMerge: [../secret.yaml]",
        "crds: [../secret.yaml]",
        "openapi: {path: ../secret.yaml}",
        "replacements: [{path: ../secret.yaml}]",
        "transformers: [../secret.yaml]",
    ],
)
def test_kustomize_reads_nothing_outside(render: Render, tmp_path: Path, kustomization: str) -> None:
    repo = write(outside(tmp_path), {"kustomization.yaml": kustomization})
    fails(render, repo, match="leads out of the repository|absolute path")


def test_a_file_of_another_folder_is_refused_as_kustomize_does(render: Render, tmp_path: Path) -> None:
    repo = write(tmp_path, {"app/kustomization.yaml": "resources: [../other/a.yaml]\n", "other/a.yaml": CONFIG_MAP})
    fails(render, repo, "app", match="security; file .* is not in or below")


@pytest.mark.parametrize("path", ["..", "../", "a/../../x", "/etc", "../secret.yaml"])
def test_dots_in_the_path(render: Render, tmp_path: Path, path: str) -> None:
    fails(render, outside(tmp_path), path, match=r"leads out of the repository|outside of the repository")


@pytest.mark.parametrize(
    "helm",
    [
        {"valueFiles": ["../secret.yaml"]},
        {"valueFiles": ["/../secret.yaml"]},
        {"valueFiles": ["$other/../secret.yaml"]},
        {"valueFiles": ["a/../../*.yaml"]},
        {"fileParameters": [{"name": "x", "path": "../secret.yaml"}]},
    ],
)
def test_dots_in_value_files(render: Render, tmp_path: Path, helm: dict[str, object]) -> None:
    repo = write(outside(tmp_path), {"Chart.yaml": CHART, "templates/a.yaml": CONFIG_MAP})
    fails(render, repo, helm=helm, refs={"other": repo}, match="leads out of the repository")


def test_remote_value_files_and_bases_are_not_fetched(render: Render, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.yaml"
        server.settimeout(0.1)
        chart = write(tmp_path / "chart", {"Chart.yaml": CHART})
        fails(render, chart, helm={"valueFiles": [url]}, match="remote file")
        for number, field in enumerate(("resources", "patchesStrategicMerge", "crds", "components")):
            folder = write(tmp_path / str(number), {"kustomization.yaml": f"{field}: ['{url}']\n"})
            fails(render, folder, match="remote")
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_dependency_outside(render: Render, tmp_path: Path) -> None:
    chart = CHART + "dependencies: [{name: x, version: 1.0.0, repository: 'file://../../x'}]\n"
    fails(render, write(outside(tmp_path), {"Chart.yaml": chart}), match="leads out of the repository")


def test_jsonnet_imports(render: Render, tmp_path: Path) -> None:
    for number, wanted in enumerate(("../secret.yaml", "/etc/passwd")):
        repo = write(outside(tmp_path / str(number)), {"a.jsonnet": f"importstr '{wanted}'"})
        fails(render, repo, match="leads out of the repository|absolute path")
    repo = write(outside(tmp_path / "libs"), {"a.jsonnet": "import 'x.libsonnet'"})
    fails(render, repo, directory={"jsonnet": {"libs": ["../"]}}, match="leads out of the repository")


def test_git_itself_is_no_source(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {".git/config": "[remote]\nurl = https://user:pass@example.com\n", "kustomization.yaml":
        "configMapGenerator: [{name: a, files: [.git/config]}]\n"})  # fmt: skip
    fails(render, tmp_path, match=r"is inside \.git")
