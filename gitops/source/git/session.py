"""One conversation with a repository's server: its URL, its credentials in private files, and errors that people
understand.

The files live in a folder of mode 0700 for one command. git and ssh are told their names, never their content: nothing
secret is in an argument or environment variable.
"""

from __future__ import annotations

import base64
import contextlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.identity import with_token
from gitops.source.access.lookup import repository_for, secrets_of
from gitops.source.access.urls import Url, parse_url, scrub
from gitops.source.disk import scratch
from gitops.source.git.command import CONFIG, Result, Runner
from gitops.source.git.rewrite import rewritten

#: Scratch folders of killed processes go after this many seconds.
_STALE = 3600.0
_QUOTED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Session:
    """A runner that may speak to one repository. `url` is what the user wrote, `address` where the bytes go."""

    url: Url
    address: Url
    repository: Repository
    runner: Runner
    secrets: tuple[str, ...]
    config: RepositoryConfig = field(repr=False)
    bounds: Bounds
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def authorization(self) -> dict[str, str]:
        """The HTTP header that git would send to this host, for the APIs beside it (LFS)."""
        if self.repository.bearerToken:
            return {"Authorization": "Bearer " + self.repository.bearerToken}
        return {"Authorization": _basic_header(self.username, self.password)} if self.username or self.password else {}

    def failed(self, result: Result) -> RepositoryError:
        """The error that a failed command means, in one sentence."""
        return RepositoryError(explain(self.url, result, self.secrets, self.runner.seconds))


@contextlib.contextmanager
def session(root: Path, url: Url, config: RepositoryConfig, project: str, bounds: Bounds) -> Iterator[Session]:
    """Lay out credentials for one repository below `root`, and remove them afterwards.

    Raises RepositoryError where the credentials cannot be used, or the operator's rewriting leads to a protocol that is
    not permitted.
    """
    address = parse_url(rewritten(url.text, bounds.git_config_file), bounds.protocols)
    repository = repository_for(config, url.text, project)
    if url.password and not repository.password:
        repository = repository.model_copy(update={"username": url.user, "password": url.password})
    with scratch(root / "sessions", _STALE) as folder:
        lines = [CONFIG, *_operator(bounds)]
        extra: dict[str, str] = {}
        username = password = ""
        secrets = secrets_of(repository, url)
        if address.scheme == "ssh":
            extra["GIT_SSH_COMMAND"] = _ssh(folder, repository, config, bounds)
            if repository.proxy:
                raise RepositoryError(f"repository {url.text}: a proxy is set, which ssh does not use; use https")
        elif address.scheme in ("http", "https"):
            repository = with_token(repository, url, config, bounds)
            secrets = secrets_of(repository, url)
            username, password = _basic(repository, url)
            secrets += (password,) if password else ()
            lines += _http(folder, repository, config, address, username, password)
            if repository.noProxy:
                extra |= {"NO_PROXY": repository.noProxy, "no_proxy": repository.noProxy}
        for protocol in sorted(bounds.protocols):
            lines.append(f'[protocol "{protocol}"]\n\tallow = always')
        path = folder / "gitconfig"
        _private(path, "\n".join(lines) + "\n")
        runner = Runner(path, bounds.command_seconds, extra, bounds.protocols & {address.scheme})
        yield Session(url, address, repository, runner, secrets, config, bounds, username, password)


def explain(url: Url, result: Result, secrets: tuple[str, ...], seconds: float) -> str:
    """What went wrong with a remote command, and what to do: one sentence without credentials."""
    where = f"repository {url.text}"
    if result.timed_out:
        return f"{where} did not answer within {seconds:g} s and was given up"
    text = scrub(result.err, secrets)
    for pattern, sentence in _EXPLANATIONS:
        if re.search(pattern, text, re.I):
            return f"{where} {sentence.format(host=url.host)}"
    said = [
        line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(("fatal:", "error:", "ERROR:"))
    ]
    return f"{where} cannot be read: {(said[0] if said else 'git failed without a word')[:200]}"


