"""Chart repositories over http(s): index.yaml and the archives that it names."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
import yaml

from gitops.errors import RepositoryError, RevisionError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client, get
from gitops.source.access.urls import Url, parse_url
from gitops.source.charts.auth import basic_header
from gitops.source.disk import Entry

_INDEX_MIB = 64.0
_ARCHIVE_MIB = 64.0


class HttpCharts:
    """One chart repository. Its index is kept in `entry`, reduced to what is needed, for `bounds.index_seconds`."""

    def __init__(
        self, entry: Entry, url: Url, repository: Repository, config: RepositoryConfig, bounds: Bounds
    ) -> None:
        self._entry, self._url, self._repository, self._config, self._bounds = entry, url, repository, config, bounds
        self._what = f"chart repository {url.text}"

    def versions(self, chart: str, *, refresh: bool) -> list[str]:
        """Every version of a chart, as the index has them. Raises RevisionError where it has no such chart."""
        found = self._index(refresh).get(chart)
        if not found:
            raise RevisionError(f"{self._what} has no chart {chart!r}")
        return list(found)

    def archive(self, chart: str, version: str, *, pass_credentials: bool) -> bytes:
        """A chart's archive, its digest checked where the index has one.

        Credentials go to another host than the index's only with `pass_credentials`.
        """
        what = f"chart {chart} {version} of {self._what}"
        found = self._index(refresh=False).get(chart, {}).get(version)
        if not found:
            raise RevisionError(f"{self._what} has no version {version!r} of chart {chart!r}")
        address = urljoin(self._url.text.rstrip("/") + "/", found["url"])
        target = parse_url(address, self._bounds.protocols)
        headers = basic_header(self._repository, self._url)
        repository = self._repository
        if target.origin != self._url.origin and not pass_credentials:
            headers = {}
            repository = repository.model_copy(update={"tlsClientCertData": "", "tlsClientCertKey": ""})
        with client(repository, self._config, target, self._bounds) as http:
            status, content, _ = get(http, address, headers=headers, bound_mib=_ARCHIVE_MIB, what=what)
        if status != 200:
            raise refused(what, status)
        digest = found["digest"].removeprefix("sha256:")
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise RepositoryError(f"{what} is not what its index says: the digest differs")
        return content

    def _index(self, refresh: bool) -> dict[str, dict[str, dict[str, str]]]:
        """chart -> version -> url and digest."""
        path = self._entry.path / "index.json"
        if not refresh and (known := self._fresh(path)) is not None:
            return known
        asked = time.time()
        with self._entry.writing():
            # Whoever waited here for another's download takes that one.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= asked and (known := self._fresh(path)) is not None:
                    return known
            found = self._download()
            fresh = path.with_suffix(".new")
            fresh.write_bytes(orjson.dumps(found))
            fresh.rename(path)
            self._entry.size = path.stat().st_size
            return found

    def _fresh(self, path: Path) -> dict[str, dict[str, dict[str, str]]] | None:
        try:
            if time.time() - path.stat().st_mtime > self._bounds.index_seconds:
                return None
            found: dict[str, dict[str, dict[str, str]]] = orjson.loads(path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        return found

    def _download(self) -> dict[str, dict[str, dict[str, str]]]:
        address = self._url.text.rstrip("/") + "/index.yaml"
        with client(self._repository, self._config, self._url, self._bounds) as http:
            headers = basic_header(self._repository, self._url)
            status, content, _ = get(http, address, headers=headers, bound_mib=_INDEX_MIB, what=self._what)
        if status != 200:
            raise refused(self._what, status)
        try:
            index = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
            return {str(name): _versions(entries) for name, entries in index["entries"].items()}
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
            raise RepositoryError(f"{self._what}: its index.yaml cannot be read") from None


def refused(what: str, status: int) -> RepositoryError:
    """The error that an HTTP status means."""
    if status in (401, 403):
        return RepositoryError(f"{what} refuses the credentials; check the repository or repo-creds Secret of its URL")
    if status == 404:
        return RepositoryError(f"{what} does not exist there, or these credentials may not see it")
    return RepositoryError(f"{what} cannot be read: the server answered {status}")


def _versions(entries: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for entry in entries or ():
        urls = entry.get("urls") or []
        if entry.get("version") and urls and urlsplit(str(urls[0])).path:
            known = {"url": str(urls[0]), "digest": str(entry.get("digest") or "")}
            found.setdefault(str(entry["version"]), known)
    return found
