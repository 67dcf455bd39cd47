"""Tools are built once from their go.mod, and what cannot be built is said in a sentence."""

import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import build

MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("one") }\n'

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go toolchain")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of this test's; Go's own build cache stays where it is."""
    monkeypatch.setenv("GOCACHE", subprocess.getoutput("go env GOCACHE") or str(tmp_path / "go"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/hello\n\ngo 1.24\n")
    (folder / "main.go").write_text(MAIN)
    return folder


@needs_go
def test_the_same_source_is_built_once(module: Path) -> None:
    first = build.build(module)
    stamp = first.stat().st_mtime_ns
    assert build.build(module) == first
    assert first.stat().st_mtime_ns == stamp
    assert subprocess.check_output([first], text=True) == "one\n"


@needs_go
def test_another_source_is_built_anew(module: Path) -> None:
    first = build.build(module)
    (module / "main.go").write_text(MAIN.replace("one", "two"))
    assert subprocess.check_output([build.build(module)], text=True) == "two\n"
    assert subprocess.check_output([first], text=True) == "one\n"


@needs_go
def test_what_does_not_compile_is_said_and_leaves_nothing(module: Path) -> None:
    (module / "main.go").write_text("package main\n\nfunc main() { nonsense }\n")
    with pytest.raises(build.BuildError, match=r"(?s)hello cannot be built from hello/go.mod.*nonsense"):
        build.build(module)
    assert [path.name for path in build.cache_root().iterdir()] == ["hello.lock"]


@needs_go
def test_a_go_that_is_too_old_is_said(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    (module / "go.mod").write_text("module example.com/hello\n\ngo 1.99\n")
    with pytest.raises(build.BuildError, match=r"Go 1\.99 or newer is needed to build hello"):
        build.build(module)


def test_a_missing_go_is_said(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(module))
    with pytest.raises(build.GoMissingError, match=r"Go 1\.24 or newer is needed to build hello; put `go` on PATH\."):
        build.build(module)


def test_each_go_mod_says_which_tools_it_has() -> None:
    names = {name for module in build.modules() for name in build.tools(module)}
    assert names >= {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "sshgit", "helm"}


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    with pytest.raises(build.BuildError, match=r"no tool 'nonesuch'; it has .*etcd, helm"):
        build.tool("nonesuch")


def test_kubernetes_binaries_know_their_version() -> None:
    flags = build.ldflags(build.ROOT / "kubernetes")
    assert "k8s.io/component-base/version.gitVersion=v1." in flags
    assert build.ldflags(build.ROOT / "etcd") == build.LDFLAGS
