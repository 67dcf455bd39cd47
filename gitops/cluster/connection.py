"""How to reach one API server: address, TLS, credentials; read from a kubeconfig, the pod's own files or a Secret."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gitops.cluster.auth import Auth, StaticAuth, basic, bearer
from gitops.cluster.official import exec_auth, load_in_cluster, load_kubeconfig
from gitops.cluster.tls import tls_context
from gitops.errors import ClusterError, InvalidSpecError
from gitops.model.credentials import Cluster


@dataclass(frozen=True)
class Connection:
    """One API server as one user. Holds no open socket, so it can be made before a fork and shared by threads."""

    #: `https://host:port` or with a path prefix; how people name the cluster.
    server: str
    #: None: plain HTTP.
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    auth: Auth = field(default_factory=StaticAuth, repr=False)
    #: The name that the server's certificate must carry, where it is not the host.
    server_name: str = ""
    #: `http://[user:password@]host:port`; reached with CONNECT.
    proxy: str = field(default="", repr=False)
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()
    #: Where namespaces are limited (specs section 10): only these are looked at; empty means all.
    namespaces: tuple[str, ...] = ()
    cluster_resources: bool = True

    def __post_init__(self) -> None:
        url = urlsplit(self.server)
        if url.scheme not in ("https", "http") or not url.hostname:
            raise InvalidSpecError(f"cluster server {self.server!r} is not an http(s) URL; write https://host:port")
        if url.username or url.password:
            raise InvalidSpecError("a cluster's server URL must not carry a password; put it into the config")
        anonymous = isinstance(self.auth, StaticAuth) and not self.auth.header()
        if url.scheme == "http" and not anonymous and not _loopback(url.hostname):
            raise InvalidSpecError(f"cluster {self.server}: credentials are not sent over plain http; use https")
        if self.proxy and urlsplit(self.proxy).scheme != "http":
            raise InvalidSpecError(f"cluster {self.server}: only an http:// proxy is supported; correct proxyUrl")
        if any(ord(c) < 32 or ord(c) > 126 for c in self.impersonate_user + "".join(self.impersonate_groups)):
            raise InvalidSpecError(f"cluster {self.server}: the user to impersonate must be plain text")

    @property
    def url(self) -> SplitResult:
        return urlsplit(self.server)

    @property
    def host(self) -> str:
        return self.url.hostname or ""

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    @property
    def prefix(self) -> str:
        """The path in front of every API path; usually empty."""
        return self.url.path.rstrip("/")

    def impersonate(self, user: str, groups: tuple[str, ...] = ()) -> Connection:
        """The same cluster as another user: every request asks the server to act as `user` of `groups`."""
        return replace(self, impersonate_user=user, impersonate_groups=groups)

    @property
    def headers(self) -> str:
        """Header lines that go with every request of this user, each ending in CRLF."""
        if not self.impersonate_user:
            return ""
        lines = [f"Impersonate-User: {self.impersonate_user}"]
        lines += [f"Impersonate-Group: {group}" for group in self.impersonate_groups]
        return "".join(f"{line}\r\n" for line in lines)

    def open(self, timeout: float) -> socket.socket:
        """A new connection, TLS shaken, TCP_NODELAY set. `timeout` in seconds.

        Raises ClusterError saying why the server cannot be reached.
        """
        try:
            raw = self._dial(timeout)
            try:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.tls is None:
                    return raw
                return self.tls.wrap_socket(raw, server_hostname=self.server_name or self.host)
            except BaseException:
                raw.close()
                raise
        except ssl.SSLCertVerificationError as error:
            raise ClusterError(
                f"cluster {self.server}: its certificate is not trusted ({error.verify_message}); correct the CA"
            ) from None
        except OSError as error:  # TimeoutError, socket.gaierror and ssl.SSLError are OSErrors too
            reason = error.strerror or str(error) or type(error).__name__
            raise ClusterError(f"cluster {self.server} cannot be reached: {reason}") from None

    def _dial(self, timeout: float) -> socket.socket:
        if not self.proxy:
            return socket.create_connection((self.host, self.port), timeout)
        proxy = urlsplit(self.proxy)
        raw = socket.create_connection((proxy.hostname or "", proxy.port or 80), timeout)
        try:
            login = ""
            if proxy.username:
                login = f"Proxy-Authorization: {basic(proxy.username, proxy.password or '')}\r\n"
            target = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
            raw.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n".encode("latin-1"))
            answer = b""
            while b"\r\n\r\n" not in answer:
                data = raw.recv(4096)
                if not data or len(answer) > 65536:
                    raise ClusterError(f"cluster {self.server}: the proxy closed the connection")
                answer += data
            if answer[9:12] != b"200":
                code = answer[9:12].decode("latin-1")
                raise ClusterError(f"cluster {self.server}: the proxy refused the connection with status {code}")
        except BaseException:
            raw.close()
            raise
        return raw

    @classmethod
    def from_kubeconfig(cls, path: Path, context: str | None = None) -> Connection:
        """Read a kubeconfig that is named explicitly; `context` None means its current one.

        Raises ClusterError where the file or the context cannot be used.
        """
        found = load_kubeconfig(path, context)
        return cls(
            server=found.server,
            tls=found.tls,
            auth=found.auth,
            server_name=found.server_name,
            proxy=found.proxy,
            impersonate_user=found.impersonate_user,
            impersonate_groups=found.impersonate_groups,
        )

    @classmethod
    def in_cluster(cls) -> Connection:
        """The cluster whose pod this is, as the pod's ServiceAccount; its token file is read again as it rotates.

        Raises ClusterError outside of a pod.
        """
        found = load_in_cluster()
        return cls(server=found.server, tls=found.tls, auth=found.auth)

    @classmethod
    def control(cls, kubeconfig: Path | None) -> Connection:
        """The control cluster: the kubeconfig of the settings, else in-cluster."""
        return cls.from_kubeconfig(kubeconfig) if kubeconfig else cls.in_cluster()

    @classmethod
    def from_cluster(cls, cluster: Cluster) -> Connection:
        """The cluster of a cluster Secret (specs section 10).

        Raises InvalidSpecError naming the field of `config` that cannot be used.
        """
        where = f"cluster {cluster.name or cluster.server}"
        config = cluster.config
        tls = config.get("tlsClientConfig") or {}
        if config.get("awsAuthConfig"):
            raise InvalidSpecError(
                f"{where}: awsAuthConfig is not supported; use execProviderConfig with `aws eks get-token`"
            )
        server = cluster.server.rstrip("/")
        return cls(
            server=server,
            tls=tls_context(
                where,
                ca=_decode(where, tls, "caData"),
                cert=_decode(where, tls, "certData"),
                key=_decode(where, tls, "keyData"),
                insecure=bool(tls.get("insecure")),
            )
            if server.startswith("https:")
            else None,
            auth=_auth(where, server, config),
            server_name=str(tls.get("serverName") or ""),
            proxy=str(config.get("proxyUrl") or ""),
            namespaces=cluster.namespaces,
            cluster_resources=cluster.cluster_resources or not cluster.namespaces,
        )


def _auth(where: str, server: str, config: dict[str, Any]) -> Auth:
    if plugin := config.get("execProviderConfig"):
        return exec_auth(where, server, plugin)
    if token := config.get("bearerToken"):
        return StaticAuth(bearer(str(token)))
    if config.get("username"):
        return StaticAuth(basic(str(config["username"]), str(config.get("password") or "")))
    return StaticAuth()


def _decode(where: str, tls: dict[str, Any], name: str) -> bytes | None:
    value = tls.get(name)
    if not value:
        return None
    try:
        return base64.b64decode(str(value), validate=True)
    except binascii.Error:
        raise InvalidSpecError(f"{where}: tlsClientConfig.{name} is not base64; encode the PEM file") from None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
