"""Commit statuses, against servers that ask who speaks to them as GitHub and GitLab do."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gitops.observe.notify import NotificationError
from gitops.observe.notify.outbound import Notification
from gitops.observe.notify.services import send

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
SHA = "a" * 40
INSTALLATION = 42


class Forge(ThreadingHTTPServer):
    """GitHub's and GitLab's API as far as statuses need it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[tuple[str, dict[str, Any]]] = []
        self.bought = 0
        self.tokens: set[str] = {"personal-token"}
        self.lifetime = 3600.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Forge

    def do_GET(self) -> None:
        if self.path == "/api/v3/repos/acme/shop/installation" and self._is_the_app():
            self._answer(200, {"id": INSTALLATION})
        else:
            self._answer(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path == f"/api/v3/app/installations/{INSTALLATION}/access_tokens":
            if not self._is_the_app():
                self._answer(401)
                return
            self.server.bought += 1
            token = f"installation-token-{self.server.bought}"
            self.server.tokens.add(token)
            until = datetime.fromtimestamp(time.time() + self.server.lifetime, UTC)
            self._answer(201, {"token": token, "expires_at": until.isoformat().replace("+00:00", "Z")})
        elif "/statuses/" in self.path:
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if {bearer, self.headers.get("PRIVATE-TOKEN")} & self.server.tokens:
                self.server.statuses.append((self.path, body))
                self._answer(201, {"id": 1})
            else:
                self._answer(401)
        else:
            self._answer(404)

    def _is_the_app(self) -> bool:
        """A JWT of the App 7, signed with its key, that ends within the ten minutes that GitHub allows."""
        signed, _, signature = self.headers.get("Authorization", "").removeprefix("Bearer ").rpartition(".")
        try:
            KEY.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        claims = json.loads(_decoded(signed.partition(".")[2]))
        return claims["iss"] == "7" and claims["iat"] <= time.time() < claims["exp"] <= time.time() + 600

    def _answer(self, status: int, body: dict[str, Any] | None = None) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body or {}).encode())

    def log_message(self, *_: object) -> None:
        pass


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def forge() -> Iterator[Forge]:
    with Forge() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def note(state: str = "success", message: str = "deployed", **parts: Any) -> Notification:
    status = {"state": state, "label": "gitops/shop", "targetURL": "https://cd.example/shop"}
    return Notification("", message, parts or {"status": status}, "git@git.example:acme/shop.git", SHA)


def as_app(forge: Forge, **changed: Any) -> dict[str, Any]:
    return {"appID": 7, "installationID": INSTALLATION, "privateKey": PEM, "enterpriseBaseURL": forge.url, **changed}


def test_github_as_an_app(forge: Forge) -> None:
    for _ in range(3):
        send("github", "github", as_app(forge), note(message="x" * 500))
    path, body = forge.statuses[0]
    assert path == f"/api/v3/repos/acme/shop/statuses/{SHA}"
    assert body == {
        "state": "success",
        "context": "gitops/shop",
        "description": "x" * 140,
        "target_url": "https://cd.example/shop",
    }
    assert len(forge.statuses) == 3
    assert forge.bought == 1, "a token is good for an hour"


def test_a_token_near_its_end_is_bought_anew(forge: Forge) -> None:
    forge.lifetime = 60
    for _ in range(2):
        send("github", "github", as_app(forge), note())
    assert forge.bought == 2


def test_an_app_finds_its_installation_by_the_repository(forge: Forge) -> None:
    send("github", "github", as_app(forge, installationID=None), note())
    assert len(forge.statuses) == 1


def test_another_app_or_no_key_is_refused(forge: Forge) -> None:
    with pytest.raises(NotificationError, match="401"):
        send("github", "github", as_app(forge, appID=8), note())
    with pytest.raises(NotificationError, match="privateKey") as refused:
        send("github", "github", as_app(forge, privateKey="hunter2"), note())
    assert "hunter2" not in str(refused.value)
    with pytest.raises(NotificationError, match="appID"):
        send("github", "github", {"enterpriseBaseURL": forge.url}, note())
    assert forge.statuses == []


def test_github_with_a_token(forge: Forge) -> None:
    config = {"token": "personal-token", "url": f"{forge.url}/api/v3"}
    send("github", "github", config, note(state="failed"))
    assert forge.statuses[0][1]["state"] == "failure"
    with pytest.raises(NotificationError, match="401"):
        send("github", "github", config | {"token": "another"}, note())


@pytest.mark.parametrize("setting", ["baseURL", "url"])
def test_gitlab(forge: Forge, setting: str) -> None:
    send("gitlab", "gitlab", {"token": "personal-token", setting: forge.url}, note(state="failure", message="y" * 500))
    path, body = forge.statuses[0]
    assert path == f"/api/v4/projects/acme%2Fshop/statuses/{SHA}"
    assert body == {
        "state": "failed",
        "name": "gitops/shop",
        "description": "y" * 255,
        "target_url": "https://cd.example/shop",
    }
    with pytest.raises(NotificationError, match="401"):
        send("gitlab", "gitlab", {"token": "another", setting: forge.url}, note())


def test_the_part_of_a_template_that_argo_cd_s_catalog_has(forge: Forge) -> None:
    """`github` with a status in it, which GitLab takes too where the template has no part of its own."""
    part = {"repoURLPath": "x", "status": {"state": "pending", "label": "cd"}}
    send("github", "github", {"token": "personal-token", "url": forge.url}, note(github=part))
    config = {"token": "personal-token", "baseURL": forge.url}
    send("gitlab", "gitlab", config, note(github=part))
    send("gitlab", "gitlab", config, note(github=part, gitlab={"status": {"state": "running", "label": "own"}}))
    assert [body.get("context") or body.get("name") for _, body in forge.statuses] == ["cd", "cd", "own"]
    with pytest.raises(NotificationError, match="status"):
        send("github", "github", as_app(forge), note(webhook={}))
