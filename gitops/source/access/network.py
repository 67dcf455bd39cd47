"""Where a URL that a repository names may lead: never by surprise into the operator's own network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import httpx

from gitops.errors import RepositoryError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PublicOnly(httpx.BaseTransport):
    """Connects to the very address that was found public, so that a name cannot mean another one a moment later.

    `permitted(origin)` tells whether the operator trusts `scheme://host:port` wherever it leads.
    """

    def __init__(self, inner: httpx.BaseTransport, permitted: Callable[[httpx.URL], bool]) -> None:
        self._inner, self._permitted = inner, permitted

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises RepositoryError for a private address, before anything connects; httpx.ConnectError."""
        host = request.url.host
        found = _addresses(host, request.url.port or {"https": 443, "http": 80}[request.url.scheme])
        if not self._permitted(request.url) and not all(is_public(address) for address in found):
            raise RepositoryError(
                f"{host} has a private address, and what a repository names may not lead there; "
                "list the host in GITOPS_REPO_PRIVATE_HOSTS, or give it a repository Secret"
            )
        refused: httpx.ConnectError | None = None
        for address in found:
            there = httpx.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return self._inner.handle_request(there)
            except httpx.ConnectError as error:
                refused = error
        raise refused or httpx.ConnectError(f"{host} has no address")

    def close(self) -> None:
        self._inner.close()


def is_public(address: Address) -> bool:
    """Whether an address is the whole Internet's: not private, loopback, link-local, reserved, nor such a one in it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _addresses(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RepositoryError(f"the name {host} does not resolve") from None
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
