"""Real servers that refuse what is wrong, and credentials that nobody sees."""

from __future__ import annotations

import os
import shlex
import shutil
import stat

import pytest

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository
from testbed.certificates import Authority
from testbed.gitserver import GitServer

USER, PASSWORD = "deploy", "pa55-w0rd:@/%secret"


@pytest.fixture
def url(locked: GitServer) -> str:
    return f"{locked.http_url}/team/app.git"


@pytest.fixture
def ssh_url(locked: GitServer) -> str:
    return f"{locked.ssh_url}/team/app.git"


@pytest.fixture
def ca(locked: GitServer) -> dict[str, str]:
    return {"127.0.0.1": locked.ca_file.read_text()}


def test_https_with_password(make, url, ca, locked):
    mirrors = make(Repository(url=url, username=USER, password=PASSWORD), tls_certs=ca)
    refs = mirrors.refs(url)
    assert refs.head == "refs/heads/main"
    assert mirrors.ensure(url, refs.require("HEAD")) == refs.names["refs/heads/main"]


def test_https_with_header_sent_at_once(make, url, ca, locked):
    locked.reset_counts()
    make(Repository(url=url, username=USER, password=PASSWORD, forceHttpBasicAuth=True), tls_certs=ca).refs(url)
    # No request is made without the header, as there is after a challenge.
    assert locked.counts("team/app") == {"info/refs git-upload-pack": 1, "git-upload-pack": 1}


def test_password_in_the_url(make, url, ca):
    from urllib.parse import quote

    embedded = url.replace("https://", f"https://{USER}:{quote(PASSWORD, safe='')}@")
    refs = make(tls_certs=ca).refs(embedded)
    assert refs.head == "refs/heads/main"
    assert PASSWORD not in refs.url
    assert "pa55" not in refs.url


def test_wrong_password(make, url, ca):
    mirrors = make(Repository(url=url, username=USER, password="not-the-pa55"), tls_certs=ca)
    with pytest.raises(RepositoryError, match="refuses the credentials") as caught:
        mirrors.refs(url)
    assert "not-the-pa55" not in str(caught.value)


def test_no_password(make, url, ca):
    with pytest.raises(RepositoryError, match="refuses the credentials"):
        make(tls_certs=ca).refs(url)


def test_unknown_ca(make, url):
    with pytest.raises(RepositoryError, match="add its CA to argocd-tls-certs-cm"):
        make(Repository(url=url, username=USER, password=PASSWORD)).refs(url)


def test_wrong_ca(make, url, tmp_path):
    other = Authority(tmp_path / "pki")
    mirrors = make(
        Repository(url=url, username=USER, password=PASSWORD), tls_certs={"127.0.0.1": other.ca_file.read_text()}
    )
    with pytest.raises(RepositoryError, match="is not trusted"):
        mirrors.refs(url)


def test_insecure_skips_the_certificate(make, url):
    assert make(Repository(url=url, username=USER, password=PASSWORD, insecure=True)).refs(url).names


def test_template_by_longest_prefix(make, url, ca, locked):
    wrong = Repository(url=locked.http_url, username=USER, password="wrong")
    right = Repository(url=f"{locked.http_url}/team", username=USER, password=PASSWORD)
    assert make(Repository(url=url), templates=(wrong, right), tls_certs=ca).refs(url).names


def test_ssh_with_key(make, ssh_url, locked):
    mirrors = make(
        Repository(url=ssh_url, sshPrivateKey=locked.ssh_key.read_text()), known_hosts=locked.known_hosts.read_text()
    )
    assert mirrors.ensure(ssh_url, mirrors.refs(ssh_url).require("main"))


def test_ssh_wrong_key(make, ssh_url, locked, git_server):
    mirrors = make(
        Repository(url=ssh_url, sshPrivateKey=git_server.ssh_key.read_text()),
        known_hosts=locked.known_hosts.read_text(),
    )
    with pytest.raises(RepositoryError, match="refuses the credentials"):
        mirrors.refs(ssh_url)


def test_ssh_wrong_host_key(make, ssh_url, locked, git_server):
    other = git_server.known_hosts.read_text().replace(str(git_server.ssh_port), str(locked.ssh_port))
    mirrors = make(Repository(url=ssh_url, sshPrivateKey=locked.ssh_key.read_text()), known_hosts=other)
    with pytest.raises(RepositoryError, match="argocd-ssh-known-hosts-cm"):
        mirrors.refs(ssh_url)


