"""Files that are odd, and files of the repository that speak about the source itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitops.errors import InvalidSpecError

sys.path.insert(0, str(Path(__file__).parent))
from hostile import CHART, CONFIG_MAP, Render, fails, write

pytestmark = pytest.mark.usefixtures("unharmed")


def test_file_names_with_newlines(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a\nb.yaml": CONFIG_MAP + "x: [", "ok.yaml": CONFIG_MAP})
    assert len(render(tmp_path).objects) == 1
    write(tmp_path / "k", {"kustomization.yaml": 'resources: ["a\\nb.yaml"]', "a\nb.yaml": CONFIG_MAP})
    fails(render, tmp_path, "k", match="kustomize")
    write(tmp_path / "c", {"Chart.yaml": CHART, "templates/x\ny.yaml": CONFIG_MAP})
    assert "\n" not in render(tmp_path, "c").origins[0]


def test_file_names_that_are_no_text(render: Render, tmp_path: Path) -> None:
    """Within the application's own path they are names like others; what lies outside is remembered by its name."""
    odd = Path(os.fsdecode(b"caf\xe9.yaml"))
    write(tmp_path, {f"app/{odd}": CONFIG_MAP, f"shared/{odd}": CONFIG_MAP, "file/b.yaml": CONFIG_MAP})
    assert len(render(tmp_path, "app").objects) == 1
    (tmp_path / "file" / "a.yaml").symlink_to(f"../shared/{odd}")
    fails(render, tmp_path, "file", match=r"file/a\.yaml leads to shared/caf.*\.yaml, a name that is not UTF-8")
    write(tmp_path, {"folder/Chart.yaml": CHART, "values/Chart.yaml": CHART, "values/templates/a.yaml": CONFIG_MAP})
    (tmp_path / "folder" / "templates").symlink_to("../shared")
    fails(render, tmp_path, "folder", match="not UTF-8")
    refs = {"other": tmp_path / "shared"}
    fails(render, tmp_path, "values", helm={"valueFiles": ["$other/*.yaml"]}, refs=refs, match="not UTF-8")


def test_a_file_that_may_not_be_read_is_named(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"app/a.yaml": CONFIG_MAP, "chart/Chart.yaml": CHART, "chart/templates/a.yaml": CONFIG_MAP})
    for folder, name in (("app", "app/a.yaml"), ("chart", "chart/templates/a.yaml"), ("chart", "chart/templates")):
        (tmp_path / name).chmod(0)
        error = fails(render, tmp_path, folder, match=rf"^{name} cannot be read: Permission denied$")
        assert str(tmp_path) not in str(error)
        (tmp_path / name).chmod(0o700)


def test_a_named_pipe_does_not_hold_the_render(render: Render, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    rendered = render(tmp_path)
    assert rendered.objects == []
    assert "not a file" in rendered.warnings[0]
    write(tmp_path / "k", {"kustomization.yaml": "resources: [a.yaml]"})
    os.mkfifo(tmp_path / "k" / "a.yaml")
    fails(render, tmp_path, "k", match="does not exist|not a file")


def test_overrides_cannot_choose_another_repository(render: Render, tmp_path: Path) -> None:
    override = (
        "repoURL: https://evil.example.com\npath: ../other\nchart: evil\ntargetRevision: evil\n"
        "directory: {recurse: true}\n"
    )
    write(tmp_path, {".argocd-source.yaml": override, "sub/a.yaml": CONFIG_MAP})
    rendered = render(tmp_path)
    assert len(rendered.objects) == 1
    assert rendered.source.repo_url == "https://git.example.com/r.git"
    assert (rendered.source.path, rendered.source.chart, rendered.source.target_revision) == (".", "", "")
    write(tmp_path, {".argocd-source.yaml": "helm: {parameters: 1}"})
    with pytest.raises(InvalidSpecError, match="argocd-source"):
        render(tmp_path)


def test_a_plugin_is_never_the_repositorys_choice(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {".argocd-source.yaml": "plugin: {name: sh}"})
    with pytest.raises(InvalidSpecError, match="not declared in the settings"):
        render(tmp_path)
