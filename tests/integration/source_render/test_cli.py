"""`gitops render`, as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from hostile import write

ROOT = Path(__file__).parents[3]
CONFIG_MAP = (
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: "1e3", yes: "on", octal: "0644", n: "5"}\n'
)


def gitops(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from gitops.cli import main; main()", "render", *map(str, arguments)]
    env = {**os.environ, **settings}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120, env=env)


def test_yaml_reads_back_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": CONFIG_MAP})
    done = gitops(tmp_path)
    assert done.returncode == 0, done.stderr
    again = write(tmp_path / "again", {"a.yaml": done.stdout})
    assert json.loads(gitops(tmp_path, "-o", "json").stdout) == json.loads(gitops(again, "-o", "json").stdout)
    assert yaml.safe_load(done.stdout)["data"]["octal"] == "0644"


def test_what_cannot_be_rendered(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "apiVersion: v1\nkind: X\nmetadata: {name: a}\nb: [\n"})
    done = gitops(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "a.yaml, document 1, line" in done.stderr
    missing = gitops(tmp_path / "none")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


#: What would end a line, or speak to the terminal.
ODD = "new\nline\x1b[31m"


def test_what_is_said_of_odd_names_is_one_line_of_text(tmp_path: Path) -> None:
    """Whoever writes to the repository chooses the names of folders, objects and fields."""
    write(
        tmp_path,
        {
            f"{ODD}/a.yaml": CONFIG_MAP + "more: [\n",
            "object/a.yaml": 'apiVersion: v1\nkind: X\nmetadata: {name: "a\\e[31m\\nb", labels: {a: 1}}\n',
            "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
            "chart/templates/a.yaml": '{{ fail "a\\x1b[31m\\nb" }}',
            "warned/kustomization.yaml": "resources: []\n",
            "app.yaml": APPLICATION.replace("path: charts/web", "path: none").replace(
                APPLICATION[APPLICATION.index("    helm:") :], '    kustomize: {version: "a\\e[31m\\nb"}\n'
            ),
        },
    )
    for path in (ODD, "object", "chart"):
        done = gitops(tmp_path / path)
        assert done.returncode == 1
        assert done.stderr.startswith("gitops: ")
        assert done.stderr.removesuffix("\n").isprintable(), done.stderr
    missing = gitops(tmp_path, "--app", tmp_path / ODD / "app.yaml")
    assert "cannot be read: No such file" in missing.stderr.removesuffix("\n")
    assert missing.stderr.removesuffix("\n").isprintable()
    warned = gitops(tmp_path / "warned", "--app", tmp_path / "app.yaml")
    assert warned.returncode == 0
    assert "was passed over" in warned.stderr
    assert warned.stderr.removesuffix("\n").isprintable()


def test_names_that_are_no_text_or_too_long(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    write(folder, {"a.yaml": CONFIG_MAP})
    done = gitops(folder, tmp_path / ("x" * 300), "-o", "ndjson")
    odd, long = (json.loads(line) for line in done.stdout.splitlines())
    assert odd["path"] == f"{tmp_path}/caf\\xe9"
    assert "is not UTF-8; rename it" in odd["error"]
    assert long["error"] == "it is not a directory"
    assert done.returncode == 1
    assert done.stderr == "gitops: 2 of 2 directories cannot be rendered\n"


def test_a_batch(tmp_path: Path) -> None:
    write(tmp_path, {"good/a.yaml": CONFIG_MAP, "bad/kustomization.yaml": "resources: [x.yaml]", "empty/README": ""})
    done = gitops(tmp_path / "good", tmp_path / "bad", tmp_path / "empty", "-o", "ndjson")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["path"]).name for line in lines] == ["good", "bad", "empty"]
    assert lines[0]["objects"][0]["kind"] == "ConfigMap"
    assert "x.yaml" in lines[1]["error"]
    assert lines[2]["objects"] == []
    assert done.returncode == 1
    assert done.stderr == "gitops: 1 of 3 directories cannot be rendered\n"


APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  destination: {namespace: prod, server: https://kubernetes.default.svc}
  sources:
  - {repoURL: https://git.example.com/values.git, ref: values}
  - repoURL: https://git.example.com/charts.git
    path: charts/web
    helm: {valueFiles: ["$values/env/prod.yaml"], parameters: [{name: who, value: $ARGOCD_APP_NAMESPACE}]}
"""


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
        "data: {a: {{ .Values.a }}, who: {{ .Values.who }}}\n"
    )
    return write(
        tmp_path,
        {
            "repo/charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
            "repo/charts/web/templates/a.yaml": template,
            "values/env/prod.yaml": "a: from-values\n",
            "app.yaml": APPLICATION,
        },
    )


def test_an_applications_own_sources(charts: Path) -> None:
    done = gitops(charts / "repo", "--app", charts / "app.yaml", "--ref", f"values={charts / 'values'}", "-o", "json")
    assert done.returncode == 0, done.stderr
    (obj,) = json.loads(done.stdout)
    assert obj["metadata"]["name"] == "web"
    assert obj["data"] == {"a": "from-values", "who": "prod"}


