"""Conversations over http(s) in this process: one request for a list of refs, one for a commit, no process of Git.

A `git ls-remote` is two processes and two requests, a `git fetch` four processes and two or three. Here the connection
is kept, and only a new commit's pack is left to Git. It is a shortcut, not a second way: whatever is no plain success
(another protocol, a redirect, a refusal, a fault) is left to Git itself, whose errors are the ones that people see.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import httpx

from gitops.errors import RepositoryError
from gitops.source.access.http import client
from gitops.source.git import wire
from gitops.source.git.refs import parse_refs
from gitops.source.git.session import Session

T = TypeVar("T")

#: Seconds for which a repository is left to Git after it did not answer as hoped.
AVOID_SECONDS = 300.0
#: Seconds that one answer may take; what is slower is Git's.
_SECONDS, _CONNECT_SECONDS = 10.0, 5.0
#: Bytes of an answer in memory: a list of refs as Git's own is bounded, and a commit's pack. Larger ones are Git's.
_REFS_BYTES, _PACK_BYTES = 64 << 20, 8 << 20
#: Commits that the server is told of; the pack is built on what it knows of them.
_HAVES = 32
_CLIENTS, _AVOIDED = 4, 1024

_lock = threading.Lock()
_clients: OrderedDict[str, httpx.Client] = OrderedDict()
_avoided: OrderedDict[str, float] = OrderedDict()


def refs(session: Session, prefixes: tuple[str, ...] = ()) -> bytes | None:
    """What `git ls-remote --symref` prints, of the refs whose full names begin so; None where Git has to be asked."""
    return _ask(session, wire.ask_for_refs(prefixes), _REFS_BYTES, wire.read_refs)


def tip(session: Session, branch: str) -> str:
    """The commit that a branch, by its full name, points at; "" where Git has to be asked."""
    try:
        return parse_refs(session.url.text, refs(session, (branch,)) or b"").names.get(branch, "")
    except RepositoryError:
        return ""


def pack(session: Session, sha: str, haves: list[str], shallow: list[str], depth: int) -> wire.Pack | None:
    """A commit's pack, thin against what is here; None where Git has to be asked. As `wire.ask_for_commit` takes it."""
    return _ask(session, wire.ask_for_commit(sha, haves[:_HAVES], shallow, depth), _PACK_BYTES, wire.read_pack)


def _ask(session: Session, body: bytes, bound: int, read: Callable[[bytes], T]) -> T | None:
    """What an answer says; None where there is none that can be used."""
    if not _applies(session):
        return None
    name = _name(session)
    with _lock:
        if _avoided.get(name, 0.0) > time.monotonic():
            return None
    try:
        answer = _post(session, name, body, bound)
        return None if answer is None else read(answer)
    except httpx.RemoteProtocolError:
        # A kept connection that the server closed a moment ago: no reason to do without the next one.
        return None
    except (httpx.HTTPError, httpx.InvalidURL, RepositoryError, OSError, ValueError, ImportError):
        _avoid(name)
        return None


def _post(session: Session, name: str, body: bytes, bound: int) -> bytes | None:
    """The answer to a request, None if it is larger than a process should hold. Raises wire.Malformed, httpx errors."""
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Accept": "application/x-git-upload-pack-result",
        "Accept-Encoding": "identity",
        "Git-Protocol": "version=2",
        **session.authorization(),
    }
    url, end = session.address.text.rstrip("/") + "/git-upload-pack", time.monotonic() + _SECONDS
    with _client(session, name).stream("POST", url, content=body, headers=headers) as answer:
        if answer.status_code != httpx.codes.OK or "content-encoding" in answer.headers:
            raise wire.Malformed("the server does not answer so")
        out = bytearray()
        for chunk in answer.iter_raw():
            out += chunk
            if len(out) > bound:
                return None
            if time.monotonic() > end:
                raise wire.Malformed("the answer is slow")
        return bytes(out)


def _applies(session: Session) -> bool:
    """Whether the repository is spoken to over http, and by nothing but what is known here."""
    address, bounds = session.address, session.bounds
    return address.scheme in ("http", "https") and not bounds.git_config_file and "?" not in address.text


def _avoid(name: str) -> None:
    with _lock:
        _avoided[name] = time.monotonic() + AVOID_SECONDS
        _avoided.move_to_end(name)
        while len(_avoided) > _AVOIDED:
            _avoided.popitem(last=False)


def _client(session: Session, name: str) -> httpx.Client:
    """The connections to one server with one identity, kept for whoever asks next; a process keeps a few.

    Raises RepositoryError where a certificate cannot be read.
    """
    with _lock:
        if known := _clients.get(name):
            _clients.move_to_end(name)
            return known
    made = client(session.repository, session.config, session.address, session.bounds)
    made.timeout = httpx.Timeout(_SECONDS, connect=min(_CONNECT_SECONDS, session.bounds.connect_seconds))
    # Who may see what is said anew with each request, never by what an earlier one was given.
    made.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    with _lock:
        _clients[name] = made
        # One that goes may be in use by another thread: its connections end with its last user.
        while len(_clients) > _CLIENTS:
            _clients.popitem(last=False)
    return made


def _name(session: Session) -> str:
    """Of one server, identity and trust, in one process: a child of a fork shares no connection with its parent."""
    repository, address = session.repository, session.address
    parts = (
        address.text, session.config.tls_certs.get(address.host, ""), repository.insecure, repository.proxy,
        repository.noProxy, repository.tlsClientCertData, repository.tlsClientCertKey, session.authorization(),
    )  # fmt: skip
    return f"{os.getpid()} {hashlib.sha256(repr(parts).encode()).hexdigest()}"
