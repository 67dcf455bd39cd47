"""Connections from cluster Secrets and kubeconfigs: what is taken, and what is said about what is not."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from gitops.cluster import Connection
from gitops.errors import ClusterError, InvalidSpecError
from gitops.model.credentials import Cluster

SERVER = "https://cluster.example:6443"


def connection(server: str = SERVER, **config: object) -> Connection:
    return Connection.from_cluster(Cluster(name="prod", server=server, config=config))


def plugin(folder: Path, output: dict[str, object]) -> str:
    """An exec plugin that counts its runs and prints an ExecCredential."""
    script = folder / "plugin"
    body = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": output})
    script.write_text(f"#!/bin/sh\necho run >> {folder}/runs\ncat <<'END'\n{body}\nEND\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_bearer_token_or_a_password_becomes_the_header() -> None:
    assert connection(bearerToken="abc").auth.header() == "Bearer abc"
    assert connection(username="u", password="p").auth.header() == "Basic dTpw"
    assert connection().auth.header() == ""


def test_an_exec_plugin_is_run_once_and_again_when_its_token_is_refused(tmp_path: Path) -> None:
    command = plugin(tmp_path, {"token": "from-plugin"})
    auth = connection(
        execProviderConfig={"command": command, "apiVersion": "client.authentication.k8s.io/v1", "env": {"A": "b"}}
    ).auth

    assert [auth.header(), auth.header()] == ["Bearer from-plugin"] * 2
    assert (tmp_path / "runs").read_text().count("run") == 1
    assert auth.refresh("Bearer from-plugin") is False  # it gives the same again: no use to repeat the request
    assert auth.refresh("Bearer older") is True  # another thread has renewed it meanwhile
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_failing_exec_plugin_is_named_and_its_words_are_not_repeated(tmp_path: Path) -> None:
    script = tmp_path / "plugin"
    script.write_text("#!/bin/sh\necho my-password >&2\nexit 3\n")
    script.chmod(0o700)

    with pytest.raises(ClusterError, match=r"cluster prod: the exec plugin .* failed") as caught:
        connection(execProviderConfig={"command": str(script)}).auth.header()
    assert "my-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"awsAuthConfig": {"clusterName": "x"}}, "awsAuthConfig is not supported; use execProviderConfig"),
        ({"tlsClientConfig": {"insecure": True, "caData": "YQ=="}}, "insecure=true together with a CA"),
        ({"tlsClientConfig": {"caData": "%%%"}}, "caData is not base64"),
        ({"tlsClientConfig": {"caData": "YQ=="}}, "CA certificate is not readable PEM"),
        ({"tlsClientConfig": {"certData": "YQ=="}}, "needs both certData and keyData"),
        ({"tlsClientConfig": {"certData": "YQ==", "keyData": "YQ=="}}, "do not belong together"),
        ({"execProviderConfig": {}, "bearerToken": "x", "proxyUrl": "socks5://p:1"}, "only an http:// proxy"),
        ({"execProviderConfig": {"args": ["x"]}}, "execProviderConfig.command is empty"),
    ],
)
def test_a_config_that_cannot_be_used_is_explained(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidSpecError, match=sentence):
        connection(**config)


@pytest.mark.parametrize("server", ["", "cluster.example", "ftp://cluster.example", "https://user:pw@cluster.example"])
def test_a_server_that_is_no_url_is_refused(server: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        Connection(server)
    assert "pw" not in str(caught.value)


def test_credentials_are_not_sent_over_plain_http() -> None:
    with pytest.raises(InvalidSpecError, match="not sent over plain http"):
        connection("http://cluster.example", bearerToken="abc")
    assert connection("http://127.0.0.1:8001", bearerToken="abc").port == 8001


def test_no_secret_shows_in_repr() -> None:
    shown = repr(connection(bearerToken="hunter2", proxyUrl="http://me:hunter3@proxy:1"))

    assert "hunter" not in shown


def test_impersonation_is_a_header_and_cannot_smuggle_another() -> None:
    acting = connection().impersonate("system:serviceaccount:a:b", ("one", "two"))

    assert acting.headers == (
        "Impersonate-User: system:serviceaccount:a:b\r\nImpersonate-Group: one\r\nImpersonate-Group: two\r\n"
    )
    with pytest.raises(InvalidSpecError, match="plain text"):
        connection().impersonate("a\r\nImpersonate-Group: system:masters")


def kubeconfig(folder: Path, user: dict[str, object], **cluster: object) -> Path:
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": SERVER, **cluster}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return path


def test_a_kubeconfig_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path, {"token": "abc", "as": "other"}, **{"tls-server-name": "name", "proxy-url": "http://p:1"}
    )
    before = path.read_bytes()

    found = Connection.from_kubeconfig(path)

    assert (found.server, found.auth.header(), found.server_name) == (SERVER, "Bearer abc", "name")
    assert (found.proxy, found.impersonate_user) == ("http://p:1", "other")
    assert path.read_bytes() == before


def test_a_token_file_is_read_again_when_its_token_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    auth = Connection.from_kubeconfig(kubeconfig(tmp_path, {"tokenFile": str(token)})).auth
    assert auth.header() == "Bearer first"

    token.write_text("second\n")

    assert auth.refresh("Bearer first") is True
    assert auth.header() == "Bearer second"


def test_an_exec_plugin_of_a_kubeconfig_gives_the_token(tmp_path: Path) -> None:
    command = plugin(tmp_path, {"token": "from-plugin"})
    user = {"exec": {"command": command, "apiVersion": "client.authentication.k8s.io/v1"}}

    assert Connection.from_kubeconfig(kubeconfig(tmp_path, user)).auth.header() == "Bearer from-plugin"


@pytest.mark.parametrize("content", ["", "[]", "{}", "a: [", "current-context: x\ncontexts: []\n"])
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(ClusterError, match=str(path)):
        Connection.from_kubeconfig(path)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="cannot be read: No such file"):
        Connection.from_kubeconfig(tmp_path / "none")


def test_the_user_s_own_kubeconfig_is_never_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = kubeconfig(tmp_path, {"token": "mine"})
    monkeypatch.setenv("KUBECONFIG", str(own))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    os.link(own, tmp_path / ".kube" / "config")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(ClusterError, match=r"not inside a cluster .* set GITOPS_KUBECONFIG"):
        Connection.control(None)


def test_ca_data_is_taken_from_base64(tmp_path: Path) -> None:
    pem = base64.b64encode(b"not a certificate").decode()
    path = kubeconfig(tmp_path, {"token": "x"}, **{"certificate-authority-data": pem})

    with pytest.raises(InvalidSpecError, match="CA certificate is not readable"):
        Connection.from_kubeconfig(path)
