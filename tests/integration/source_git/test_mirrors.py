"""Mirrors and checkouts: what is fetched, how often, and what is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitops.errors import ProjectDenied, RepositoryError, RevisionError, SourceError
from gitops.source.access import Bounds
from gitops.source.git import Refs
from gitops.source.git.command import Runner
from gitops.source.git.tree import PathNotFound, PathOutside
from testbed.gitrepo import git

FETCH = {"info/refs git-upload-pack": 1, "git-upload-pack": 1}


def test_revisions_of_a_real_repository(make, plain):
    first = plain.publish({"a": "1"}, "first")
    plain.tag("v1.2.0", message="annotated")
    plain.tag("app-0.9.0")
    second = plain.publish({"a": "2"}, "second")
    plain.tag("v1.10.0")
    plain.tag("v2.0.0-rc.1", message="annotated too")
    refs = Refs.from_json(make().refs(plain.http_url).to_json())
    answers = {
        "": second, "HEAD": second, "main": second, "refs/heads/main": second,
        "v1.2.0": first, "refs/tags/v1.2.0": first, "1.x": second,
        "~1.2": first, "^1": second, "*": second, ">=2.0.0-0": second, first: first, first[:8]: first,
        "nope": None, "^7": None, "--upload-pack=touch /tmp/x": None,
    }  # fmt: skip
    assert {text: refs.resolve(text) for text in answers} == answers
    assert refs.resolve("0.x", tag_prefix="app-") == first


def test_one_fetch_then_nothing(make, plain, git_server):
    sha = plain.publish({"a": "1"})
    mirrors = make()
    git_server.reset_counts()
    assert mirrors.ensure(plain.http_url, sha) == sha
    assert git_server.counts(plain.name) == FETCH
    mirrors.ensure(plain.http_url, sha)
    with mirrors.checkout(plain.http_url, sha) as tree:
        tree.need("a")
    assert mirrors.tree_ids(plain.http_url, sha, ["a"])["a"]
    assert git_server.counts(plain.name) == FETCH


def test_an_empty_disk_is_refilled(make, plain, tmp_path):
    sha = plain.publish({"a": "1"})
    make().ensure(plain.http_url, sha)
    shutil.rmtree(tmp_path / "git")
    with make().checkout(plain.http_url, sha) as tree:
        tree.need("")
        assert (tree.root / "a").read_text() == "1"


def _ids(mirrors, url, sha):
    assert mirrors.tree_ids(url, sha, ["a"])["a"]


def _files_of(mirrors, url, sha):
    with mirrors.checkout(url, sha) as tree:
        tree.need("a")


@pytest.mark.parametrize("use", [_ids, _files_of])
def test_a_damaged_mirror_is_fetched_anew(make, plain, tmp_path, use):
    sha = plain.publish({"a": "1"})
    mirrors = make()
    mirrors.ensure(plain.http_url, sha)
    for pack in (tmp_path / "git").rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"")
    with pytest.raises(RepositoryError, match="fetched anew"):
        use(mirrors, plain.http_url, sha)
    use(mirrors, plain.http_url, sha)


def test_locks_of_a_killed_fetch_are_no_obstacle(make, plain, tmp_path):
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "1"}))
    (mirror,) = (tmp_path / "git" / "mirrors").glob("*/repo.git")
    (mirror / "shallow.lock").touch()
    (mirror / "objects" / "pack" / "tmp_pack_x").touch()
    mirrors.ensure(plain.http_url, plain.publish({"a": "2"}))
    assert not (mirror / "objects" / "pack" / "tmp_pack_x").exists()


def test_old_commit_and_abbreviated_sha(make, plain):
    first = plain.publish({"a": "1"})
    plain.publish({"a": "2"})
    mirrors = make()
    assert mirrors.ensure(plain.http_url, first) == first
    assert mirrors.ensure(plain.http_url, first[:7]) == first


@pytest.mark.parametrize("url", ["http_url", "file_url"])
def test_server_that_gives_tips_only(make, plain, url):
    """Without allowAnySHA1InWant, and by the old protocol, an old commit comes with everything."""
    first = plain.publish({"a": "1"})
    plain.publish({"a": "2"})
    git("config", "uploadpack.allowAnySHA1InWant", "false", cwd=plain.bare)
    git("config", "protocol.version", "0", cwd=plain.bare)
    assert make().ensure(getattr(plain, url), first) == first


def test_sha_that_is_not_there(make, plain):
    plain.publish({"a": "1"})
    with pytest.raises(RevisionError, match="has no commit"):
        make().ensure(plain.http_url, "f" * 40)
    with pytest.raises(RevisionError):
        make().ensure(plain.http_url, "fffffff")


def test_a_branch_is_fetched_by_its_name_without_a_list_of_refs(make, plain, git_server):
    first = plain.publish({"a": "1"})
    mirrors = make()
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/main") == "", "nothing of the repository is here yet"
    mirrors.ensure(plain.http_url, first)
    second = plain.publish({"a": "2"})
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/main") == second
    git_server.reset_counts()
    assert mirrors.ensure(plain.http_url, second) == second
    assert git_server.counts(plain.name) == {}
    git("reset", "--quiet", "--hard", first, cwd=plain.work)
    git("push", "--quiet", "--force", "origin", "HEAD:main", cwd=plain.work)
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/main") == first
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/nope") == ""


def _many(count: int) -> dict[str, str]:
    return {f"apps/{number:03}/{name}.yaml": f"{number}" for number in range(count) for name in ("a", "b")}


def _on_disk(tree, name: str) -> bool:
    return (tree.root / "apps" / name / "b.yaml").exists()


@pytest.fixture
def processes(monkeypatch) -> list[list[str]]:
    """The commands of Git whose output was read while they ran."""
    asked: list[list[str]] = []
    stream = Runner.stream
    monkeypatch.setattr(Runner, "stream", lambda *args, **kwargs: asked.append(args[1]) or stream(*args, **kwargs))
    return asked


def test_what_is_asked_for_path_by_path_is_read_at_once_when_that_is_less_work(make, plain, processes):
    sha = plain.publish(_many(300))
    with make().checkout(plain.http_url, sha) as tree:
        for number in range(300):
            assert not _on_disk(tree, f"{number:03}")
            tree.need(f"apps/{number:03}")
            assert _on_disk(tree, f"{number:03}")
            # 300 contents are as much as three paths, and four are read by themselves: a few applications never pay
            # for the rest.
            assert len(processes) == min(number + 1, 5)
        assert _files(tree.root) == set(_many(300))
        with pytest.raises(PathNotFound, match="'apps/nope' does not exist"):
            tree.need("apps/nope")
        tree.need("apps/000/b.yaml")
    assert len(processes) == 5


def test_what_is_given_is_not_written(make, plain, processes):
    files = _many(300)
    sha = plain.publish(files)
    with make().checkout(plain.http_url, sha) as tree:
        for number in range(300):
            folder = f"apps/{number:03}"
            expected = {path: text.encode() for path, text in files.items() if path.startswith(folder + "/")}
            assert tree.given(f"./{folder}/") == expected
        assert len(processes) == 5
        assert _files(tree.root) == set()
        tree.need("apps/000")
        assert _files(tree.root) == {"apps/000/a.yaml", "apps/000/b.yaml"}
    assert len(processes) == 5


@pytest.mark.parametrize("number_of_asks", [1, 10], ids=["by itself", "with all"])
def test_what_has_to_be_on_disk_is_not_given(make, plain, number_of_asks):
    (plain.work / "linked").mkdir(parents=True)
    (plain.work / "linked" / "link").symlink_to("../app/a")
    plain.write({"app/a": "1", "app/sub/b": b"\xff", "large/file": b"x" * (300 << 10), "linked/file": "1"})
    plain.write({f"many/{number}": "" for number in range(201)})
    sha = plain.publish({"whole": "x"})
    with make().checkout(plain.http_url, sha) as tree:
        for _ in range(number_of_asks):
            assert tree.given("app") == {"app/a": b"1", "app/sub/b": b"\xff"}
            for path in ("nothing", "whole", "large", "linked", "many", ""):
                assert tree.given(path) is None, path
        with pytest.raises(PathOutside):
            tree.given("../app")


def test_contents_that_a_full_disk_cut_short_are_read_again(make, plain, processes):
    sha = plain.publish(_many(10))
    with make().checkout(plain.http_url, sha) as tree:
        for number in range(9):
            tree.given(f"apps/{number:03}")
        (brought,) = tree.root.parent.glob("contents")
        brought.write_bytes(brought.read_bytes()[:-1])
        assert tree.given("apps/009") == {"apps/009/a.yaml": b"9", "apps/009/b.yaml": b"9"}
        assert len(processes) == 6
        assert tree.given("apps/009") == {"apps/009/a.yaml": b"9", "apps/009/b.yaml": b"9"}
        assert len(processes) == 6


def test_a_file_that_cannot_be_written_is_no_concern_of_other_paths(make, plain):
    plain.write(_many(6))
    git("add", "--all", cwd=plain.work)
    oid = git("hash-object", "-w", "apps/000/a.yaml", cwd=plain.work)
    git("update-index", "--add", "--cacheinfo", f"100644,{oid},{'x' * 300}", cwd=plain.work)
    git("commit", "--quiet", "--message", "a name that is too long", cwd=plain.work)
    plain.push()
    with make().checkout(plain.http_url, plain.head) as tree:
        for number in range(6):
            tree.need(f"apps/{number:03}")
            assert _on_disk(tree, f"{number:03}")
        with pytest.raises(SourceError, match="a name that this file system cannot hold"):
            tree.need("")


def test_forced_push(make, plain):
    first = plain.publish({"a": "1"})
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "2"}))
    plain.reset(first)
    plain.write({"a": "3"})
    third = plain.commit()
    plain.push(force=True)
    assert mirrors.ensure(plain.http_url, mirrors.refs(plain.http_url).require("main")) == third


def test_checkout_writes_what_is_needed_and_no_more(make, plain):
    sha = plain.publish({"apps/a/x.yaml": "x", "apps/b/y.yaml": "y", "run.sh": "#!/bin/sh\n"})
    with make().checkout(plain.http_url, sha) as tree:
        tree.need("./apps/a/")
        assert _files(tree.root) == {"apps/a/x.yaml"}
        tree.need("run.sh")
        assert _files(tree.root) == {"apps/a/x.yaml", "run.sh"}
        tree.need(".")
        assert _files(tree.root) == {"apps/a/x.yaml", "apps/b/y.yaml", "run.sh"}


def test_path_that_does_not_exist(make, plain):
    sha = plain.publish({"apps/a/x.yaml": "x"})
    with make().checkout(plain.http_url, sha) as tree, pytest.raises(PathNotFound) as caught:
        tree.need("apps/c")
    assert str(caught.value) == f"path 'apps/c' does not exist in repository {plain.http_url} at {sha[:7]}"


def test_path_out_of_the_repository(make, plain):
    sha = plain.publish({"a": "x"})
    with make().checkout(plain.http_url, sha) as tree, pytest.raises(SourceError, match="leads out"):
        tree.need("../../etc")


def test_symlinks_stay_symlinks_and_bring_their_targets(make, plain):
    plain.write({"common/v.yaml": "v", "apps/a/own.yaml": "o", "releases/v1/r.yaml": "r"})
    (plain.work / "apps/a/v.yaml").symlink_to("../../common/v.yaml")
    (plain.work / "apps/a/passwd").symlink_to("/etc/passwd")
    (plain.work / "apps/a/up").symlink_to("../../../up")
    (plain.work / "current").symlink_to("releases/v1")
    sha = plain.commit()
    plain.push()
    with make().checkout(plain.http_url, sha) as tree:
        tree.need("apps/a")
        assert os.readlink(tree.root / "apps/a/passwd") == "/etc/passwd"
        assert (tree.root / "apps/a/v.yaml").read_text() == "v"
        tree.need("current")
        assert (tree.root / "current/r.yaml").read_text() == "r"


def test_ids_tell_what_changed(make, plain):
    plain.write({"apps/a/x": "1", "apps/b/x": "1", "common/x": "1"})
    (plain.work / "link").symlink_to("common")
    old = plain.commit()
    plain.push()
    new = plain.publish({"apps/a/x": "2", "common/x": "2"})
    mirrors = make()
    paths = ["apps/a", "apps/a/x", "apps/b", "apps/b/x", "apps/c", "apps/c/d", "link", "link/x", ".", "apps/b/x/y"]
    before, after = (mirrors.tree_ids(plain.http_url, sha, paths) for sha in (old, new))
    assert {path for path in paths if before[path] != after[path]} == {"apps/a", "apps/a/x", "link", "link/x", "."}
    assert {path for path in paths if after[path] is None} == {"apps/c", "apps/c/d", "apps/b/x/y"}
    assert sorted(mirrors.changed_paths(plain.http_url, old, new)) == ["apps/a/x", "common/x"]
    assert mirrors.changed_paths(plain.http_url, "a" * 40, new) is None


def test_ids_of_names_that_git_must_not_misread(make, plain):
    sha = plain.publish({"new\nline/x": "1", "-dash": "2", "a:b": "3", "ü": "4", "*": "5", " x missing": "6"})
    paths = ["new\nline", "new\nline/x", "-dash", "a:b", "ü", "*", " x missing", "absent\n", "--upload-pack=x"]
    ids = make().tree_ids(plain.http_url, sha, paths)
    assert [path for path in paths if ids[path] is None] == ["absent\n", "--upload-pack=x"]
    with make().checkout(plain.http_url, sha) as tree:
        tree.need("new\nline")
        tree.need("-dash")
        tree.need("*")
        assert _files(tree.root) == {"new\nline/x", "-dash", "*"}


def test_many_applications_of_one_monorepo(make, plain, git_server):
    """500 applications: one ls-remote and one fetch for each new commit; ids prove which of them it does not touch."""
    plain.write({f"apps/a{n:03}/f{i}.yaml": f"{n} {i}\n" for n in range(500) for i in range(20)})
    old = plain.commit()
    plain.push()
    mirrors = make()
    paths = [f"apps/a{n:03}" for n in range(500)]
    before = mirrors.tree_ids(plain.http_url, old, paths)
    new = plain.publish({"apps/a123/f1.yaml": "changed\n"})
    git_server.reset_counts()
    sha = mirrors.refs(plain.http_url).require("main")
    assert sha == new
    for _ in paths:
        mirrors.ensure(plain.http_url, sha)
    after = mirrors.tree_ids(plain.http_url, sha, paths)
    assert [path for path in paths if before[path] != after[path]] == ["apps/a123"]
    with mirrors.checkout(plain.http_url, sha) as tree:
        tree.need("apps/a123")
        assert len(_files(tree.root)) == 20
    # One ls-remote and one fetch.
    assert git_server.counts(plain.name) == {"git-upload-pack": 2}


def test_processes_share_one_fetch(make, plain, git_server, tmp_path):
    sha = plain.publish({f"a/{n}": str(n) for n in range(200)})
    git_server.reset_counts()
    script = f"""
