"""A repository that means harm fails its one application with one clear sentence, and reaches nothing else."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitops.errors import GitOpsError, InvalidSpecError, RenderError
from gitops.source import PluginCommand, Rendered

sys.path.insert(0, str(Path(__file__).parent))
from conftest import LIMITS, write

Render = Callable[..., Rendered]
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CHART = "apiVersion: v2\nname: c\nversion: 0.1.0\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: stolen}\n"


@pytest.fixture(autouse=True)
def _worker_unharmed(render: Render, temp: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After each attack: other applications render, this process has not grown, no temporary file is left."""
    healthy = write(tmp_path_factory.mktemp("healthy"), {"a.yaml": CONFIG_MAP})
    assert len(render(healthy).objects) == 1
    before, started = _resident_mib(), time.monotonic()
    yield
    assert _resident_mib() - before < 64
    assert time.monotonic() - started < LIMITS.wall_seconds + 20
    assert len(render(healthy).objects) == 1
    _until(lambda: not [file for _, _, files in os.walk(temp) for file in files])


def _until(condition: Callable[[], bool]) -> None:
    """Renders' folders are emptied just after the answer."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def _resident_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def outside(tmp_path: Path) -> Path:
    """A repository in a folder, with a secret beside it."""
    write(tmp_path, {"secret.yaml": SECRET})
    (tmp_path / "repo").mkdir()
    return tmp_path / "repo"


def fails(render: Render, *args: object, match: str, **kwargs: object) -> GitOpsError:
    with pytest.raises(GitOpsError, match=match) as caught:
        render(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    assert "stolen" not in text
    assert "Traceback" not in text
    assert len(text) < 1000
    return caught.value


# --- out of the repository ---


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


# --- too much ---


def test_anchors_that_expand_a_billionfold(render: Render, tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{c}: &{c} [{','.join(['*' + chr(ord(c) - 1)] * 9)}]\n" for c in "bcdefghij"
    )
    write(tmp_path, {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + bomb})
    fails(render, tmp_path, match=r"a\.yaml, document 1, line \d+: document contains excessive aliasing")
    write(tmp_path / "k", {"kustomization.yaml": bomb})
    fails(render, tmp_path, "k", match="excessive aliasing")
    write(tmp_path / "c", {"Chart.yaml": CHART, "v.yaml": bomb})
    fails(render, tmp_path, "c", helm={"valueFiles": ["v.yaml"]}, match="excessive aliasing")
    write(tmp_path / "o", {".argocd-source.yaml": bomb})
    fails(render, tmp_path, "o", match="excessive aliasing")


def test_nesting(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": CONFIG_MAP + "data: " + "[" * 100_000})
    fails(render, tmp_path, match="nested|nesting")
    write(tmp_path / "j", {"a.json": '{"a":' * 100_000})
    fails(render, tmp_path, "j", match="nested")
    write(tmp_path / "n", {"a.jsonnet": "local f(n) = if n == 0 then {} else {a: f(n - 1)}; f(400)"})
    fails(render, tmp_path, "n", match=r"nested|[Ss]tack")


def test_a_file_of_a_gibibyte(render: Render, tmp_path: Path) -> None:
    for name, folder in (("a.yaml", "plain"), ("big.txt", "chart"), ("big.txt", "kustomize"), ("a.jsonnet", "jsonnet")):
        (tmp_path / folder).mkdir()
        with (tmp_path / folder / name).open("wb") as file:
            file.truncate(1 << 30)
    fails(render, tmp_path, "plain", match="larger than 10 MiB")
    write(tmp_path / "chart", {"Chart.yaml": CHART})
    fails(render, tmp_path, "chart", match="larger than 5 MiB")
    write(tmp_path / "kustomize", {"kustomization.yaml": "configMapGenerator: [{name: a, files: [big.txt]}]"})
    fails(render, tmp_path, "kustomize", match="larger than 64 MiB")
    fails(render, tmp_path, "jsonnet", match="larger than 16 MiB")


def test_a_chart_with_an_endless_loop(render: Render, tmp_path: Path) -> None:
    loop = "{{ range until 100000 }}" * 3 + "{{ end }}" * 3
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": loop})
    fails(render, tmp_path, limits={"wall_seconds": 3}, match="helm took longer than 1 seconds")


def test_a_chart_that_calls_itself_for_ever(render: Render, tmp_path: Path) -> None:
    recursion = '{{- define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}'
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": recursion})
    fails(render, tmp_path, match="helm|memory|longer")


def test_a_chart_that_eats_memory(render: Render, tmp_path: Path) -> None:
    eat = '{{ $s := "xxxxxxxxxxxxxxxx" }}{{ range until 40 }}{{ $s = print $s $s }}{{ end }}{{ $s }}'
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": eat})
    fails(render, tmp_path, match="helm")


def test_a_chart_of_a_hundred_thousand_objects(render: Render, tmp_path: Path) -> None:
    many = "{{ range until 100000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a{{ . }}}\n{{ end }}"
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": many})
    fails(render, tmp_path, match="more than 1000 objects|longer|CPU")


def test_output_that_is_too_large(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "{apiVersion: 'v1', kind: 'ConfigMap', data: {a: std.repeat('x', 10000000)}}"})
    fails(render, tmp_path, match="larger than 8 MiB|memory|needs more than")


def test_jsonnet_without_end(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "local f(x) = f(x + 1) tailstrict; f(0)"})
    fails(render, tmp_path, match="CPU|longer|[Ss]tack")


def test_jsonnet_that_eats_memory(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "std.foldl(function(a, i) a + a, std.range(1, 60), 'xxxxxxxx')"})
    fails(render, tmp_path, match="memory|CPU|longer|needs more than")


def test_kustomizations_without_end(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"})
    fails(render, tmp_path, "a", match="cycle")


def test_folders_that_link_to_themselves(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": CONFIG_MAP})
    (tmp_path / "templates" / "again").symlink_to("..")
    fails(render, tmp_path, match="nested too deeply|more than|larger")
    (tmp_path / "x.yaml").symlink_to("x.yaml")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "x.yaml").symlink_to("x.yaml")
    rendered = render(tmp_path, "plain")
    assert rendered.objects == []


# --- odd files ---


def test_file_names_with_newlines(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a\nb.yaml": CONFIG_MAP + "x: [", "ok.yaml": CONFIG_MAP})
    assert len(render(tmp_path).objects) == 1
    write(tmp_path / "k", {"kustomization.yaml": 'resources: ["a\\nb.yaml"]', "a\nb.yaml": CONFIG_MAP})
    fails(render, tmp_path, "k", match="kustomize")
    write(tmp_path / "c", {"Chart.yaml": CHART, "templates/x\ny.yaml": CONFIG_MAP})
    assert "\n" not in render(tmp_path, "c").origins[0]


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


# --- the process: network, files, environment ---


def plugin(code: str) -> dict[str, PluginCommand]:
    return {"p": PluginCommand("p", (sys.executable, "-I", "-S", "-c", code), readable=(sys.prefix, sys.base_prefix))}


def answer(render: Render, tmp_path: Path, code: str) -> dict[str, str]:
    """What code prints that runs inside the sandbox, as the data of a ConfigMap."""
    wrapped = (
        "import json\ndata = {}\n" + code + "\n"
        "print(json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a'}, 'data': data}))"
    )
    data: dict[str, str] = render(tmp_path, plugins=plugin(wrapped), plugin={"name": "p"}).objects[0]["data"]
    return data


def test_no_network(render: Render, tmp_path: Path) -> None:
    code = """
