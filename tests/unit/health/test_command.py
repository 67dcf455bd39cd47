"""`gitops health PATH…`"""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from gitops.cli.health import command

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nstatus: {phase: Pending, message: hello}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(command)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def test_files_and_folders(run, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pod.yaml").write_text(POD)
    (tmp_path / "two.yml").write_text(f"---\n{CONFIG}---\n{POD}---\n")
    (tmp_path / "notes.txt").write_text("not read")
    found = run(tmp_path, "-o", "tsv")
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        f"{tmp_path}/sub/pod.yaml\tProgressing",
        f"{tmp_path}/two.yml\tHealthy",
        f"{tmp_path}/two.yml#2\tProgressing",
    ]


def test_wide_adds_the_rule_and_the_message(run, tmp_path):
    (tmp_path / "pod.yaml").write_text(POD)
    found = run(tmp_path / "pod.yaml", "-o", "wide")
    assert found.stdout.split("\t")[1:] == ["Progressing", "Pod/shop/a", "builtin/Pod", "hello\n"]


@pytest.mark.parametrize("text", ["{a: [", "just text", "a: &x [*x, *y]"])
def test_what_cannot_be_read_is_told_and_the_others_go_on(run, tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(POD)
    found = run(tmp_path)
    assert found.exit_code == 1
    assert found.stdout == f"{tmp_path}/b.yaml\tProgressing\n"
    assert found.stderr.startswith(f"{tmp_path}/a.yaml")
    assert len(found.stderr.splitlines()) == 1


def test_a_list_is_taken_apart(run, tmp_path):
    (tmp_path / "list.json").write_text('{"kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap"}]}')
    assert run(tmp_path).stdout == f"{tmp_path}/list.json\tHealthy\n"


def test_own_lua_checks(run, tmp_path):
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "cm").write_text(
        "kind: ConfigMap\ndata:\n  resource.customizations.health.Pod: |\n    return {status='Suspended'}\n"
    )
    assert run(tmp_path / "pod.yaml", "--checks", tmp_path / "cm").stdout.endswith("\tSuspended\n")