def test_the_application_must_be_one(tmp_path: Path) -> None:
    write(tmp_path, {"app.yaml": "kind: Other"})
    done = gitops(tmp_path, "--app", tmp_path / "app.yaml")
    assert done.returncode == 1
    assert "is not an Application" in done.stderr


def test_the_application_may_stand_among_other_objects(charts: Path, tmp_path: Path) -> None:
    one = (charts / "app.yaml").read_text()
    write(
        tmp_path,
        {"app.yaml": f"---\nkind: AppProject\nmetadata: {{name: p}}\n---\n{one}", "two.yaml": f"{one}---\n{one}"},
    )
    refs = ("--ref", f"values={charts / 'values'}")
    assert gitops(charts / "repo", "--app", tmp_path / "app.yaml", *refs).returncode == 0
    done = gitops(charts / "repo", "--app", tmp_path / "two.yaml", *refs)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "two.yaml holds 2 Applications; name a file with one" in done.stderr


@pytest.mark.parametrize("output", ["yaml", "json", "ndjson"])
def test_output_that_cannot_be_written(tmp_path: Path, output: str) -> None:
    write(tmp_path, {"a.yaml": CONFIG_MAP})
    call = [sys.executable, "-c", "from gitops.cli import main; main()", "render", str(tmp_path), "-o", output]
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr == "gitops: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata: 3\nspec: {}", "Application is invalid: metadata: Input should be a valid dictionary"),
        ("metadata: {name: web}", "Application web is invalid: spec: Field required"),
        ("metadata: {name: web, namespace: argocd}\nspec: {}", "Application argocd/web has no source"),
    ],
)
def test_the_application_must_be_readable(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, {"app.yaml": f"kind: Application\n{text}\n"})
    done = gitops(tmp_path, "--app", tmp_path / "app.yaml")
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GITOPS_RENDER_SECONDS", "GITOPS_RENDER_SECONDS: Input should be a valid number"),
        ("GITOPS_PLUGINS", "GITOPS_PLUGINS is not readable; write it as JSON"),
    ],
)
def test_a_setting_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    done = gitops(tmp_path, **{name: "pa55w0rd"})
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "pa55w0rd" not in done.stderr


def test_references_reach_the_folder_beside_and_symlinks_do_not(tmp_path: Path) -> None:
    write(tmp_path, {"base/kustomization.yaml": "resources: [a.yaml]", "base/a.yaml": CONFIG_MAP,
                     "overlay/kustomization.yaml": "resources: [../base]", "linked/x": ""})  # fmt: skip
    assert gitops(tmp_path / "overlay").returncode == 0
    (tmp_path / "linked" / "a.yaml").symlink_to("../base/a.yaml")
    done = gitops(tmp_path / "linked")
    assert "symlink that leads out of the repository" in done.stderr


def test_charts_of_a_kustomization_are_off_unless_switched_on(tmp_path: Path) -> None:
    write(
        tmp_path / "app",
        {
            "kustomization.yaml": "helmCharts: [{name: web, releaseName: rel}]\n",
            "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
            "charts/web/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n",
        },
    )
    off = gitops(tmp_path / "app")
    assert off.returncode == 1
    assert "helmCharts are switched off" in off.stderr
    on = gitops(tmp_path / "app", "-o", "json", "--kustomize-build-options=--enable-helm")
    assert [o["metadata"]["name"] for o in json.loads(on.stdout)] == ["rel"]


def test_nothing_is_fetched(tmp_path: Path) -> None:
    write(tmp_path / "base", {"kustomization.yaml": "resources: ['https://git.example.com/o/r.git//x?ref=v1']\n"})
    write(tmp_path / "file", {"kustomization.yaml": "resources: ['https://files.example.com/x.yaml']\n"})
    done = gitops(tmp_path / "base", tmp_path / "file")
    assert done.returncode == 1
    assert "remote base https://git.example.com/o/r.git//x?ref=v1 is not allowed here" in done.stderr
    assert "remote file https://files.example.com/x.yaml is not fetched here" in done.stderr


def test_no_password_of_a_url_is_said(tmp_path: Path) -> None:
    """Who renders by hand, or in a build whose log others read, is told where it leads, and no more."""
    url = "https://user:hunter2@h.example.com/r"
    chart = "apiVersion: v2\nname: web\nversion: 0.1.0\n"
    write(
        tmp_path,
        {
            "base/kustomization.yaml": f"resources: ['{url}.git//x?ref=v1']\n",
            "getter/kustomization.yaml": f"components: ['git::{url}.git//x']\n",
            "file/kustomization.yaml": f"resources: ['{url}/x.yaml']\n",
            "patch/kustomization.yaml": f"patchesStrategicMerge: ['{url}/x']\n",
            "chart/Chart.yaml": f"{chart}dependencies: [{{name: x, version: 1.0.0, repository: '{url}'}}]\n",
            "fails/Chart.yaml": chart,
            "fails/templates/a.yaml": f'{{{{ fail "cannot reach {url}" }}}}',
        },
    )
    folders = ["base", "getter", "file", "patch", "chart", "fails"]
    done = gitops(*(tmp_path / name for name in folders))
    assert done.returncode == 1
    assert done.stderr.count("h.example.com") == len(folders), done.stderr
    assert "hunter2" not in done.stderr
