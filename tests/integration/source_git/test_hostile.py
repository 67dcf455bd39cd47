"""Repositories and URLs that try to run, read or reach what is not theirs."""

from __future__ import annotations

import os
import subprocess

import pytest

from gitops.errors import ProjectDenied, RepositoryError, RevisionError, SourceError
from gitops.source.access import Bounds
from testbed.gitrepo import ENVIRONMENT, git


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch {mark}",
        "-oProxyCommand=touch {mark}",
        "ext::sh -c 'touch {mark}'",
        "ext::touch% {mark}",
        "fd::7",
        "/etc/passwd",
        "./repo",
        "file:///etc",
        "ssh://-oProxyCommand=touch%20{mark}/x",
        "ssh://-oProxyCommand=x@host/x",
        "git@-oProxyCommand=x:repo",
        "https://host/x\n[core]",
        "ftp://host/x",
        "git://host/x",
        "https://",
        "",
        "host:-x",
    ],
)
def test_urls_that_are_refused(make, tmp_path, url):
    mark = tmp_path / "mark"
    with pytest.raises(RepositoryError):
        make(bounds=Bounds()).refs(url.format(mark=mark))
    assert not mark.exists()


def test_error_hides_a_password_in_a_refused_url(make):
    with pytest.raises(RepositoryError) as caught:
        make(bounds=Bounds()).refs("ftp://user:hunter2@host/x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "revision", ["--upload-pack=touch {mark}", "-x", "$(touch {mark})", "main;touch {mark}", "../x"]
)
def test_revisions_that_look_like_options(make, plain, tmp_path, revision):
    plain.publish({"a": "1"})
    mark = tmp_path / "mark"
    mirrors = make()
    with pytest.raises(RevisionError, match="unable to resolve"):
        mirrors.refs(plain.http_url).require(revision.format(mark=mark))
    with pytest.raises(RevisionError, match="is not a commit SHA"):
        mirrors.ensure(plain.http_url, revision.format(mark=mark))
    assert not mark.exists()


def test_a_branch_named_like_an_option(make, plain):
    sha = plain.publish({"a": "1"})
    git("update-ref", "refs/heads/--upload-pack=x", sha, cwd=plain.bare)
    mirrors = make()
    assert mirrors.ensure(plain.http_url, mirrors.refs(plain.http_url).require("--upload-pack=x")) == sha


def test_filters_attributes_and_hooks_do_nothing(make, plain, tmp_path):
    mark = tmp_path / "mark"
    sha = plain.publish(
        {
            ".gitattributes": "* filter=evil ident eol=crlf\nx.yaml export-ignore\n",
            ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {mark}\n',
            "x.yaml": "$Id$\nline\n",
            "hooks/post-checkout": f"#!/bin/sh\ntouch {mark}\n",
        }
    )
    with make().checkout(plain.http_url, sha) as tree:
        tree.need("")
        assert (tree.root / "x.yaml").read_bytes() == b"$Id$\nline\n"
    assert not mark.exists()


def test_a_tree_with_a_symlink_and_a_folder_of_one_name(make, plain, tmp_path):
    """Written naively, `a/owned` would go through the symlink `a`, out of the checkout."""
    outside = tmp_path / "outside"
    outside.mkdir()
    blob = _object(plain, "blob", str(outside).encode())
    inner = _object(plain, "tree", _entry(b"100644", b"owned", blob))
    root = _object(plain, "tree", _entry(b"120000", b"a", blob) + _entry(b"40000", b"a", inner))
    sha = _commit(plain, root)
    with make().checkout(plain.http_url, sha) as tree, pytest.raises(SourceError, match="same name"):
        tree.need("")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT"])
def test_a_tree_with_forbidden_names(make, plain, name):
    blob = _object(plain, "blob", b"x")
    inner = _object(plain, "tree", _entry(b"100644", b"config", blob))
    sha = _commit(plain, _object(plain, "tree", _entry(b"40000", name, inner)))
    with make().checkout(plain.http_url, sha) as tree, pytest.raises(SourceError, match="may be called"):
        tree.need("")


def test_a_huge_file_is_refused_before_it_is_written(make, plain, tmp_path):
    plain.write({"apps/big/data.yaml": b"\0" * (20 << 20), "apps/ok/x.yaml": "x"})
    sha = plain.commit()
    plain.push()
    bounds = Bounds(protocols=frozenset({"http"}), checkout_mib=10)
    with make(bounds=bounds).checkout(plain.http_url, sha) as tree:
        with pytest.raises(SourceError, match="more than 10 MiB"):
            tree.need("apps/big")
        assert not (tree.root / "apps/big").exists()
        tree.need("apps/ok")


def test_too_many_files(make, plain):
    sha = plain.publish({f"a/{n}": "" for n in range(30)})
    bounds = Bounds(protocols=frozenset({"http"}), checkout_files=20)
    with (
        make(bounds=bounds).checkout(plain.http_url, sha) as tree,
        pytest.raises(SourceError, match="more than 20 files"),
    ):
        tree.need("a")


