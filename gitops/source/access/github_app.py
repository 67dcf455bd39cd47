"""Installation tokens of GitHub Apps: an RS256 JWT of the app buys one for an hour."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import OrderedDict
from datetime import datetime

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client
from gitops.source.access.urls import Url, parse_url

#: Seconds before its end at which a token is no longer handed out.
_MARGIN = 300.0
_KEPT = 128
_tokens: OrderedDict[tuple[str, str, str, int], tuple[str, float]] = OrderedDict()
_lock = threading.Lock()


def installation_token(repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds) -> str:
    """A token for the repository, kept in this process's memory until shortly before its end.

    Raises RepositoryError where the key is none, or GitHub refuses it.
    """
    base = (repository.githubAppEnterpriseBaseUrl or "https://api.github.com").rstrip("/")
    where = repository.githubAppInstallationID or url.path
    cached = (base, repository.githubAppID, where, hash(repository.githubAppPrivateKey))
    with _lock:
        token, until = _tokens.get(cached, ("", 0.0))
        if time.time() < until - _MARGIN:
            _tokens.move_to_end(cached)
            return token
    token, until = _buy(repository, url, base, config, bounds)
    with _lock:
        _tokens[cached] = (token, until)
        while len(_tokens) > _KEPT:
            _tokens.popitem(last=False)
    return token


def _buy(repository: Repository, url: Url, base: str, config: RepositoryConfig, bounds: Bounds) -> tuple[str, float]:
    what = f"GitHub App {repository.githubAppID} for {url.text}"
    headers = {"Authorization": f"Bearer {_jwt(repository, what)}", "Accept": "application/vnd.github+json"}
    api = parse_url(base, bounds.protocols)
    try:
        with client(repository.model_copy(update={"username": "", "password": ""}), config, api, bounds) as http:
            installation = repository.githubAppInstallationID
            if not installation:
                owner_and_name = url.path.strip("/").removesuffix(".git")
                answer = http.get(f"{base}/repos/{owner_and_name}/installation", headers=headers)
                installation = str(_json(answer, what).get("id", ""))
            answer = http.post(f"{base}/app/installations/{installation}/access_tokens", headers=headers)
            found = _json(answer, what)
            return str(found["token"]), datetime.fromisoformat(found["expires_at"]).timestamp()
    except httpx.HTTPError as error:
        raise RepositoryError(f"{what}: {base} cannot be reached ({type(error).__name__})") from None
    except (KeyError, ValueError):
        raise RepositoryError(f"{what}: {base} answered with something that is no token") from None


def _json(answer: httpx.Response, what: str) -> dict[str, str]:
    if answer.status_code >= 400:
        raise RepositoryError(
            f"{what}: GitHub answered {answer.status_code}; "
            "check githubAppID, githubAppInstallationID and githubAppPrivateKey"
        )
    found: dict[str, str] = answer.json()
    return found


def _jwt(repository: Repository, what: str) -> str:
    try:
        key = serialization.load_pem_private_key(repository.githubAppPrivateKey.encode(), password=None)
    except ValueError:
        raise RepositoryError(f"{what}: githubAppPrivateKey is not a PEM private key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise RepositoryError(f"{what}: githubAppPrivateKey is not an RSA key")
    now = int(time.time())
    # A minute of clock difference on either side; GitHub takes at most ten.
    claims = {"iat": now - 60, "exp": now + 540, "iss": repository.githubAppID}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encode(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
