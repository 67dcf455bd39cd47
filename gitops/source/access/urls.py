"""Repository URLs: what they are equal to, where they lead, and which of them nobody follows."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from gitops.errors import RepositoryError

_SCP = re.compile(r"(?:(?P<user>[A-Za-z0-9._~-]+)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*):(?P<path>(?!//).+)", re.S)
_USERINFO = re.compile(r"://[^/\s'\"]*@")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_KNOWN = ("https", "ssh", "http", "file", "oci")


@dataclass(frozen=True, slots=True)
class Url:
    """A repository's URL in its parts. `text` has no userinfo but an ssh login name, so it may be shown."""

    text: str
    scheme: str
    host: str
    port: int | None
    path: str
    #: From the URL itself: `https://user:password@host/…`.
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """scheme://host[:port]"""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def parse_url(url: str, protocols: frozenset[str]) -> Url:
    """Take a URL apart.

    Raises RepositoryError for what is no URL of a permitted protocol: local paths, `ext::` and other transports' names,
    a leading dash, control characters. Nothing has been connected to by then.
    """
    text = url.strip()
    shown = scrub(text)[:200]
    if not text or _CONTROL.search(text) or text.startswith("-"):
        raise RepositoryError(f"repository URL {shown!r} is not a URL; use https://host/path, ssh://… or git@host:path")
    found = _parse_standard(text, shown) if "://" in text else _parse_scp(text, shown)
    if found.scheme not in protocols:
        raise RepositoryError(
            f"repository {found.text} uses {found.scheme}, which the operator does not permit; "
            f"permitted are {', '.join(sorted(protocols))} (GITOPS_REPO_PROTOCOLS)"
        )
    return found


def _parse_standard(text: str, shown: str) -> Url:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise RepositoryError(f"repository URL {shown!r} cannot be read; check its host and port") from None
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in _KNOWN:
        raise RepositoryError(f"repository {shown} uses {scheme or 'no protocol'!r}; use https or ssh")
    # Some transports run commands for hosts or paths that look like options.
    if host.startswith("-") or parts.path.startswith("/-") or (not host) != (scheme == "file"):
        raise RepositoryError(f"repository URL {shown!r} has no proper host or path")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user.startswith("-"):
        raise RepositoryError(f"repository URL {shown!r} has a user name that looks like an option")
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    if scheme == "ssh" and user:
        netloc = f"{quote(user)}@{netloc}"
    clean = f"{scheme}://{netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    return Url(clean, scheme, host, port, parts.path, user, password)


def _parse_scp(text: str, shown: str) -> Url:
    match = _SCP.fullmatch(text)
    if not match or "::" in text or match["path"].startswith("-"):
        raise RepositoryError(f"repository {shown!r} is not a URL; local paths and transport helpers are not followed")
    return Url(text, "ssh", match["host"].lower(), None, match["path"], match["user"] or "")


def normalise(url: str) -> str:
    """The form in which two URLs of one repository are equal (specs sections 7 and 10).

    Lower case, `git@host:path` as `git@host/path`, without `ssh://`, `.git` and a trailing slash; http(s) stays.
    """
    text = _USERINFO.sub("://", url.strip().lower()) if url.strip().lower().startswith("http") else url.strip().lower()
    text = text.removeprefix("ssh://")
    if "://" not in text and (match := _SCP.fullmatch(text)) and not re.match(r"[0-9]+(/|$)", match["path"]):
        text = (f"{match['user']}@" if match["user"] else "") + f"{match['host']}/{match['path'].lstrip('/')}"
    return text.rstrip("/").removesuffix(".git")


def scrub(text: str, secrets: tuple[str, ...] = ()) -> str:
    """A text without the userinfo of its URLs and without these secrets, for people to read."""
    for secret in secrets:
        for form in {secret, quote(secret, safe="")}:
            if len(form) > 2:
                text = text.replace(form, "***")
    return _USERINFO.sub("://***@", text)


def join(base: str, relative: str) -> str:
    """What a submodule's URL means: `./x` and `../x` are relative to the URL of the repository that names it."""
    if not relative.startswith(("./", "../")):
        return relative
    if "://" in base:
        parts = urlsplit(base)
        head, path = f"{parts.scheme}://{parts.netloc}", parts.path
    else:
        head, _, path = base.partition(":")
        head += ":"
    joined = posixpath.normpath(posixpath.join("/" + path.strip("/"), relative))
    return head + (joined if "://" in base else joined.lstrip("/"))
