"""Identities of clouds: a token endpoint that checks what it is shown, and servers that want the token it gave."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.charts import ChartRepositories
from testbed.gitserver import GitServer

USER, PASSWORD = "deploy", "pa55-w0rd:@/%secret"
TENANT, CLIENT, SECRET = "tenant-1", "client-1", "cl13nt-s3cret"
DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798/.default"


def form(request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


# --- Google ---


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def google(key: rsa.RSAPrivateKey, token: str):
    """Sells a token for an assertion that the key has signed for this endpoint."""

    def respond(request):
        asked = form(request)
        signed, _, signature = asked["assertion"].rpartition(".")
        claims = json.loads(_decode(signed.split(".")[1]))
        key.public_key().verify(_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        good = (
            claims["iss"] == USER
            and claims["aud"] == f"http://{request.headers['host']}/token"
            and claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
            and claims["exp"] > claims["iat"]
            and asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        )
        return (200, json.dumps({"access_token": token, "expires_in": 3600}).encode()) if good else (400, b"{}")

    return respond


def account(key: rsa.RSAPrivateKey, token_uri: str) -> str:
    form_ = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form_, serialization.NoEncryption()).decode()
    return json.dumps({"type": "service_account", "client_email": USER, "private_key": pem, "token_uri": token_uri})


def test_a_google_service_account(make, web, locked: GitServer, rsa_key):
    endpoint = web(google(rsa_key, PASSWORD))
    url = f"{locked.http_url}/team/app.git"
    entry = Repository(url=url, gcpServiceAccountKey=account(rsa_key, endpoint.url + "/token"))
    mirrors = make(entry, tls_certs={"127.0.0.1": locked.ca_file.read_text()})
    assert mirrors.refs(url).head == "refs/heads/main"
    mirrors.refs(url)
    assert len(endpoint.seen) == 1  # the token is kept


def test_a_google_key_that_is_refused_or_none(make, web, rsa_key):
    endpoint = web(lambda request: (400, b"{}"))
    url = "https://source.developers.google.com/p/x/r/y"
    with pytest.raises(RepositoryError, match="answered 400; check gcpServiceAccountKey") as caught:
        make(Repository(url=url, gcpServiceAccountKey=account(rsa_key, endpoint.url + "/token"))).refs(url)
    assert "PRIVATE KEY" not in str(caught.value)
    for wrong in ("nonsense", "{}", "[1]"):
        with pytest.raises(RepositoryError, match="is not the JSON key of a service account"):
            make(Repository(url=url, gcpServiceAccountKey=wrong)).refs(url)


# --- GitHub Apps ---


def test_a_github_app(make, web, rsa_key):
    """The App's key buys a token of its installation, and a server that wants that token lets in who has it."""
    token = "ghs_1nstallation"

    def github(request):
        signed, _, signature = request.headers["authorization"].removeprefix("Bearer ").rpartition(".")
        try:
            rsa_key.public_key().verify(_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return 401, b"{}"
        return 201, json.dumps({"token": token, "expires_at": "2100-01-01T00:00:00Z"}).encode()

    def entry(url: str, key: rsa.RSAPrivateKey) -> Repository:
        form_ = serialization.PrivateFormat.TraditionalOpenSSL
        pem = key.private_bytes(serialization.Encoding.PEM, form_, serialization.NoEncryption()).decode()
        return Repository(
            url=url, githubAppID="12", githubAppInstallationID="34", githubAppPrivateKey=pem,
            githubAppEnterpriseBaseUrl=f"{web(github).url}/api/v3",
        )  # fmt: skip

    with GitServer(username="x-access-token", password=token, tls=True, ssh=False) as server:
        sha = server.create("org/app").publish({"a": "1"})
        url, ca = f"{server.http_url}/org/app.git", {"127.0.0.1": server.ca_file.read_text()}
        mirrors = make(entry(url, rsa_key), tls_certs=ca)
        assert mirrors.ensure(url, mirrors.refs(url).require("main")) == sha
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        with pytest.raises(RepositoryError, match="GitHub answered 401") as caught:
            make(entry(url, other), tls_certs=ca).refs(url)
        assert "PRIVATE KEY" not in str(caught.value)
        token = "ghs_0fanother"
        with pytest.raises(RepositoryError, match="refuses the credentials"):
            make(entry(url, rsa_key), tls_certs=ca).refs(url)


# --- Azure ---


def entra(token: str, **proof: str):
    """Sells a token to who has the proof, for Azure DevOps or the management API."""

    def respond(request):
        asked = form(request)
        good = request.path == f"/{TENANT}/oauth2/v2.0/token" and asked["grant_type"] == "client_credentials"
        good = good and asked["client_id"] == CLIENT and all(asked.get(name) == value for name, value in proof.items())
        if not good:
            return 401, b'{"error": "invalid_client"}'
        return 200, json.dumps({"access_token": f"{token}-{asked['scope']}", "expires_in": 3600}).encode()

    return respond


def principal(url: str, endpoint: str, secret: str = SECRET, **more) -> Repository:
    return Repository(
        url=url, azureServicePrincipalClientId=CLIENT, azureServicePrincipalClientSecret=secret,
        azureServicePrincipalTenantId=TENANT, azureActiveDirectoryEndpoint=endpoint, **more,
    )  # fmt: skip


def test_an_azure_service_principal(make, web):
    endpoint = web(entra("aad", client_secret=SECRET))
    devops = web(lambda request: (404, b""))
    url = f"{devops.url}/org/project/_git/repo"
    for _ in range(2):
        with pytest.raises(RepositoryError, match="does not exist there"):
            make(principal(url, endpoint.url)).refs(url)
    assert devops.seen[0].headers["authorization"] == f"Bearer aad-{DEVOPS}"
    assert len(endpoint.seen) == 1


def test_an_azure_identity_that_is_refused_or_incomplete(make, web, monkeypatch):
    endpoint = web(entra("aad", client_secret=SECRET))
    url = "https://dev.azure.com/org/project/_git/repo"
    with pytest.raises(RepositoryError, match="answered 401; check azureServicePrincipalClientId") as caught:
        make(principal(url, endpoint.url, secret="wr0ng-one")).refs(url)
    assert "wr0ng-one" not in str(caught.value)
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RepositoryError, match="the worker needs AZURE_TENANT_ID"):
        make(Repository(url=url, useAzureWorkloadIdentity=True)).refs(url)
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    with pytest.raises(RepositoryError, match="has no federated token"):
        make(Repository(url=url, useAzureWorkloadIdentity=True, azureActiveDirectoryEndpoint=endpoint.url)).refs(url)


