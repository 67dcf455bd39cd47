"""Files at URLs that a source names beside its repository: value files, kustomize resources. Brought before a render.

They are kept on disk, looked at anew after some time, and named by their content, so that what a render reads is what
was brought for it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpx
import orjson

from gitops.errors import ProjectDenied, RepositoryError
from gitops.model.credentials import RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client, get
from gitops.source.access.lookup import repository_for
from gitops.source.access.network import PublicOnly
from gitops.source.access.urls import Url, parse_url
from gitops.source.disk import Entry, Store, key

_FILE_MIB = 16.0
#: Contents of one URL that are kept: who renders with the last one may not be done with it.
_KEPT = 3
_NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class RemoteContent:
    """A file on this disk, for reading only, and the SHA-256 of its content."""

    path: Path
    digest: str


class RemoteFiles:
    """Files by URL, in a bounded cache below `root` that all processes of a node share.

    `allowed(url)` tells whether the project permits a URL; None permits all. No credentials of a Secret are sent, but
    its host's certificates and proxy are used. What `fetch` gave stays on disk until `close`.
    """

    def __init__(
        self,
        root: Path,
        config: RepositoryConfig,
        *,
        allowed: Callable[[str], bool] | None = None,
        project: str = "",
        bounds: Bounds = _NO_BOUNDS,
    ) -> None:
        self._config, self._allowed, self._project, self._bounds = config, allowed, project, bounds
        self._store = Store(root, bounds.files_disk_mib, seconds=bounds.command_seconds + 5)
        self._held = ExitStack()

    def fetch(self, url: str, *, refresh: bool = False) -> RemoteContent:
        """The file at a URL, as of at most `bounds.index_seconds` ago; `refresh` looks anew.

        Raises ProjectDenied and RepositoryError: a protocol or host that is not permitted, before anything connects;
        a server that does not answer; a file of more than 16 MiB.
        """
        parsed = parse_url(url, self._bounds.protocols & {"https", "http"})
        if self._allowed is not None and not self._allowed(parsed.text):
            raise ProjectDenied(
                f"the file {parsed.text} is not permitted in project {self._project or 'default'!r}; "
                "add its address to the project's sourceRepos"
            )
        what = f"the file {parsed.text}"
        entry = self._held.enter_context(self._store.entry(key(url.strip(), self._project), what))
        if not refresh and (known := self._known(entry, time.time())):
            return known
        asked = time.time()
        with entry.writing():
            # Whoever waited here for another's download takes that one.
            found = self._known(entry, asked, since=asked) or self._download(entry, parsed, what)
        self._store.prune()
        return found

    def close(self) -> None:
        """Let the disk space be reclaimed when it is short."""
        self._held.close()

    def _known(self, entry: Entry, now: float, since: float = 0.0) -> RemoteContent | None:
        meta = _meta(entry)
        if meta and meta["at"] >= max(since, now - self._bounds.index_seconds):
            return _content(entry, meta)
        return None

    def _download(self, entry: Entry, url: Url, what: str) -> RemoteContent:
        meta = _meta(entry)
        headers = {"If-None-Match": meta["etag"]} if meta.get("etag") and _content(entry, meta) else {}
        if url.user or url.password:
            userinfo = f"{url.user}:{url.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(userinfo).decode()
        repository = repository_for(self._config, url.text, self._project)
        with client(repository, self._config, url, self._bounds, self._public_only) as http:
            status, body, answered = get(http, url.text, headers=headers, bound_mib=_FILE_MIB, what=what)
        if status == 304 and (known := _content(entry, meta)):
            _write_meta(entry, {**meta, "at": time.time()})
            return known
        if status != 200:
            raise RepositoryError(f"{what} cannot be read: the server answered {status}")
        digest = hashlib.sha256(body).hexdigest()
        meta = {"at": time.time(), "etag": answered.get("etag", ""), "digest": digest, "name": _name(url)}
        path = entry.path / digest / meta["name"]
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(body)
        fresh.rename(path)
        _write_meta(entry, meta)
        contents = sorted((p for p in entry.path.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        for old in contents[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        entry.size = len(body) * min(len(contents), _KEPT)
        return RemoteContent(path, digest)

    def _public_only(self, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        return PublicOnly(inner, self._permitted)

    def _permitted(self, url: httpx.URL) -> bool:
        """Whether the operator named this host: in the settings, or by a repository of its origin."""
        if not self._bounds.private_hosts.isdisjoint({"*", url.host}):
            return True
        entries = (*self._config.repositories, *self._config.templates)
        known = (_origin(entry.url) for entry in entries if entry.project in ("", self._project))
        return (url.scheme, url.netloc.decode().lower()) in known

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _origin(url: str) -> tuple[str, str]:
    """(scheme, host:port) of a repository's URL."""
    parts = urlsplit(url.strip().lower())
    return parts.scheme, parts.netloc.rpartition("@")[2]


def _meta(entry: Entry) -> dict[str, Any]:
    try:
        found = orjson.loads((entry.path / "meta.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_meta(entry: Entry, meta: dict[str, Any]) -> None:
    fresh = entry.path / "meta.new"
    fresh.write_bytes(orjson.dumps(meta))
    fresh.rename(entry.path / "meta.json")


def _content(entry: Entry, meta: dict[str, Any]) -> RemoteContent | None:
    path = entry.path / str(meta.get("digest")) / str(meta.get("name"))
    return RemoteContent(path, str(meta["digest"])) if path.is_file() else None


def _name(url: Url) -> str:
    """What the file is called in messages: the last part of its path."""
    last = unquote(url.path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".")[-100:] or "file"
