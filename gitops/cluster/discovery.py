"""Which kinds a cluster serves: aggregated discovery, kept by ETag, looked at again when there is reason to.

The caller may keep what was found for other processes (`load`, `store`), so that a new worker asks nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gitops.cluster.asking import Asker
from gitops.cluster.errors import InvalidObject, UnknownKind, api_error
from gitops.cluster.forking import on_fork
from gitops.cluster.transport import Response
from gitops.errors import ClusterError
from gitops.model.objects import split_api_version

#: Seconds after which what we know is asked about again (a 304 costs 0.4 ms).
REVALIDATE = 60.0
#: An unknown kind makes us ask at once, but not more often than this, seconds.
_UNKNOWN_PAUSE = 0.25
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One kind that the cluster serves."""

    group: str
    kind: str
    plural: str
    namespaced: bool
    #: Served versions, the preferred one first.
    versions: tuple[str, ...]
    verbs: tuple[str, ...]
    #: Whether objects of the kind have a status of their own (`<plural>/status`).
    has_status: bool = False

    def path(self, version: str = "", namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The API path. Names are not quoted: Kubernetes names need no quoting, and others are refused here."""
        version = version or self.versions[0]
        parts = ["/apis", self.group, version] if self.group else ["/api", version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        if not all(_is_segment(part) for part in (namespace, name, subresource, version)):
            raise InvalidObject(f"{self.kind} {name!r}: the name cannot be part of a path; correct metadata.name")
        return "/".join(parts)


def _is_segment(part: str) -> bool:
    """RBAC names may hold colons, so more than DNS labels is allowed; never what changes the path."""
    return (
        part.isascii() and part not in (".", "..") and not any(c in "/?#%\\ " or c < "!" or c == "\x7f" for c in part)
    )


class Discovery:
    """What one cluster serves. Safe to use from several threads."""

    def __init__(
        self,
        asker: Asker,
        *,
        load: Callable[[], bytes | None] | None = None,
        store: Callable[[bytes], None] | None = None,
    ) -> None:
        """Takes how to ask and, to share what was found, how to load and store it as bytes."""
        self._asker = asker
        self._load = load
        self._store = store
        self._lock = threading.Lock()
        self._checked = 0.0  # wall clock, since it is shared between processes
        self._etags: dict[str, str] = {}
        self._documents: dict[str, list[list[Any]]] = {}
        self._kinds: dict[tuple[str, str], ApiResource] = {}
        self._version: dict[str, str] = {}
        on_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def resource_for(self, group: str, kind: str, version: str | None = None) -> ApiResource:
        """The resource of a kind; `version` None or "" means any.

        Raises UnknownKind where the cluster does not serve it, ClusterError where it cannot be asked.
        """
        if time.time() - self._checked > REVALIDATE:
            self._refresh(REVALIDATE)
        found = self._kinds.get((group, kind))
        if found is None or (version and version not in found.versions):
            self._refresh(_UNKNOWN_PAUSE)
            found = self._kinds.get((group, kind))
            if found is None or (version and version not in found.versions):
                raise UnknownKind(group, version or "", kind)
        return found

    def has_status(self, group: str, kind: str) -> bool | None:
        """Whether the kind has a status subresource; None where nothing is known of the kind. Asks nobody."""
        found = self._kinds.get((group, kind))
        return found.has_status if found else None

    def resources(self) -> list[ApiResource]:
        """Every kind that the cluster serves, those that cannot be listed included."""
        if time.time() - self._checked > REVALIDATE:
            self._refresh(REVALIDATE)
        return list(self._kinds.values())

    def api_versions(self) -> list[str]:
        """Sorted `group/version` and `group/version/Kind` of all that is served, as Helm's capabilities want them."""
        found: set[str] = set()
        for resource in self.resources():
            for version in resource.versions:
                api_version = f"{resource.group}/{version}" if resource.group else version
                found |= {api_version, f"{api_version}/{resource.kind}"}
        return sorted(found)

    def server_version(self) -> str:
        """The server's gitVersion, e.g. `v1.35.4`."""
        if not self._version:
            answer = self._get("/version", "application/json").json()
            self._version = answer if isinstance(answer, dict) else {}
        return str(self._version.get("gitVersion") or "")

    def invalidate(self) -> None:
        """A CustomResourceDefinition or APIService was written: ask again before the next answer."""
        self._checked = 0.0

    # --- asking ------------------------------------------------------------------------------------------------------

    def _refresh(self, older_than: float) -> None:
        with self._lock:
            if 0 <= time.time() - self._checked <= older_than:
                return  # another thread was faster
            if not self._kinds and self._take_over(older_than):
                return
            changed = False
            for path in ("/api", "/apis"):
                changed |= self._ask(path)
            self._checked = time.time()
            if changed or not self._kinds:
                self._index()
            self._save()

    def _take_over(self, older_than: float) -> bool:
        """Use what another process stored. True where it is young enough not to ask."""
        data = self._load() if self._load else None
        if not data:
            return False
        try:
            kept = orjson.loads(data)
            self._etags, self._documents = dict(kept["etags"]), dict(kept["documents"])
            self._checked = float(kept["checked"])
            self._index()
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            self._etags, self._documents, self._checked = {}, {}, 0.0
            return False
        return 0 <= time.time() - self._checked <= older_than

    def _save(self) -> None:
        if self._store:
            kept = {"etags": self._etags, "documents": self._documents, "checked": self._checked}
            self._store(orjson.dumps(kept))

    def _ask(self, path: str) -> bool:
        """Bring one document up to date. True where it changed."""
        response = self._fetch(path, _AGGREGATED, self._etags.get(path, "") if path in self._documents else "")
        if response.status == 304:
            return False
        if response.status != 200:
            raise api_error(f"discovery of {path}", response.status, response.body)
        answer = response.json()
        if not isinstance(answer, dict):
            raise ClusterError(f"discovery of {path}: the answer is not an object; check for a proxy in between")
        if answer.get("kind") == "APIGroupDiscoveryList":
            rows = _aggregated_rows(answer)
            self._etags[path] = response.headers.get("etag", "")
        else:
            rows = self._legacy_rows(path, answer)
            self._etags[path] = ""
        changed = rows != self._documents.get(path)
        self._documents[path] = rows
        return changed

    def _legacy_rows(self, path: str, answer: dict[str, Any]) -> list[list[Any]]:
        """The same rows from a server (or an aggregated one) that only speaks the older form, one request a version."""
        if path == "/api":
            names = [("", version) for version in answer.get("versions") or []]
        else:
            names = [
                split_api_version(version["groupVersion"])
                for group in answer.get("groups") or []
                for version in sorted(
                    group.get("versions") or [], key=lambda v, g=group: v != g.get("preferredVersion")
                )
            ]
        rows: list[list[Any]] = []
        for group, version in names:
            where = f"/apis/{group}/{version}" if group else f"/api/{version}"
            response = self._fetch(where, "application/json", "")
            if response.status != 200:
                continue  # an aggregated API that is down must not hide the others
            body = response.json()
            found = (body.get("resources") or []) if isinstance(body, dict) else []
            names_here = {resource["name"] for resource in found}
            for resource in found:
                if "/" not in resource["name"]:
                    rows.append(
                        [
                            group,
                            version,
                            resource["kind"],
                            resource["name"],
                            bool(resource["namespaced"]),
                            resource["verbs"],
                            f"{resource['name']}/status" in names_here,
                        ]
                    )
        return rows

    def _index(self) -> None:
        kinds: dict[tuple[str, str], ApiResource] = {}
        for path in ("/api", "/apis"):
            for group, version, kind, plural, namespaced, verbs, status in self._documents.get(path) or []:
                known = kinds.get((group, kind))
                if known is None:
                    kinds[group, kind] = ApiResource(group, kind, plural, namespaced, (version,), tuple(verbs), status)
                elif version not in known.versions:
                    versions, has_status = (*known.versions, version), known.has_status or status
                    kinds[group, kind] = replace(known, versions=versions, has_status=has_status)
        self._kinds = kinds

    def _fetch(self, path: str, accept: str, etag: str) -> Response:
        condition = f"If-None-Match: {etag}\r\n" if etag else ""
        return self._asker.once("discovery", "GET", path, accept=accept, headers=condition)

    def _get(self, path: str, accept: str) -> Response:
        response = self._fetch(path, accept, "")
        if response.status != 200:
            raise api_error(f"GET {path}", response.status, response.body)
        return response


def _aggregated_rows(answer: dict[str, Any]) -> list[list[Any]]:
    """[group, version, kind, plural, namespaced, verbs, whether it has a status] of an APIGroupDiscoveryList.

    Versions come by preference.
    """
    rows: list[list[Any]] = []
    for group in answer.get("items") or []:
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or []:
            for resource in version.get("resources") or []:
                kind = (resource.get("responseKind") or {}).get("kind")
                if kind:
                    rows.append(
                        [
                            name,
                            version["version"],
                            kind,
                            resource["resource"],
                            resource.get("scope") == "Namespaced",
                            resource.get("verbs") or [],
                            any(sub.get("subresource") == "status" for sub in resource.get("subresources") or []),
                        ]
                    )
    return rows