def test_ssh_unknown_host(make, ssh_url, locked):
    mirrors = make(Repository(url=ssh_url, sshPrivateKey=locked.ssh_key.read_text()))
    with pytest.raises(RepositoryError, match="argocd-ssh-known-hosts-cm"):
        mirrors.refs(ssh_url)


def test_ssh_host_key_ignored_when_asked(make, ssh_url, locked):
    entry = Repository(url=ssh_url, sshPrivateKey=locked.ssh_key.read_text(), insecureIgnoreHostKey=True)
    assert make(entry).refs(ssh_url).names


def test_credentials_follow_the_operators_rewriting(make, url, ca, tmp_path, locked):
    """git@gitlab.example.com:… is served elsewhere: the operator's insteadOf decides, the Secret's URL stays."""
    from gitops.source.access import Bounds

    config = tmp_path / "operator.gitconfig"
    config.write_text(f'[url "{locked.http_url}/"]\n\tinsteadOf = https://gitlab.example.com/\n')
    bounds = Bounds(git_config_file=config)
    entry = Repository(url="https://gitlab.example.com/team/app", username=USER, password=PASSWORD)
    mirrors = make(entry, tls_certs=ca, bounds=bounds)
    assert mirrors.refs("https://gitlab.example.com/team/app.git").names


def test_nobody_sees_a_credential(make, url, ssh_url, ca, locked, tmp_path, monkeypatch):
    """A git and an ssh on PATH that note every argument and variable of theirs see no secret, nor does a file stay."""
    seen = tmp_path / "seen"
    seen.mkdir()
    for name in ("git", "ssh"):
        real = shutil.which(name)
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        note = f"{shlex.quote(str(seen))}/$$"
        script.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$0" "$@"; env; }} >> {note}\nexec {real} "$@"\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("GITOPS_SEAL_KEY", "the-workers-own-secret")
    key = locked.ssh_key.read_text()
    mirrors = make(
        Repository(url=url, username=USER, password=PASSWORD),
        Repository(url=ssh_url, sshPrivateKey=key),
        tls_certs=ca,
        known_hosts=locked.known_hosts.read_text(),
    )
    for address in (url, ssh_url):
        mirrors.ensure(address, mirrors.refs(address).require("main"))
    # The server runs git too, with what the test's own process has; its notes are not of interest.
    notes = "".join(text for path in seen.iterdir() if "GIT_PROJECT_ROOT" not in (text := path.read_text()))
    assert "upload-pack" in notes  # both were really run
    assert "ls-remote" in notes
    for secret in (PASSWORD, "pa55-w0rd", key.splitlines()[2], "the-workers-own-secret"):
        assert secret not in notes
    for path in (tmp_path / "git").rglob("*"):
        if path.is_file():
            assert b"pa55-w0rd" not in path.read_bytes()
            assert b"OPENSSH PRIVATE KEY" not in path.read_bytes()


def test_credential_files_are_private_while_they_live(make, url, ca, tmp_path, monkeypatch):
    from gitops.model.credentials import RepositoryConfig
    from gitops.source.access import Bounds
    from gitops.source.access.urls import parse_url
    from gitops.source.git.session import session

    config = RepositoryConfig(repositories=(Repository(url=url, username=USER, password=PASSWORD),), tls_certs=ca)
    bounds = Bounds()
    with session(tmp_path, parse_url(url, bounds.protocols), config, "", bounds) as opened:
        folder = opened.runner.config.parent
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
        assert set(modes.values()) == {0o600, 0o700}
        assert "credentials" in modes
    assert not folder.exists()


def test_unreachable(make):
    with pytest.raises(RepositoryError, match="takes no connection"):
        make().refs("https://127.0.0.1:1/x.git")


def test_no_such_repository(make, locked, ca):
    url = f"{locked.http_url}/team/absent.git"
    entry = Repository(url=url, username=USER, password=PASSWORD)
    with pytest.raises(RepositoryError, match="does not exist there"):
        make(entry, tls_certs=ca).refs(url)


def test_a_server_that_hangs_is_given_up(make, git_server, plain):
    from gitops.source.access import Bounds

    plain.publish({"a": "b"})
    git_server.hang(plain.name)
    try:
        bounds = Bounds(protocols=frozenset({"http"}), command_seconds=0.5)
        with pytest.raises(RepositoryError, match="did not answer within"):
            make(bounds=bounds).refs(plain.http_url)
    finally:
        git_server.heal(plain.name)