import socket
for name, family, kind in (("inet", socket.AF_INET, socket.SOCK_STREAM), ("udp", socket.AF_INET6, socket.SOCK_DGRAM),
                           ("unix", socket.AF_UNIX, socket.SOCK_STREAM), ("netlink", socket.AF_NETLINK, 3)):
    try:
        socket.socket(family, kind)
        data[name] = "open"
    except PermissionError:
        data[name] = "refused"
"""
    assert set(answer(render, tmp_path, code).values()) == {"refused"}


def test_nothing_is_written_or_read_outside(render: Render, tmp_path: Path) -> None:
    repo = write(outside(tmp_path), {"a.txt": "x"})
    victim = tmp_path / "written"
    code = f"""
import os
for name, act in {{
    "write": lambda: open({str(victim)!r}, "w"),
    "write checkout": lambda: open({str(repo / "b.txt")!r}, "w"),
    "read": lambda: open({str(tmp_path / "secret.yaml")!r}).read(),
    "read etc": lambda: open("/etc/passwd").read(),
    "list": lambda: os.listdir({str(Path.home())!r}),
    "environment": lambda: open(f"/proc/{{os.getppid()}}/environ").read(),
    "kill": lambda: os.kill({os.getpid()}, 0),
    "session": lambda: os.setsid(),
    "mount": lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else open("/proc/1/environ").read(),
}}.items():
    try:
        act()
        data[name] = "allowed"
    except (PermissionError, FileNotFoundError):
        data[name] = "refused"
