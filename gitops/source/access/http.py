"""HTTP clients with a repository's certificates and proxy, and downloads with a bound."""

from __future__ import annotations

import os
import ssl
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.bounds import MIB, Bounds
from gitops.source.access.urls import Url

_REDIRECTS = 5


def client(
    repository: Repository,
    config: RepositoryConfig,
    url: Url,
    bounds: Bounds,
    wrap: Callable[[httpx.BaseTransport], httpx.BaseTransport] | None = None,
) -> httpx.Client:
    """A client for one host, without authentication of its own; redirects are the caller's.

    `wrap` may put something between the client and the network; a proxy of the Secret is used in its place. Raises
    RepositoryError where a certificate of the Secret or ConfigMap cannot be read.
    """
    verify = _tls(repository, config, url)
    proxy = repository.proxy if repository.proxy and not bypasses(repository.noProxy, url.host) else None
    return httpx.Client(
        verify=verify,
        proxy=proxy,
        transport=wrap(httpx.HTTPTransport(verify=verify)) if wrap and not proxy else None,
        timeout=httpx.Timeout(bounds.command_seconds, connect=bounds.connect_seconds),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "gitops-engine"},
    )


def get(
    http: httpx.Client, address: str, *, headers: dict[str, str], bound_mib: float, what: str
) -> tuple[int, bytes, httpx.Headers]:
    """GET with up to five redirects; status, body (at most `bound_mib` MiB) and headers of the last answer.

    `headers` go to the first host alone, and never from https to http. All of it may take as long as the client may
    wait for one answer. Raises RepositoryError (`what` names the thing).
    """
    origin = urlsplit(address)
    end = time.monotonic() + (http.timeout.read or 0.0)
    try:
        for _ in range(_REDIRECTS + 1):
            here = urlsplit(address)
            same = (here.scheme, here.netloc) == (origin.scheme, origin.netloc)
            with http.stream("GET", address, headers=headers if same else _public(headers)) as answer:
                if answer.has_redirect_location:
                    address = str(answer.url.join(answer.headers["location"]))
                    target = urlsplit(address).scheme
                    if target not in ("https", origin.scheme):
                        raise RepositoryError(f"{what}: the server redirects to {target}; only https is followed")
                    continue
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > bound_mib * MIB:
                        raise RepositoryError(f"{what} is larger than {bound_mib:g} MiB")
                    if time.monotonic() > end:
                        raise RepositoryError(f"{what} cannot be reached: it did not answer in time")
                return answer.status_code, bytes(body), answer.headers
    except httpx.HTTPError as error:
        raise RepositoryError(f"{what} cannot be reached: {reason(error)}") from None
    except httpx.InvalidURL:
        raise RepositoryError(f"{what}: the server redirects to what is no address") from None
    raise RepositoryError(f"{what}: more than {_REDIRECTS} redirects")


def reason(error: Exception) -> str:
    """Why a request failed, in words that hold nothing of its URL or headers."""
    text = str(error).lower()
    if "certificate" in text:
        return "its TLS certificate is not trusted; add its CA to argocd-tls-certs-cm"
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx.ProxyError):
        return "the proxy refuses"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return type(error).__name__


def bypasses(no_proxy: str, host: str) -> bool:
    """Whether a host is on a noProxy list: names, `.domain` and `*`, by comma."""
    for entry in filter(None, (part.strip().lower() for part in no_proxy.split(","))):
        name = entry.lstrip("*").lstrip(".")
        if entry == "*" or host == name or host.endswith("." + name):
            return True
    return False


def _public(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "authorization"}


@cache
def _trusting() -> ssl.SSLContext:
    """The authorities that everybody trusts: reading them takes 50 ms, so all clients of a process share them."""
    return httpx.create_ssl_context(trust_env=False)


def _tls(repository: Repository, config: RepositoryConfig, url: Url) -> ssl.SSLContext:
    pem = config.tls_certs.get(url.host, "")
    own = pem or repository.insecure or (repository.tlsClientCertData and repository.tlsClientCertKey)
    if url.scheme != "https" or not own:
        return _trusting()
    try:
        if repository.insecure:
            context = httpx.create_ssl_context(verify=False)
        else:
            context = ssl.create_default_context(cadata=pem) if pem else httpx.create_ssl_context(trust_env=False)
        if repository.tlsClientCertData and repository.tlsClientCertKey:
            _load_client_certificate(context, repository)
    except (ssl.SSLError, ValueError, OSError):
        raise RepositoryError(
            f"a certificate for {url.host} cannot be read; check argocd-tls-certs-cm and the Secret's tlsClientCertData"
        ) from None
    return context


def _load_client_certificate(context: ssl.SSLContext, repository: Repository) -> None:
    # OpenSSL reads files only; this one is 0600 and gone at once.
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "w") as file:
            file.write(repository.tlsClientCertData.rstrip() + "\n" + repository.tlsClientCertKey.rstrip() + "\n")
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