from pathlib import Path
from gitops.model.credentials import RepositoryConfig
from gitops.source.access import Bounds
from gitops.source.git import Mirrors
mirrors = Mirrors(Path({str(tmp_path / "git")!r}), RepositoryConfig(), bounds=Bounds(protocols=frozenset(["http"])))
with mirrors.checkout({plain.http_url!r}, {sha!r}) as tree:
    tree.need("a")
    print(sum(1 for p in (tree.root / "a").iterdir()))
"""
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[0].strip() for process in running] == [b"200"] * 4
    assert git_server.counts(plain.name) == FETCH


def test_disk_stays_bounded(make, plain, tmp_path):
    """With room for next to nothing, what is in use stays and the rest goes."""
    bounds = Bounds(protocols=frozenset({"http"}), checkouts_disk_mib=1)
    mirrors = make(bounds=bounds)
    content = "x" * 700_000
    shas = [plain.publish({"a": content + str(n)}) for n in range(4)]
    with mirrors.checkout(plain.http_url, shas[0]) as held:
        held.need("a")
        for sha in shas[1:]:
            with mirrors.checkout(plain.http_url, sha) as tree:
                tree.need("a")
        assert (held.root / "a").exists()
        assert len(list((tmp_path / "git" / "checkouts").iterdir())) <= 2
    with mirrors.checkout(plain.http_url, shas[1]) as tree:
        tree.need("a")
        assert (tree.root / "a").exists()


def test_packs_and_commits_do_not_grow_with_time(make, plain, tmp_path, monkeypatch):
    monkeypatch.setattr("gitops.source.git.mirror._PACKS", 3)
    monkeypatch.setattr("gitops.source.git.mirror._PINS", 2)
    mirrors = make()
    for n in range(9):
        sha = plain.publish({"a": str(n)})
        mirrors.ensure(plain.http_url, sha)
        assert mirrors.tree_ids(plain.http_url, sha, ["a"])["a"]
    (mirror,) = (tmp_path / "git" / "mirrors").glob("*/repo.git")
    assert len(list(mirror.glob("objects/pack/*.pack"))) <= 4
    assert len(list(mirror.glob("refs/gitops/*"))) <= 5


def test_project_that_does_not_permit(make, plain, git_server):
    plain.publish({"a": "1"})
    git_server.reset_counts()
    with pytest.raises(ProjectDenied, match="sourceRepos"):
        make(allowed=lambda url: False).refs(plain.http_url)
    assert git_server.counts(plain.name) == {}


def test_empty_repository(make, plain):
    with pytest.raises(RevisionError, match="is empty"):
        make().refs(plain.http_url).require("HEAD")


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
