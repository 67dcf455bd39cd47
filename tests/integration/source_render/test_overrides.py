"""What the repository may say about its own source, plugins of the operator, and value files of other sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile import Render, write

from gitops.errors import GitOpsError
from gitops.source import PluginCommand

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    "chart/values.yaml": "colour: of-the-chart\nsize: small\n",
    "chart/templates/a.yaml": CM + "data: {colour: '{{ .Values.colour }}', size: '{{ .Values.size }}'}\n",
}


def data(render: Render, root: Path, path: str, **more: object) -> dict[str, str]:
    (obj,) = render(root, path, **more).objects
    return obj["data"]


def test_overrides_merge_into_the_spec_and_those_of_the_application_win(render: Render, tmp_path: Path) -> None:
    write(tmp_path, CHART)
    helm = {"valuesObject": {"colour": "of-the-spec", "size": "large"}}
    assert data(render, tmp_path, "chart", helm=helm) == {"colour": "of-the-spec", "size": "large"}
    write(tmp_path, {"chart/.argocd-source.yaml": "helm: {valuesObject: {colour: of-all}}"})
    assert data(render, tmp_path, "chart", helm=helm) == {"colour": "of-all", "size": "large"}
    write(tmp_path, {"chart/.argocd-source-app.yaml": "helm: {valuesObject: {colour: of-app, size: null}}"})
    assert data(render, tmp_path, "chart", helm=helm) == {"colour": "of-app", "size": "small"}
    write(tmp_path, {"chart/.argocd-source-another.yaml": "helm: {valuesObject: {colour: of-another}}"})
    assert data(render, tmp_path, "chart", helm=helm)["colour"] == "of-app"


def test_value_files_of_another_source(render: Render, tmp_path: Path) -> None:
    """Written later wins, whichever source it is of; globs look there too."""
    write(tmp_path / "charts", {**CHART, "chart/own.yaml": "colour: of-its-own-file\n"})
    write(tmp_path / "values", {"env/prod.yaml": "colour: of-prod\n", "env/x/size.yaml": "size: huge\n"})
    refs = {"values": tmp_path / "values"}
    files = ["own.yaml", "$values/env/prod.yaml", "$values/env/**/size.yaml"]
    found = data(render, tmp_path / "charts", "chart", helm={"valueFiles": files}, refs=refs)
    assert found == {"colour": "of-prod", "size": "huge"}
    found = data(render, tmp_path / "charts", "chart", helm={"valueFiles": files[::-1]}, refs=refs)
    assert found["colour"] == "of-its-own-file"


def test_a_value_file_that_is_missing_may_be_allowed_to(render: Render, tmp_path: Path) -> None:
    write(tmp_path, CHART)
    with pytest.raises(GitOpsError, match=r"gone\.yaml"):
        render(tmp_path, "chart", helm={"valueFiles": ["gone.yaml"]})
    assert data(render, tmp_path, "chart", helm={"valueFiles": ["gone.yaml"], "ignoreMissingValueFiles": True})


PRINTS = """cat <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: made}
data:
  app: $ARGOCD_APP_NAME
  own: $ARGOCD_ENV_WHO
  text: $PARAM_TEXT
  items: $PARAM_ITEMS_0-$PARAM_ITEMS_1
  map: $PARAM_MAP_KEY
  file: $(cat file)
  made: $(cat made)
  secrets: "$REDIS_URL$GITOPS_REDIS_URL"
END
"""


def test_a_plugin_gets_its_environment_and_a_copy_of_the_path(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@host")
    write(tmp_path, {"app/file": "of-the-repository", "other": "x"})
    command = PluginCommand("prints", init=("sh", "-c", "echo -n by-init > made"), generate=("sh", "-c", PRINTS))
    spec = {
        "name": "prints",
        "env": [{"name": "WHO", "value": "$ARGOCD_APP_NAMESPACE"}],
        "parameters": [
            {"name": "text", "string": "words"},
            {"name": "items", "array": ["a", "b"]},
            {"name": "map", "map": {"key": "value"}},
        ],
    }
    assert data(render, tmp_path, "app", plugins={"prints": command}, plugin=spec) == {
        "app": "app", "own": "space", "text": "words", "items": "a-b", "map": "value",
        "file": "of-the-repository", "made": "by-init", "secrets": "",
    }  # fmt: skip
    assert not (tmp_path / "app" / "made").exists(), "the checkout is nobody's to write"


def test_a_plugin_that_fails_says_its_last_line(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"app/file": "x"})
    command = PluginCommand("p", generate=("sh", "-c", "echo first >&2; echo the reason >&2; exit 3"))
    with pytest.raises(GitOpsError, match=r"the plugin p failed \(exit code 3\): the reason"):
        render(tmp_path, "app", plugins={"p": command}, plugin={"name": "p"})
