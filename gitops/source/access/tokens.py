"""Tokens that are bought with a longer-lived secret: kept in this process's memory until shortly before their end."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gitops.errors import RepositoryError

#: Seconds before its end at which a token is no longer handed out.
_MARGIN = 300.0
_KEPT = 128
_tokens: OrderedDict[tuple[str | int, ...], tuple[str, float]] = OrderedDict()
_lock = threading.Lock()


def kept(key: tuple[str | int, ...], buy: Callable[[], tuple[str, float]]) -> str:
    """The token of a key; `buy` gives a new one and its end, unix seconds."""
    with _lock:
        token, until = _tokens.get(key, ("", 0.0))
        if time.time() < until - _MARGIN:
            _tokens.move_to_end(key)
            return token
    token, until = buy()
    with _lock:
        _tokens[key] = (token, until)
        while len(_tokens) > _KEPT:
            _tokens.popitem(last=False)
    return token


def oauth(http: httpx.Client, address: str, form: Mapping[str, str], *, what: str, check: str) -> dict[str, Any]:
    """The answer of an OAuth 2 token endpoint to a form.

    Raises RepositoryError: `what` names the identity, `check` the fields of the Secret that are to be looked at.
    """
    try:
        answer = http.post(address, data=dict(form))
        if answer.status_code >= 400:
            raise RepositoryError(f"{what}: {_host(address)} answered {answer.status_code}; check {check}")
        found = answer.json()
    except httpx.HTTPError as error:
        raise RepositoryError(f"{what}: {_host(address)} cannot be reached ({type(error).__name__})") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RepositoryError(f"{what}: {_host(address)} answered with something that is no token")
    return found


def bought(answer: Mapping[str, Any], what: str) -> tuple[str, float]:
    """An access token and its end, unix seconds. Raises RepositoryError where the answer holds none."""
    try:
        return str(answer["access_token"]), time.time() + float(answer["expires_in"])
    except (KeyError, TypeError, ValueError):
        raise RepositoryError(f"{what}: the token endpoint answered with something that is no token") from None


def signed(claims: Mapping[str, Any], pem: str, *, what: str, field: str, headers: Mapping[str, str]) -> str:
    """An RS256 JWT. Raises RepositoryError where the key, the Secret's `field`, is no RSA key in PEM."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise RepositoryError(f"{what}: {field} is not a PEM private key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise RepositoryError(f"{what}: {field} is not an RSA key")
    header = {"alg": "RS256", "typ": "JWT", **headers}
    text = ".".join(_encode(json.dumps(part).encode()) for part in (header, dict(claims)))
    return f"{text}.{_encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _host(address: str) -> str:
    return httpx.URL(address).host