@pytest.fixture
def workload(monkeypatch, tmp_path):
    """The environment that a workload identity gives a worker."""
    (tmp_path / "token").write_text("federated\n")
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    return monkeypatch


def test_azure_workload_identity(make, web, workload):
    endpoint = web(entra("worker", client_assertion="federated"))
    workload.setenv("AZURE_AUTHORITY_HOST", endpoint.url + "/")
    devops = web(lambda request: (404, b""))
    url = f"{devops.url}/org/project/_git/repo"
    with pytest.raises(RepositoryError, match="does not exist there"):
        make(Repository(url=url, useAzureWorkloadIdentity=True)).refs(url)
    assert devops.seen[0].headers["authorization"] == f"Bearer worker-{DEVOPS}"


def test_a_registry_gives_its_own_token_for_an_azure_one(web, workload, tmp_path, make):
    endpoint = web(entra("worker", client_assertion="federated"))
    workload.setenv("AZURE_AUTHORITY_HOST", endpoint.url)
    tags = json.dumps({"tags": ["1.0.0", "1.1.0"]}).encode()

    def respond(request):
        if request.path == "/oauth2/exchange":
            good = form(request)["access_token"] == "worker-https://management.core.windows.net/.default"
            return (200, b'{"refresh_token": "r3fresh"}') if good else (401, b"{}")
        if not request.basic("00000000-0000-0000-0000-000000000000", "r3fresh"):
            return 401, b"", {"WWW-Authenticate": "Basic"}
        return 200, tags

    registry = web(respond)
    url = f"oci://127.0.0.1:{registry.port}/team"
    entry = Repository(url=url, useAzureWorkloadIdentity=True, insecureOCIForceHttp=True)
    charts = ChartRepositories(tmp_path / "charts", RepositoryConfig(repositories=(entry,)), bounds=make().bounds)
    assert charts.resolve(url, "web", "^1") == "1.1.0"


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