def test_a_fetch_that_outgrows_its_bound(make, plain, tmp_path):
    plain.write({"noise": os.urandom(3 << 20)})
    sha = plain.commit()
    plain.push()
    bounds = Bounds(protocols=frozenset({"http"}), fetch_mib=1)
    with pytest.raises(RepositoryError, match="GITOPS_REPO_FETCH_MIB"):
        make(bounds=bounds).ensure(plain.http_url, sha)
    assert sum(p.stat().st_size for p in (tmp_path / "git").rglob("*") if p.is_file()) < 2 << 20


# --- submodules ---


def test_submodules(make, git_server, plain):
    lib = git_server.create("hostile/lib")
    try:
        lib_sha = lib.publish({"base/kustomization.yaml": "resources: []\n"})
        sha = _with_submodule(plain, "vendor/lib", "../../hostile/lib.git", lib_sha)
        mirrors = make()
        with mirrors.checkout(plain.http_url, sha) as tree:
            tree.need("own.yaml")
            assert not (tree.root / "vendor").exists()
            tree.need("vendor/lib/base")
            assert (tree.root / "vendor/lib/base/kustomization.yaml").exists()
            tree.need("")
        ids = mirrors.tree_ids(plain.http_url, sha, ["vendor/lib", "vendor/lib/base", "vendor/absent"])
        assert ids == {"vendor/lib": lib_sha, "vendor/lib/base": lib_sha, "vendor/absent": None}
    finally:
        git_server.remove("hostile/lib")


@pytest.mark.parametrize(
    "url", ["file:///etc", "/etc", "ext::sh -c x", "--upload-pack=x", "-x", "ssh://-oProxyCommand=x/y"]
)
def test_submodules_of_other_transports(make, plain, url):
    sha = _with_submodule(plain, "sub", url, "a" * 40)
    with make().checkout(plain.http_url, sha) as tree, pytest.raises(RepositoryError):
        tree.need("sub")


def test_submodule_that_the_project_does_not_permit(make, git_server, plain):
    """Refused before any connection: the server counts nothing."""
    other = git_server.create("hostile/secret")
    try:
        other_sha = other.publish({"a": "1"})
        sha = _with_submodule(plain, "sub", other.http_url, other_sha)
        git_server.reset_counts()
        mirrors = make(allowed=lambda url: url == plain.http_url)
        with mirrors.checkout(plain.http_url, sha) as tree, pytest.raises(ProjectDenied, match="hostile/secret"):
            tree.need("")
        assert git_server.counts("hostile/secret") == {}
    finally:
        git_server.remove("hostile/secret")


def test_submodule_of_itself_ends(make, plain):
    """A repository cannot hold its own commit's id, but a chain of commits nests as deep as it likes."""
    sha = _with_submodule(plain, "sub", plain.http_url, plain.publish({"x": "1"}))
    for _ in range(4):
        sha = _with_submodule(plain, "sub", plain.http_url, sha)
    bounds = Bounds(protocols=frozenset({"http"}), submodule_depth=3)
    with make(bounds=bounds).checkout(plain.http_url, sha) as tree, pytest.raises(RepositoryError, match="too deeply"):
        tree.need("")


def test_gitmodules_that_is_a_symlink(make, plain):
    link = _object(plain, "blob", b"/etc/passwd")
    sha = _commit(
        plain, _object(plain, "tree", _entry(b"120000", b".gitmodules", link) + _entry(b"160000", b"sub", "a" * 40))
    )
    with make().checkout(plain.http_url, sha) as tree, pytest.raises(RepositoryError, match="no URL"):
        tree.need("sub")


def _with_submodule(repo, path: str, url: str, sha: str) -> str:
    repo.write({".gitmodules": f'[submodule "m"]\n\tpath = {path}\n\turl = {url}\n', "own.yaml": "x"})
    git("add", ".gitmodules", "own.yaml", cwd=repo.work)
    git("update-index", "--add", "--cacheinfo", f"160000,{sha},{path}", cwd=repo.work)
    git("commit", "-q", "--allow-empty", "-m", "submodule", cwd=repo.work)
    repo.push()
    return repo.head


def _entry(mode: bytes, name: bytes, oid: str) -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(oid)


def _object(repo, kind: str, content: bytes) -> str:
    return (
        subprocess.run(
            ["git", "hash-object", "--literally", "-w", "-t", kind, "--stdin"],
            input=content, cwd=repo.bare, capture_output=True, check=True,
        )
        .stdout.decode()
        .strip()
    )  # fmt: skip


def _commit(repo, tree: str) -> str:
    env = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(
        ["git", "commit-tree", "-m", "x", tree], cwd=repo.bare, env=env, capture_output=True, check=True, text=True
    )
    sha = done.stdout.strip()
    git("update-ref", "refs/heads/main", sha, cwd=repo.bare)
    return sha
