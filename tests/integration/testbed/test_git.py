"""The Git server serves what was published, over every transport, and fails when told to."""

import os
from pathlib import Path

import pytest

from testbed.gitrepo import GitError, git
from testbed.gitserver import GitServer


@pytest.fixture(scope="module")
def server(git_server: GitServer) -> GitServer:
    return git_server


def test_a_repository_is_cloned_over_http_ssh_and_file(server: GitServer, tmp_path: Path) -> None:
    repo = server.create("team/cloned")
    sha = repo.publish({"deploy/app.yaml": "kind: ConfigMap\n"})
    for name, url in {"http": repo.http_url, "ssh": repo.ssh_url, "file": repo.file_url}.items():
        git("clone", "--quiet", url, tmp_path / name, env={"GIT_SSH_COMMAND": server.ssh_command})
        assert git("rev-parse", "HEAD", cwd=tmp_path / name) == sha
        assert (tmp_path / name / "deploy/app.yaml").read_text() == "kind: ConfigMap\n"


@pytest.mark.parametrize("transport", ["http", "ssh"])
def test_commits_are_pushed_over(server: GitServer, tmp_path: Path, transport: str) -> None:
    repo = server.create(f"team/pushed-{transport}")
    repo.publish({"a": "1"})
    env = {"GIT_SSH_COMMAND": server.ssh_command}
    git("clone", "--quiet", getattr(repo, f"{transport}_url"), tmp_path / "work", env=env)
    # Over git's limit for one request, so that it comes in chunks.
    (tmp_path / "work" / "large").write_bytes(os.urandom(3_000_000))
    git("add", ".", cwd=tmp_path / "work")
    git("commit", "--quiet", "-m", "large", cwd=tmp_path / "work")
    git("push", "--quiet", cwd=tmp_path / "work", env=env)
    assert git("rev-parse", "main", cwd=repo.bare) == git("rev-parse", "HEAD", cwd=tmp_path / "work")


def test_branches_tags_and_forced_pushes(server: GitServer) -> None:
    repo = server.create("team/refs")
    first = repo.publish({"a": "1"})
    repo.tag("v1")
    repo.branch("feature")
    second = repo.publish({"a": "2"})
    repo.branch("main")
    repo.publish({"a": "3"})
    repo.reset(first)
    repo.push(force=True)
    refs = dict(reversed(line.split("\t")) for line in git("ls-remote", repo.http_url).splitlines())
    assert refs["refs/tags/v1"] == first
    assert refs["refs/heads/feature"] == second
    assert refs["refs/heads/main"] == first


def test_a_folder_is_published_as_it_is(server: GitServer, tmp_path: Path) -> None:
    (tmp_path / "in" / "base").mkdir(parents=True)
    (tmp_path / "in" / "base" / "app.yaml").write_text("a: 1\n")
    (tmp_path / "in" / "base").chmod(0o555)
    repo = server.create("team/folder")
    repo.from_directory(tmp_path / "in", under="apps")
    repo.commit()
    repo.push()
    assert git("show", "main:apps/base/app.yaml", cwd=repo.bare) == "a: 1"


def test_an_unknown_key_is_refused(server: GitServer, tmp_path: Path) -> None:
    repo = server.create("team/private")
    repo.publish({"a": "1"})
    with GitServer() as other:
        strangers = server.ssh_command.replace(str(server.ssh_key), str(other.ssh_key))
        with pytest.raises(GitError, match="Permission denied"):
            git("ls-remote", repo.ssh_url, env={"GIT_SSH_COMMAND": strangers})


def test_ssh_runs_nothing_but_git_below_its_root(server: GitServer) -> None:
    base, env = server.ssh_url, {"GIT_SSH_COMMAND": server.ssh_command}
    for escape in ("../pki.git", "../../etc"):
        with pytest.raises(GitError, match="does not appear to be a git repository"):
            git("ls-remote", f"{base}/{escape}", env=env)
    with pytest.raises(GitError, match="only git is served here"):
        git("ls-remote", "--upload-pack=id", f"{base}/team/app.git", env=env)


def test_requests_are_counted_and_fail_when_told_to(server: GitServer) -> None:
    repo = server.create("team/counted")
    repo.publish({"a": "1"})
    git("ls-remote", repo.http_url)
    assert server.counts("team/counted")["info/refs git-upload-pack"] == 1
    server.fail("team/counted", 503)
    with pytest.raises(GitError, match="503"):
        git("ls-remote", repo.http_url)
    server.hang("team/counted")
    with pytest.raises(GitError):
        git("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=1", "ls-remote", repo.http_url)
    server.heal("team/counted")
    assert git("ls-remote", repo.http_url)


def test_tls_and_a_password(tmp_path: Path) -> None:
    with GitServer(username="bot", password="s3cret", tls=True, ssh=False) as server:
        repo = server.create("app")
        repo.publish({"a": "1"})
        known = {"GIT_SSL_CAINFO": str(server.ca_file)}
        with pytest.raises(GitError, match="could not read Username"):
            git("ls-remote", repo.http_url, env=known)
        with pytest.raises(GitError, match="certificate"):
            git("ls-remote", repo.http_url)
        assert git("ls-remote", repo.http_url.replace("://", "://bot:s3cret@"), env=known)
