"""Real servers that refuse what is wrong, and credentials that nobody sees."""

from __future__ import annotations

import os
import shlex
import shutil
import ssl
import stat
from urllib.parse import quote

import pytest

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import Bounds
from gitops.source.access.urls import parse_url
from gitops.source.charts import ChartRepositories
from gitops.source.git.session import session
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
    assert locked.counts("team/app") == {"git-upload-pack": 1}


def test_password_in_the_url(make, url, ca):

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

    plain.publish({"a": "b"})
    git_server.hang(plain.name)
    try:
        bounds = Bounds(protocols=frozenset({"http"}), command_seconds=0.5)
        with pytest.raises(RepositoryError, match="did not answer within"):
            make(bounds=bounds).refs(plain.http_url)
    finally:
        git_server.heal(plain.name)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "pki")


@pytest.fixture
def demanding(web, authority):
    """A server that wants a client certificate of the authority, and has neither a repository nor a chart."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server_cert, authority.server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    return web(lambda request: (404, b""), context)


def test_tls_client_certificate(make, tmp_path):
    with GitServer(tls=True, client_certificates=True, ssh=False) as server:
        sha = server.create("team/app").publish({"a": "1"})
        url, ca = f"{server.http_url}/team/app.git", {"127.0.0.1": server.ca_file.read_text()}
        certificate, key = server.client_certificate("deploy")
        mirrors = make(Repository(url=url, tlsClientCertData=certificate, tlsClientCertKey=key), tls_certs=ca)
        assert mirrors.ensure(url, mirrors.refs(url).require("main")) == sha
        server.reset_counts()
        other, its_key = (part.decode() for part in Authority(tmp_path / "other").client("deploy"))
        for wrong in (Repository(url=url, tlsClientCertData=other, tlsClientCertKey=its_key), Repository(url=url)):
            with pytest.raises(RepositoryError) as caught:
                make(wrong, tls_certs=ca, root="wrong").refs(url)
            assert "PRIVATE KEY" not in str(caught.value)
        assert server.counts("team/app") == {}


def test_tls_client_certificate_for_charts(demanding, authority, tmp_path):
    certificate, key = (part.decode() for part in authority.client("deploy"))
    entry = Repository(url=demanding.url, tlsClientCertData=certificate, tlsClientCertKey=key)
    ca = {"127.0.0.1": authority.ca_file.read_text()}
    for repositories, message in (((entry,), "does not exist there"), ((), "cannot be reached")):
        config = RepositoryConfig(repositories=repositories, tls_certs=ca)
        with pytest.raises(RepositoryError, match=message):
            ChartRepositories(tmp_path, config).resolve(demanding.url, "web", "*")
    with pytest.raises(RepositoryError, match="add its CA"):
        ChartRepositories(tmp_path, RepositoryConfig(repositories=(entry,))).resolve(demanding.url, "web", "*")


def test_proxy(make, web):
    proxy = web(lambda request: (404, b""))
    url = "http://git.internal.example/r.git"
    with pytest.raises(RepositoryError):
        make(Repository(url=url, proxy=f"http://user:pr0xy-pw@127.0.0.1:{proxy.port}")).refs(url)
    # Both ways to speak to the server lead through it.
    asked = [request.path.removeprefix("http://git.internal.example/r.git/") for request in proxy.seen]
    assert asked == ["git-upload-pack", "info/refs?service=git-upload-pack"]
    proxy.seen.clear()
    with pytest.raises(RepositoryError, match="does not resolve") as caught:
        make(Repository(url=url, proxy=f"http://u:pr0xy-pw@127.0.0.1:{proxy.port}", noProxy=".example")).refs(url)
    assert proxy.seen == []
    assert "pr0xy" not in str(caught.value)


def test_bearer_token(make):
    with GitServer(token="t0k3n", tls=True, ssh=False) as server:
        sha = server.create("team/app").publish({"a": "1"})
        url, ca = f"{server.http_url}/team/app.git", {"127.0.0.1": server.ca_file.read_text()}
        mirrors = make(Repository(url=url, bearerToken="t0k3n"), tls_certs=ca)
        assert mirrors.ensure(url, mirrors.refs(url).require("main")) == sha
        with pytest.raises(RepositoryError, match="refuses the credentials") as caught:
            make(Repository(url=url, bearerToken="not-the-t0k3n"), tls_certs=ca).refs(url)
        assert "not-the-t0k3n" not in str(caught.value)


def test_a_redirect_gets_no_credentials(make, web):
    other = web(lambda request: (401, b"", {"WWW-Authenticate": "Basic"}))
    server = web(lambda request: (302, b"", {"Location": other.url + request.path}))
    url = f"{server.url}/r.git"
    with pytest.raises(RepositoryError, match="refuses the credentials"):
        make(Repository(url=url, username=USER, password=PASSWORD)).refs(url)
    assert other.seen
    for entry in (
        Repository(url=url, username=USER, password=PASSWORD, forceHttpBasicAuth=True),
        Repository(url=url, bearerToken=PASSWORD),
    ):
        with pytest.raises(RepositoryError, match="redirects to another address"):
            make(entry).refs(url)
    assert all("authorization" not in request.headers for request in other.seen)


def test_an_ssh_url_that_the_operator_leads_elsewhere(make, locked, tmp_path):
    """The Application says git@gitlab.com:…, the Secret too, and a local server answers."""
    config = tmp_path / "operator.gitconfig"
    config.write_text(f'[url "{locked.ssh_url}/"]\n\tinsteadOf = git@gitlab.com:\n')
    entry = Repository(url="git@gitlab.com:team/app.git", sshPrivateKey=locked.ssh_key.read_text())
    mirrors = make(entry, known_hosts=locked.known_hosts.read_text(), bounds=Bounds(git_config_file=config))
    sha = mirrors.refs("git@gitlab.com:team/app.git").require("main")
    with mirrors.checkout("git@gitlab.com:team/app.git", sha) as tree:
        tree.need("apps/web")
        assert (tree.root / "apps/web/deploy.yaml").read_text() == "kind: Deployment\n"


def test_the_operators_rewriting_leads_to_no_protocol_that_is_not_permitted(make, tmp_path):
    config = tmp_path / "operator.gitconfig"
    config.write_text('[url "file:///etc/"]\n\tinsteadOf = https://h/\n')
    with pytest.raises(RepositoryError, match="uses file, which the operator does not permit"):
        make(bounds=Bounds(git_config_file=config)).refs("https://h/x")
