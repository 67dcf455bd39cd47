"""What the official client's configuration loader is used for: kubeconfigs, the pod's own files, exec plugins.

The package takes half a second and 25 MiB to import, so it is imported inside these functions only: once for each
connection that is made, never for a request.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import yaml

from gitops.cluster.auth import Auth, Credentials, RenewingAuth, StaticAuth, bearer, seconds_until
from gitops.cluster.tls import tls_context
from gitops.errors import ClusterError, InvalidSpecError

#: Seconds between two looks at a token file or at the loader's idea of expiry.
_LOOK_AGAIN = 30.0


class Found(NamedTuple):
    """What a kubeconfig or the pod's files say."""

    server: str
    tls: ssl.SSLContext | None
    auth: Auth
    server_name: str = ""
    proxy: str = ""
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()


def load_kubeconfig(path: Path, context: str | None) -> Found:
    """Read one kubeconfig file. It is never written to.

    Raises ClusterError where the file, the context or its credentials cannot be used.
    """
    user = _user_of(path, context)
    config, files = _load_file(path, context)

    def ask() -> Credentials:
        # A fresh look at everything: the file may name another token, a plugin gives a new one.
        again, _ = _load_file(path, context)
        header = _header(again)
        if not header and user.get("exec"):
            raise ClusterError(f"kubeconfig {path}: its exec plugin gave no token; run the plugin by hand to see why")
        return Credentials(header, time.monotonic() + _LOOK_AGAIN * (10 if user.get("exec") else 1))

    header = _header(config)
    renewing = any(user.get(name) for name in ("exec", "auth-provider", "tokenFile"))
    if user.get("exec") and not header and not files.cert:
        raise ClusterError(f"kubeconfig {path}: its exec plugin gave no credentials; run the plugin by hand to see why")
    return Found(
        server=str(config.host),
        tls=_context(f"kubeconfig {path}", config, files),
        auth=RenewingAuth(ask) if renewing and header else StaticAuth(header),
        server_name=str(config.tls_server_name or ""),
        proxy=_proxy(config),
        impersonate_user=str(user.get("as") or ""),
        impersonate_groups=tuple(user.get("as-groups") or ()),
    )


def load_in_cluster() -> Found:
    """Read the pod's ServiceAccount files. Raises ClusterError outside of a pod."""
    kubernetes = _official()

    def load() -> Any:
        config = kubernetes.client.Configuration()
        try:
            kubernetes.config.load_incluster_config(config)
        except kubernetes.config.ConfigException as error:
            raise ClusterError(
                f"not inside a cluster ({str(error).rstrip('.')}); set GITOPS_KUBECONFIG to a kubeconfig"
            ) from None
        return config

    config = load()

    def ask() -> Credentials:
        return Credentials(_header(load()), time.monotonic() + _LOOK_AGAIN)

    files = _Files(Path(config.ssl_ca_cert).read_bytes(), None, None)
    return Found(str(config.host), _context("in-cluster", config, files), RenewingAuth(ask))


def exec_auth(where: str, server: str, plugin: dict[str, Any]) -> Auth:
    """Tokens from a cluster Secret's `execProviderConfig`: a command that prints an ExecCredential.

    Raises InvalidSpecError where `plugin` is incomplete; the returned Auth raises ClusterError where the command fails.
    """
    if not plugin.get("command"):
        raise InvalidSpecError(f"{where}: execProviderConfig.command is empty; name the plugin to run")
    env = plugin.get("env") or {}
    api_version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1beta1")
    settings = {
        "command": plugin["command"],
        "args": list(plugin.get("args") or []),
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "apiVersion": api_version,
        "provideClusterInfo": bool(plugin.get("provideClusterInfo")),
    }

    def ask() -> Credentials:
        kubernetes = _official()
        node = kubernetes.config.kube_config.ConfigNode
        cluster = node("cluster", {"server": server, "config": plugin.get("config")})
        try:
            status = kubernetes.config.exec_provider.ExecProvider(node("exec", settings), None, cluster).run()
        except (kubernetes.config.ConfigException, OSError):
            # The plugin's own words are not repeated: they may hold what it tried to log in with.
            raise ClusterError(
                f"{where}: the exec plugin {plugin['command']} failed; run it by hand to see why"
            ) from None
        if not status.get("token"):
            raise ClusterError(f"{where}: the exec plugin {plugin['command']} gave no token; only tokens are supported")
        return Credentials(bearer(status["token"]), time.monotonic() + seconds_until(status.get("expirationTimestamp")))

    return RenewingAuth(ask)


def _official() -> Any:
    """The official client; untyped."""
    import kubernetes.config

    return kubernetes


class _Files(NamedTuple):
    ca: bytes | None
    cert: bytes | None
    key: bytes | None


def _load_file(path: Path, context: str | None) -> tuple[Any, _Files]:
    """The official loader's Configuration, and the PEM files that it points to, read before they are deleted."""
    kubernetes = _official()

    config = kubernetes.client.Configuration()
    with tempfile.TemporaryDirectory(prefix="gitops-") as scratch:  # 0700, gone when we have read
        try:
            kubernetes.config.load_kube_config(str(path), context, config, persist_config=False, temp_file_path=scratch)
            return config, _Files(_read(config.ssl_ca_cert), _read(config.cert_file), _read(config.key_file))
        except (kubernetes.config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            reason = (
                str(error).rstrip(".")
                if isinstance(error, (kubernetes.config.ConfigException, OSError))
                else "it is malformed"
            )
            raise ClusterError(f"kubeconfig {path} cannot be used: {reason}") from None


def _user_of(path: Path, context: str | None) -> dict[str, Any]:
    """The user entry of a context, for what the official loader does not tell: its kind, and impersonation."""
    try:
        whole = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        name = context or whole["current-context"]
        entry = next(item["context"] for item in whole["contexts"] if item["name"] == name)
        users = {item["name"]: item["user"] for item in whole.get("users") or []}
        return users.get(entry.get("user")) or {}
    except OSError as error:
        raise ClusterError(f"kubeconfig {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, StopIteration):
        named = f"context {context!r}" if context else "current context"
        raise ClusterError(f"kubeconfig {path} cannot be used: it is malformed or has no {named}") from None


def _proxy(config: Any) -> str:
    """The kubeconfig's proxy, or the environment's where it is meant for this host."""
    host = urlsplit(str(config.host)).hostname or ""
    return "" if not config.proxy or proxy_bypass(host) or host in ("127.0.0.1", "::1", "localhost") else config.proxy


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _header(config: Any) -> str:
    """The Authorization value, with the scheme spelled as the standard does and no stray newline of a token file."""
    scheme, _, rest = str(config.api_key.get("BearerToken") or "").partition(" ")
    return f"{scheme.capitalize()} {rest.strip()}" if rest.strip() else ""


def _context(where: str, config: Any, files: _Files) -> ssl.SSLContext | None:
    if not str(config.host).startswith("https:"):
        return None
    insecure = not config.verify_ssl
    return tls_context(where, ca=None if insecure else files.ca, cert=files.cert, key=files.key, insecure=insecure)
