"""The render process: apart from the worker, shared by what it forks, replaced when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops.errors import GitOpsError, RenderError
from gitops.model.application import Source
from gitops.source import BuildEnv, Limits, Rendered, Renderer, RenderRequest
from gitops.source.git.tree import PathNotFound

sys.path.insert(0, str(Path(__file__).parent))
from hostile import write

Render = Callable[..., Rendered]
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "templates/a.yaml": CONFIG_MAP + "data: {who: {{ .Release.Name }}}\n",
}


def request(root: Path, limits: Limits | None = None) -> RenderRequest:
    return RenderRequest(
        root, ".", Source(repoURL="x", path="."), env=BuildEnv(app_name="app"), limits=limits or Limits()
    )


def test_the_worker_never_loads_helm(tmp_path: Path) -> None:
    """Loaded before a fork, the library's Go runtime hangs the child; so only the helm service may have it."""
    write(tmp_path, CHART)
    code = f"""
import sys
from pathlib import Path
from gitops.model.application import Source
from gitops.source import BuildEnv, Renderer, RenderRequest, finish
renderer = Renderer(sandbox="required", kustomize="kubectl")
request = RenderRequest(Path({str(tmp_path)!r}), ".", Source(repoURL="x", path="."), env=BuildEnv(app_name="app"))
assert renderer.render(request).objects[0]["data"] == {{"who": "app"}}
loaded = [name for name in sys.modules if name.startswith("helm_python")]
assert not loaded, loaded
assert "libhelm" not in Path("/proc/self/maps").read_text()
assert "libhelm" not in Path(f"/proc/{{renderer.pid}}/maps").read_text()
renderer.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3], timeout=60)


def test_many_helm_renders_in_processes_forked_by_the_worker(renderer: Renderer, tmp_path: Path) -> None:
    """What hung in 14 of 14 children: a long loop of renders after a fork."""
    write(tmp_path, CHART)
    renderer.render(request(tmp_path))
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for _ in range(150):
                    assert renderer.render(request(tmp_path)).objects[0]["data"] == {"who": "app"}
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0]


def test_forked_processes_share_the_render_process(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": CONFIG_MAP})
    renderer.start()
    before = renderer.pid
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            objects = renderer.render(request(tmp_path)).objects
            os.write(writing, f"{renderer.pid} {len(objects)}".encode())
            renderer.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 100).decode() == f"{before} 1"
    assert len(renderer.render(request(tmp_path)).objects) == 1, "a child that closes its renderer ended ours"
    os.close(reading)
    os.close(writing)


def test_a_render_process_that_dies_is_replaced(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": CONFIG_MAP})
    renderer.start()
    first = renderer.pid
    assert first
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    results = []
    for _ in range(2):
        try:
            results.append(len(renderer.render(request(tmp_path)).objects))
        except RenderError as error:
            results.append(str(error))
    assert results[-1] == 1
    assert renderer.pid != first


def test_it_ends_with_its_worker(tmp_path: Path) -> None:
    write(tmp_path, CHART)
    code = f"""
import os, sys
from pathlib import Path
from gitops.model.application import Source
from gitops.source import BuildEnv, Renderer, RenderRequest
renderer = Renderer(sandbox="required", kustomize="kubectl")
renderer.render(RenderRequest(Path({str(tmp_path)!r}), ".", Source(repoURL="x", path="."), env=BuildEnv(app_name="a")))
print(renderer.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=root, check=False, timeout=60)
    pid = int(done.stdout)
    try:
        waiting = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    assert select.select([waiting], [], [], 10)[0], "the render process outlived its worker"


def test_an_artifact_of_a_registry_is_any_kind_of_source(renderer: Renderer, tmp_path: Path) -> None:
    """`oci://` without a chart's name: its files decide the kind, and a path in it may be chosen."""
    write(tmp_path, {"plain/a.yaml": CONFIG_MAP, **{f"chart/{path}": text for path, text in CHART.items()}})
    for path, kind in (("plain", "Directory"), ("chart", "Helm")):
        source = Source(repoURL="oci://registry.example.com/team/app", path=path)
        rendered = renderer.render(RenderRequest(tmp_path, path, source, chart_dir=tmp_path))
        assert (rendered.source_type, len(rendered.objects)) == (kind, 1)


def test_threads(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, CHART)
    write(tmp_path / "plain", {"a.yaml": CONFIG_MAP})
    failures: list[Exception] = []

    def work(root: Path) -> None:
        try:
            for _ in range(10):
                assert len(renderer.render(request(root)).objects) == 1
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(root,)) for root in (tmp_path, tmp_path / "plain") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_what_the_callers_functions_raise_comes_through(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, {"app/kustomization.yaml": "resources: [../base]\n"})

    def need(path: str) -> None:
        raise KeyError(path)

    asked = RenderRequest(tmp_path, "app", Source(repoURL="x", path="app"))
    with pytest.raises(KeyError, match="base"):
        renderer.render(asked, need)


def test_a_file_that_the_commit_lacks_may_be_allowed_to(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, {f"app/{path}": content for path, content in CHART.items()})
    asked = []

    def need(path: str) -> None:
        asked.append(path)
        raise PathNotFound(path)

    def rendered(*, lenient: bool) -> Rendered:
        helm = {"valueFiles": ["/values/none.yaml"], "ignoreMissingValueFiles": lenient}
        source = Source.model_validate({"repoURL": "x", "path": "app", "helm": helm})
        return renderer.render(RenderRequest(tmp_path, "app", source, env=BuildEnv(app_name="app")), need)

    found = rendered(lenient=True)
    assert len(found.objects) == 1
    assert asked == ["values/none.yaml"]
    assert "values/none.yaml" in found.inputs, "the file may come with a later commit"
    with pytest.raises(RenderError, match="does not exist"):
        rendered(lenient=False)


def test_a_sandbox_that_is_required_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a kernel without Landlock `required` refuses; the kernel is taken away by forbidding its call."""
    write(tmp_path, {"a.yaml": CONFIG_MAP})
    code = f"""
import sys
from pathlib import Path
from gitops.source.sandbox import seccomp
seccomp._CALLS["x86_64"][1].clear()
seccomp._CALLS["aarch64"][1].clear()
seccomp._COMMON.clear()
seccomp._COMMON["landlock_create_ruleset"] = 444
seccomp.no_new_privileges()
seccomp.restrict()
from gitops.errors import RenderError
from gitops.model.application import Source
from gitops.source import Renderer, RenderRequest
request = RenderRequest(Path({str(tmp_path)!r}), ".", Source(repoURL="x", path="."))
renderer = Renderer(sandbox="auto", kustomize="kubectl")
assert len(renderer.render(request).objects) == 1
renderer.close()
renderer = Renderer(sandbox="required", kustomize="kubectl")
try:
    renderer.render(request)
except RenderError as error:
    print(error)
renderer.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
        check=True,
    )
    assert "Landlock" in done.stdout


def test_a_lookup_and_an_error_of_helm_leave_the_service_in_place(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path / "bad", {**CHART, "templates/a.yaml": '{{ fail "no" }}'})
    write(tmp_path / "good", CHART)
    for _ in range(3):
        with pytest.raises(GitOpsError, match="no"):
            renderer.render(request(tmp_path / "bad"))
        assert renderer.render(request(tmp_path / "good")).objects