_EXPLANATIONS = (
    (
        r"host key verification failed|no .*host key is known|host identification has changed",
        "is refused: the host key of {host} is not in argocd-ssh-known-hosts-cm, or another is; add the right line",
    ),
    (
        r"certificate problem|certificate verification failed|unable to get local issuer|no alternative certificate",
        "is refused: the TLS certificate of {host} is not trusted; add its CA to argocd-tls-certs-cm",
    ),
    (
        r"alert (bad|unknown|certificate)|sslv3 alert",
        "refuses the TLS client certificate of its Secret",
    ),
    (
        r"authentication failed|could not read (username|password)|permission denied|invalid credentials|"
        r"returned error: 40[13]|access denied|error in libcrypto|invalid format",
        "refuses the credentials; check the repository or repo-creds Secret that matches its URL",
    ),
    (
        r"repository.*not found|does not appear to be a git repository|returned error: 404|no such repository|"
        r"not exported|does not exist",
        "does not exist there, or these credentials may not see it; check the URL",
    ),
    (
        r"returned error: 30\d|url base from redirection",
        "redirects to another address, where a token is not sent; use that address as repoURL",
    ),
    (r"could not resolve", "cannot be reached: the name {host} does not resolve"),
    (r"connection refused|failed to connect|couldn't connect", "cannot be reached: {host} takes no connection"),
    (r"timed out|too slow|operation too slow", "cannot be reached: {host} did not answer in time"),
    (r"transport '.*' not allowed", "uses a protocol that the operator does not permit (GITOPS_REPO_PROTOCOLS)"),
    (
        r"file too large|SIGXFSZ|signal 25|invalid index-pack output",
        "brings more than one fetch may (GITOPS_REPO_FETCH_MIB), or what is no pack",
    ),
    (r"no space left|disk quota", "cannot be kept: the disk of this worker is full"),
    (
        r"remote end hung up|early EOF|unexpected disconnect|empty reply|RPC failed",
        "broke the connection; it is tried again",
    ),
)


def _operator(bounds: Bounds) -> list[str]:
    return [f"[include]\n\tpath = {_quote(str(bounds.git_config_file))}"] if bounds.git_config_file else []


def _basic(repository: Repository, url: Url) -> tuple[str, str]:
    """User name and password for https."""
    if repository.password and not repository.username:
        # As git itself: a token alone needs any user name.
        return url.user or "x-access-token", repository.password
    return repository.username, repository.password


def _http(
    folder: Path, repository: Repository, config: RepositoryConfig, address: Url, username: str, password: str
) -> list[str]:
    lines = [f'[http "{address.origin}/"]']
    if repository.insecure:
        lines.append("\tsslVerify = false")
    if pem := config.tls_certs.get(address.host):
        lines.append(f"\tsslCAInfo = {_quote(_private(folder / 'ca.pem', pem))}")
    if repository.tlsClientCertData and repository.tlsClientCertKey:
        lines.append(f"\tsslCert = {_quote(_private(folder / 'client.pem', repository.tlsClientCertData))}")
        lines.append(f"\tsslKey = {_quote(_private(folder / 'client.key', repository.tlsClientCertKey))}")
    if repository.proxy:
        lines.append(f"\tproxy = {_quote(repository.proxy)}")
    if repository.bearerToken or repository.forceHttpBasicAuth:
        # git sends such a header to whatever host a redirect led to.
        lines.append("\tfollowRedirects = false")
    if repository.bearerToken:
        lines.append(f"\textraHeader = {_quote('Authorization: Bearer ' + repository.bearerToken)}")
    elif username or password:
        if repository.forceHttpBasicAuth:
            lines.append(f"\textraHeader = {_quote('Authorization: ' + _basic_header(username, password))}")
        else:
            # Answers for this host alone, so that a redirect to another gets nothing.
            netloc = urlsplit(address.origin).netloc
            line = f"{address.scheme}://{quote(username, safe='')}:{quote(password, safe='')}@{netloc}\n"
            store = _private(folder / "credentials", line)
            lines.append(f"[credential]\n\thelper = {_quote('store --file=' + shlex.quote(store))}")
    return lines


def _basic_header(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _ssh(folder: Path, repository: Repository, config: RepositoryConfig, bounds: Bounds) -> str:
    known = _private(folder / "known_hosts", config.known_hosts.strip() + "\n")
    options = {
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "PreferredAuthentications": "publickey",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "ControlPath": "none",
        "ProxyCommand": "none",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(max(1, int(bounds.connect_seconds))),
        "ServerAliveInterval": "15",
        "LogLevel": "ERROR",
    }
    if repository.insecureIgnoreHostKey or repository.insecure:
        options |= {"UserKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "no"}
    command = ["ssh", "-F", "/dev/null"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    identity = "none"
    if repository.sshPrivateKey:
        identity = _private(folder / "identity", repository.sshPrivateKey.replace("\r", "").strip() + "\n")
    return shlex.join([*command, "-i", identity])


def _private(path: Path, content: str) -> str:
    path.touch(mode=0o600)
    path.write_text(content)
    return str(path)


def _quote(value: str) -> str:
    """A value of a git configuration file."""
    return '"' + "".join(_QUOTED.get(c, c) for c in value) + '"'