open("mine.txt", "w").write("fine")
data["own folder"] = open("mine.txt").read()
"""
    found = answer(render, repo, code)
    assert found.pop("own folder") == "fine"
    assert set(found.values()) == {"refused"}, found
    assert not victim.exists()
    assert sorted(p.name for p in repo.iterdir()) == ["a.txt"]


def test_the_environment_is_clean(render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_SEAL_KEY", "secret")
    found = answer(render, tmp_path, "import os\ndata.update(os.environ)")
    assert found["ARGOCD_APP_NAME"] == "app"
    assert not [name for name in found if name.startswith(("GITOPS_", "KUBECONFIG", "REDIS"))]
    assert found["HOME"].rpartition("/")[2].startswith("render-")


def test_a_plugin_that_does_not_end(render: Render, tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    sleeping = plugin(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    named = {"plugins": sleeping, "plugin": {"name": "p"}}
    fails(render, tmp_path, **named, limits={"wall_seconds": 1}, match="longer than 1 seconds")
    _until(lambda: not _running(child))


def _running(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if text.encode() in (entry / "cmdline").read_bytes().split(b"\0")[-2]:
                    found.append(entry.name)
            except (OSError, IndexError):
                continue
    return found


def test_a_plugin_is_never_the_repositorys_choice(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {".argocd-source.yaml": "plugin: {name: sh}"})
    with pytest.raises(InvalidSpecError, match="not declared in the settings"):
        render(tmp_path)


def test_honest_charts_behind_an_endless_one(render: Render, tmp_path: Path) -> None:
    """Charts share one helm process; the one that does not end is given up before the others' time is over."""
    loop = "{{ range until 100000 }}" * 3 + "{{ end }}" * 3
    write(tmp_path / "bad", {"Chart.yaml": CHART, "templates/a.yaml": loop})
    write(tmp_path / "good", {"Chart.yaml": CHART, "templates/a.yaml": CONFIG_MAP})
    caught: list[str] = []

    def attack() -> None:
        try:
            render(tmp_path, "bad")
        except RenderError as error:
            caught.append(str(error))

    attacker = threading.Thread(target=attack)
    attacker.start()
    while attacker.is_alive():
        assert len(render(tmp_path, "good").objects) == 1
    assert caught == ["helm took longer than 2 seconds"]


def test_attacks_beside_honest_renders(render: Render, tmp_path: Path) -> None:
    """While one application eats its time, others in the same worker go on."""
    write(tmp_path / "bad", {"a.jsonnet": "local f(x) = f(x + 1) tailstrict; f(0)"})
    write(tmp_path / "good", {"a.yaml": CONFIG_MAP})
    caught: list[Exception] = []

    def attack() -> None:
        try:
            render(tmp_path, "bad")
        except RenderError as error:
            caught.append(error)

    attacker = threading.Thread(target=attack)
    attacker.start()
    done = 0
    while attacker.is_alive():
        assert len(render(tmp_path, "good").objects) == 1
        done += 1
    attacker.join()
    assert len(caught) == 1
    assert done > 5
