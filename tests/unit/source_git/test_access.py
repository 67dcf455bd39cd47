"""URLs, Secrets, and which credentials belong to what."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.settings import Settings
from gitops.source.access import Bounds, load_repository_config, normalise, repository_for, scrub
from gitops.source.access.github_app import installation_token
from gitops.source.access.http import bypasses, client
from gitops.source.access.urls import join, parse_url

ALL = frozenset({"https", "ssh", "http", "file", "oci"})


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:Org/App.git", "git@github.com:org/app", "ssh://git@github.com/org/app",
        "git@github.com/org/app",
        " ssh://git@GitHub.com/org/app.git/ ",
    ],
)  # fmt: skip
def test_equal_ssh_urls(url):
    assert normalise(url) == "git@github.com/org/app"


def test_https_urls_are_equal_among_themselves():
    assert normalise("https://user:pw@GitHub.com/Org/App.git") == normalise("https://github.com/org/app/")
    assert normalise("https://github.com/org/app") != normalise("git@github.com:org/app")
    assert normalise("http://github.com/org/app") != normalise("https://github.com/org/app")


def test_url_in_parts():
    url = parse_url("https://us%40er:p%40ss@Git.example.com:8443/a/b.git", ALL)
    assert (url.text, url.host, url.port, url.user, url.password) == (
        "https://git.example.com:8443/a/b.git", "git.example.com", 8443, "us@er", "p@ss",
    )  # fmt: skip
    assert "p@ss" not in repr(url)
    assert parse_url("deploy@git.example.com:a/b", ALL).user == "deploy"
    assert parse_url("ssh://git@[::1]:2222/a", ALL).text == "ssh://git@[::1]:2222/a"


@pytest.mark.parametrize(
    "text", ["https://u:hunter2@h/x", "a https://hunter2@h b", "ssh://u:hun@ter2@h/", "https://u:hunter2@"]
)
def test_scrub(text):
    assert "hunter2" not in scrub(text)
    assert "ter2" not in scrub(text)
    assert scrub("the word s3cr/et and s3cr%2Fet", ("s3cr/et",)) == "the word *** and ***"


@pytest.mark.parametrize(
    ("base", "relative", "absolute"),
    [
        ("https://h:8/a/b.git", "../c.git", "https://h:8/a/c.git"),
        ("https://h/a/b", "./c", "https://h/a/b/c"),
        ("git@h:a/b.git", "../c.git", "git@h:a/c.git"),
        ("git@h:a/b.git", "../../x/c", "git@h:x/c"),
        ("ssh://git@h:2/a/b", "../../../../c", "ssh://git@h:2/c"),
        ("https://h/a", "https://other/x", "https://other/x"),
    ],
)
def test_relative_submodule_urls(base, relative, absolute):
    assert join(base, relative) == absolute


def test_own_entry_template_and_neither():
    own = Repository(url="https://h/team/app.git", username="own", password="1")
    bare = Repository(url="https://h/team/bare", enableLfs=True)
    short = Repository(url="https://h/", username="short", password="2")
    long = Repository(url="https://h/team/", username="long", password="3")
    config = RepositoryConfig(repositories=(own, bare), templates=(short, long))
    answers = {
        "https://H/team/App": "own",
        "https://h/team/bare.git": "long",
        "https://h/team/other": "long",
        "https://h/teams/other": "short",
        "https://other/team/app": "",
    }
    assert {url: repository_for(config, url).username for url in answers} == answers
    assert repository_for(config, "https://h/team/bare").enableLfs


def test_a_template_that_ends_in_a_host_name_is_no_other_hosts():
    config = RepositoryConfig(templates=(Repository(url="https://github.com", username="u", password="p"),))
    assert repository_for(config, "https://github.com/org/app").password
    assert not repository_for(config, "https://github.com.evil.example/org/app").password
    config = RepositoryConfig(templates=(Repository(url="git@github.com", sshPrivateKey="k"),))
    assert repository_for(config, "git@github.com:org/app").sshPrivateKey
    assert not repository_for(config, "git@github.com.evil.example:org/app").sshPrivateKey


def test_a_template_may_end_in_the_path():
    config = RepositoryConfig(templates=(Repository(url="https://h/team-", username="u", password="p"),))
    assert repository_for(config, "https://h/team-a/app").password


def test_project_scoped_entries():
    shared = Repository(url="https://h/a", username="shared", password="1")
    scoped = Repository(url="https://h/a", username="scoped", password="2", project="red")
    config = RepositoryConfig(repositories=(shared, scoped))
    users = {project: repository_for(config, "https://h/a", project).username for project in ("red", "blue", "")}
    assert users == {"red": "scoped", "blue": "shared", "": "shared"}


def _secret(kind: str, name: str = "s", **values: str) -> dict:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "metadata": {"name": name, "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": kind}},
        "data": data,
    }


def test_reading_secrets_and_configmaps(caplog):
    secrets = [
        _secret(
            "repository", url="https://h/a", password="p w\n", insecure="true", enableLfs="false", depth="3", other="x"
        ),
        _secret("repo-creds", url="git@h", sshPrivateKey="-----BEGIN\nx\n-----END\n"),
        _secret("cluster", server="https://k"),
        _secret("repository", "broken", url="https://h/b", depth="three", password="hunter2"),
        {"metadata": {"name": "plain"}},
    ]
    maps = [
        {"metadata": {"name": "argocd-ssh-known-hosts-cm"}, "data": {"ssh_known_hosts": "h ssh-ed25519 AAAA"}},
        {"metadata": {"name": "argocd-tls-certs-cm"}, "data": {"H.example.com": "PEM"}},
        {"metadata": {"name": "argocd-gpg-keys-cm"}, "data": {"ABCDEF": "KEY"}},
        {"metadata": {"name": "argocd-cm"}, "data": None},
    ]
    with caplog.at_level(logging.WARNING):
        config = load_repository_config(secrets, maps)
    (repository,), (template,) = config.repositories, config.templates
    assert (repository.password, repository.insecure, repository.enableLfs, repository.depth) == ("p w", True, False, 3)
    assert template.sshPrivateKey.endswith("-----END\n")
    assert (config.known_hosts, config.tls_certs, config.gpg_keys) == (
        "h ssh-ed25519 AAAA", {"h.example.com": "PEM"}, {"ABCDEF": "KEY"},
    )  # fmt: skip
    assert "argocd/broken" in caplog.text
    assert "hunter2" not in caplog.text
    assert "p w" not in repr(config)
    assert "BEGIN" not in repr(config)


@pytest.mark.parametrize(
    ("entry", "host", "bypassed"),
    [("h", "h", True), (".example.com", "a.example.com", True), ("*", "x", True), ("a,b", "c", False), ("", "h", False),
     ("ample.com", "example.com", False)],
)  # fmt: skip
def test_no_proxy(entry, host, bypassed):
    assert bypasses(entry, host) is bypassed


# --- GitHub Apps ---


class _GitHub(BaseHTTPRequestHandler):
    """Checks the JWT with the app's public key, and sells tokens."""

    key: rsa.RSAPrivateKey
    lasts = timedelta(hours=1)
    asked: list[str] = []

    def do_GET(self) -> None:
        self._answer({"id": 77})

    def do_POST(self) -> None:
        expires = (datetime.now(UTC) + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._answer({"token": f"ghs_{len(self.asked)}", "expires_at": expires}, 201)

    def _answer(self, body: dict, status: int = 200) -> None:
        self.asked.append(self.path)
        signed, _, signature = self.headers["Authorization"].removeprefix("Bearer ").rpartition(".")
        decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))  # noqa: E731
        try:
            self.key.public_key().verify(decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            assert json.loads(decode(signed.split(".")[1]))["iss"] == "12"
        except Exception:
            status = 401
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def github():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    handler = type("Handler", (_GitHub,), {"key": key, "asked": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}/api/v3", _pem(key)
    server.shutdown()
    server.server_close()


def _pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _token(base: str, pem: str, installation: str = "34") -> str:
    entry = Repository(
        githubAppID="12", githubAppInstallationID=installation, githubAppPrivateKey=pem, githubAppEnterpriseBaseUrl=base
    )
    url = parse_url("https://ghe.example.com/org/app.git", ALL)
    return installation_token(entry, url, RepositoryConfig(), Bounds(protocols=ALL))


def test_github_app_token_is_kept(github):
    handler, base, pem = github
    assert {_token(base, pem) for _ in range(3)} == {"ghs_0"}
    assert handler.asked == ["/api/v3/app/installations/34/access_tokens"]


def test_github_app_token_is_renewed_before_its_end(github):
    handler, base, pem = github
    handler.lasts = timedelta(minutes=4)
    assert [_token(base, pem), _token(base, pem)] == ["ghs_0", "ghs_1"]


def test_github_app_installation_is_found(github):
    handler, base, pem = github
    assert _token(base, pem, installation="") == "ghs_1"
    assert handler.asked == ["/api/v3/repos/org/app/installation", "/api/v3/app/installations/77/access_tokens"]


def test_github_app_with_a_wrong_key(github):
    _, base, _ = github
    other = _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with pytest.raises(RepositoryError, match="GitHub answered 401"):
        _token(base, other)
    with pytest.raises(RepositoryError, match="not a PEM private key"):
        _token(base, "nonsense")


def test_bounds_are_the_operators(monkeypatch):
    monkeypatch.setenv("GITOPS_REPO_PROTOCOLS", "https, http")
    monkeypatch.setenv("GITOPS_REPO_FETCH_MIB", "7")
    bounds = Bounds.of(Settings())
    assert (bounds.protocols, bounds.fetch_mib) == ({"https", "http"}, 7)
    assert Bounds() == Bounds.of(Settings.model_construct())  # the documented defaults are those of the code


def context_of(monkeypatch: pytest.MonkeyPatch, url: str, **secret: object) -> ssl.SSLContext:
    """The TLS context of a client for a repository."""
    given: list[ssl.SSLContext] = []
    with monkeypatch.context() as patch:
        patch.setattr(httpx, "Client", lambda **options: given.append(options["verify"]))
        client(Repository(url=url, **secret), RepositoryConfig(), parse_url(url, {"https", "http"}), Bounds())
    return given[0]


def test_the_authorities_that_everybody_trusts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one = context_of(monkeypatch, "https://git.example.com/a")
    assert one.verify_mode is ssl.CERT_REQUIRED
    assert one.check_hostname
    assert one.cert_store_stats()["x509_ca"] > 10
    assert context_of(monkeypatch, "https://other.example.com/b", username="u", password="p") is one
    assert context_of(monkeypatch, "http://other.example.com/b") is one


def test_what_one_repository_may_do_without_is_no_other_s(monkeypatch: pytest.MonkeyPatch) -> None:
    lax = context_of(monkeypatch, "https://git.example.com/a", insecure=True)
    assert lax.verify_mode is ssl.CERT_NONE
    assert not lax.check_hostname
    assert context_of(monkeypatch, "https://git.example.com/a").verify_mode is ssl.CERT_REQUIRED
