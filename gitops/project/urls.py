"""One spelling for each repository URL, so that a rule cannot be got round by another spelling (specs section 7)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from gitops.errors import ProjectDenied

#: Longer ones are refused unread.
MAX_LENGTH = 2048
_SCP = re.compile(r"^(?:([^/:]+)@)?([^/:@]+):(?!//)(.*)$", re.DOTALL)
_URL = re.compile(r"^([a-z][a-z0-9+.-]*)://([^/?#]*)(.*)$", re.DOTALL)
_DEFAULT_PORT = {"http": "80", "https": "443", "ssh": "22", "git": "9418"}
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


@lru_cache(maxsize=4096)
def normalise_url(url: str) -> str:
    """The one spelling of a repository URL, in lower case: `git@host/path` for ssh, `https://host/path`, `oci://…`.

    Without `.git`, default port, user of http(s), query, fragment, doubled or closing slashes and percent-encoding.
    """
    text = url.strip().lower()
    # Authority first, percent-decoding after: an encoded slash or @ must not move the border between host and path.
    if found := _URL.match(text):
        scheme, authority, path = found.groups()
        user, _, host = authority.rpartition("@")
    elif scp := _SCP.match(text):
        scheme, user, host, path = "ssh", scp[1] or "", scp[2], scp[3]
    else:
        return _path(_decoded(text))
    scheme = {"git+ssh": "ssh", "ssh+git": "ssh"}.get(scheme, scheme)
    if scheme == "file":
        return f"file:///{_path(_decoded(path))}"
    host, _, port = host.partition(":") if not host.startswith("[") else (host, "", "")
    host = host.rstrip(".")
    if port and port != _DEFAULT_PORT.get(scheme):
        host = f"{host}:{port}"
    path = _path(re.split(r"[?#]", _decoded(path), maxsplit=1)[0])
    if scheme == "ssh":
        name = user.partition(":")[0]
        return f"{name}@{host}/{path}" if name else f"{host}/{path}"
    return f"{scheme}://{host}/{path}" if path else f"{scheme}://{host}"


def _decoded(text: str) -> str:
    """Percent-decoded as often as there is something to decode, so that %2525 does not hide anything either."""
    for _ in range(8):
        further = unquote(text)
        if further == text:
            return text
        text = further
    return text


def _path(path: str) -> str:
    path = re.sub(r"/{2,}", "/", path).strip("/")
    while path.endswith(".git"):
        path = path[: -len(".git")].rstrip("/")
    return path


@lru_cache(maxsize=1024)
def normalise_pattern(pattern: str) -> str:
    """The same for a glob of URLs: only what does not change its meaning as a glob is touched."""
    text = pattern.strip().lower()
    if text in ("*", "**"):
        return text
    text = text.removeprefix("ssh://").removesuffix("/")
    scp = None if "://" in text else re.match(r"^([^/:@]+@[^/:]+):(.*)$", text, re.DOTALL)
    if scp:
        text = f"{scp[1]}/{scp[2].lstrip('/')}"
    return text.removesuffix(".git")


def host_and_path(normalised: str) -> str:
    """A normalised URL or pattern without scheme and user: what a denial means whatever the protocol."""
    rest = normalised.partition("://")[2] or normalised
    authority, slash, path = rest.partition("/")
    return authority.rpartition("@")[2].partition(":")[0] + slash + path


def check_spelling(url: str) -> None:
    """Refuse URLs that mean something else to whoever reads them next.

    Raises ProjectDenied for `.` and `..` segments, backslashes, blanks and control characters, also percent-encoded,
    and for a host that is not plainly one.
    """
    raw, text = url.strip(), _decoded(url.strip())
    if len(url) > MAX_LENGTH:
        raise ProjectDenied(f"a repository URL is longer than {MAX_LENGTH} characters; use a shorter one")
    if _CONTROL.search(text):
        raise ProjectDenied("a repository URL holds blanks, backslashes or control characters; write it without")
    found = _URL.match(raw.lower())
    authority = found[2] if found else raw.partition(":")[0] if _SCP.match(raw) else ""
    if authority.count("@") > 1 or "%" in authority.rpartition("@")[2]:
        raise ProjectDenied(
            "a repository URL has more than one @ or an encoded character in its host; write it plainly"
        )
    if any(part in (".", "..") for part in re.split(r"[/:]", text)):
        raise ProjectDenied("a repository URL holds a . or .. segment; write the path out")


def redact(url: str) -> str:
    """The URL as it may be shown: without user and password of http(s)."""
    return re.sub(r"(?i)^(https?://)[^/@]*@", r"\1", url.strip())
