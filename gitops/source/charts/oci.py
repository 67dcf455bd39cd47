"""Charts in OCI registries: tags, manifests and blobs by the distribution API, each blob checked against its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx
import orjson

from gitops.errors import RepositoryError, SourceError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client, get
from gitops.source.access.urls import Url, parse_url
from gitops.source.charts.auth import basic_header
from gitops.source.charts.index import refused

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_LAYERS = (_CHART_LAYER, "application/vnd.oci.image.layer.v1.tar+gzip")
_TAG_PAGES = 100
_ARCHIVE_MIB = 64.0
_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class OciCharts:
    """One artifact's repository in a registry: `oci://host/path/chart`."""

    def __init__(self, url: Url, chart: str, repository: Repository, config: RepositoryConfig, bounds: Bounds) -> None:
        """Raises RepositoryError where the name is none that a registry knows."""
        name = "/".join(part for part in (url.path.strip("/"), chart.strip("/")) if part)
        self._what = f"chart {name} of registry {url.host}"
        if not _NAME.fullmatch(name):
            raise RepositoryError(f"{name[:200]!r} is not a name that a registry may have; check repoURL and chart")
        scheme = "http" if repository.insecureOCIForceHttp else "https"
        self._base = parse_url(f"{scheme}://{url.origin.partition('://')[2]}/v2/{name}", frozenset({scheme}))
        self._name, self._url = name, url
        self._repository, self._config, self._bounds = repository, config, bounds
        self._headers: dict[str, str] = {}

    def versions(self) -> list[str]:
        """Every tag, `_` read as the `+` that a tag cannot have."""
        found: list[str] = []
        with self._client() as http:
            address = f"{self._base.text}/tags/list?n=1000"
            for _ in range(_TAG_PAGES):
                body, headers = self._get(http, address, "", 8.0)
                found += [str(tag) for tag in (_json(body, self._what).get("tags") or [])]
                link = re.search(r'<([^>]+)>;\s*rel="?next"?', headers.get("link", ""))
                if not link:
                    break
                address = self._same_host(urljoin(address, link[1]))
        return [tag.replace("_", "+") for tag in found]

    def archive(self, version: str) -> bytes:
        """The archive of a version: its chart layer, or the one layer of a plain artifact."""
        tag = version.replace("+", "_")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|sha256:[0-9a-f]{64}", tag):
            raise RepositoryError(f"{version[:200]!r} is not a version that {self._what} may have")
        with self._client() as http:
            body, _ = self._get(http, f"{self._base.text}/manifests/{tag}", _MANIFEST, 4.0)
            if tag.startswith("sha256:"):
                _check(body, tag, self._what)
            layers = [x for x in _json(body, self._what).get("layers") or [] if x.get("mediaType") in _LAYERS]
            charts = [x for x in layers if x["mediaType"] == _CHART_LAYER] or layers
            if len(charts) != 1 or not _DIGEST.fullmatch(str(charts[0].get("digest"))):
                raise SourceError(f"{self._what} at {version} holds no chart: it has no single layer of that kind")
            digest = charts[0]["digest"]
            content, _ = self._get(http, f"{self._base.text}/blobs/{digest}", "", _ARCHIVE_MIB)
        _check(content, digest, self._what)
        return content

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        with client(self._repository, self._config, self._base, self._bounds) as http:
            yield http

    def _get(self, http: httpx.Client, address: str, accept: str, bound_mib: float) -> tuple[bytes, httpx.Headers]:
        for attempt in range(2):
            headers = {**self._headers, **({"Accept": accept} if accept else {})}
            status, body, answer = get(http, address, headers=headers, bound_mib=bound_mib, what=self._what)
            if status == 200:
                return body, answer
            if status != 401 or attempt:
                raise refused(self._what, status)
            self._headers = self._authorise(http, answer.get("www-authenticate", ""))
        raise AssertionError("unreachable")

    def _authorise(self, http: httpx.Client, challenge: str) -> dict[str, str]:
        """The header that answers a registry's challenge: basic, or a token of the realm that it names."""
        basic = basic_header(self._repository, self._url)
        kind, _, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            if not basic:
                raise refused(self._what, 401)
            return basic
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = parse_url(asked.get("realm", ""), frozenset({"https", self._base.scheme}))
        query = {"scope": asked.get("scope") or f"repository:{self._name}:pull"}
        if asked.get("service"):
            query["service"] = asked["service"]
        address = f"{realm.text}{'&' if '?' in realm.text else '?'}{urlencode(query)}"
        status, body, _ = get(http, address, headers=basic, bound_mib=1.0, what=self._what)
        if status != 200:
            raise refused(self._what, status)
        found = _json(body, self._what)
        return {"Authorization": f"Bearer {found.get('token') or found.get('access_token') or ''}"}

    def _same_host(self, address: str) -> str:
        if parse_url(address, frozenset({self._base.scheme})).origin != self._base.origin:
            raise RepositoryError(f"{self._what}: the list of tags goes on at another host; this is refused")
        return address


def _check(content: bytes, digest: str, what: str) -> None:
    if "sha256:" + hashlib.sha256(content).hexdigest() != digest:
        raise RepositoryError(f"{what} is not what its registry says: the digest differs")


def _json(body: bytes, what: str) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise RepositoryError(f"{what}: the registry's answer is no JSON object")
    return found
