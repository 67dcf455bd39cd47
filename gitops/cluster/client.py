"""Objects of one cluster: get, list, apply, create, replace, patch, delete."""

from __future__ import annotations

import builtins
import copy
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import orjson

from gitops.cluster.asking import JSON, Asker, parsed
from gitops.cluster.connection import Connection
from gitops.cluster.discovery import ApiResource, Discovery
from gitops.cluster.errors import ApiError, InvalidObject, UnknownKind, api_error
from gitops.cluster.limits import Limiter, Unlimited
from gitops.cluster.secrets import hide_secret_values
from gitops.cluster.transport import DEFAULT_TIMEOUT, Observer, Response, Transport
from gitops.model.names import FIELD_MANAGER
from gitops.model.objects import GVK, Manifest, Object, ObjectKey

Validation = Literal["Strict", "Warn", "Ignore"]
Propagation = Literal["Foreground", "Background", "Orphan"]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#: Writing one of these changes which kinds there are.
_KINDS_OF_KINDS = frozenset(
    {("apiextensions.k8s.io", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService")}
)


class Page(NamedTuple):
    """One page of a list. Every page of a list has the same resourceVersion."""

    items: list[Object]
    resource_version: str
    #: Whether another page follows.
    more: bool


class ClusterClient:
    """Speaks to one API server as one user. Safe to use from several threads, and in a child after a fork.

    Every method raises ApiError where the server answers with an error, UnknownKind where it does not serve the kind,
    and ClusterError where there is no answer. Objects come back with apiVersion and kind, also from lists.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        limiter: Limiter | None = None,
        observer: Observer | None = None,
        load: Callable[[], bytes | None] | None = None,
        store: Callable[[bytes], None] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Takes the connection; a limiter to hold around writes; an observer called after each answer; load and store
        to share discovery with other processes; the seconds that a request may take. Asks the server nothing yet."""
        self.connection = connection
        self.transport = Transport(connection, observer)
        self._asker = Asker(self.transport, limiter or Unlimited(), connection.headers, timeout)
        self.discovery = Discovery(self._asker, load=load, store=store)

    def impersonate(self, user: str, groups: tuple[str, ...] = ()) -> ClusterClient:
        """The same cluster as another user; shares connections, discovery and limit with this client."""
        other = copy.copy(self)
        other.connection = self.connection.impersonate(user, groups)
        asker = self._asker
        other._asker = Asker(asker.transport, asker.limiter, other.connection.headers, asker.timeout)
        return other

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(
        self, key: ObjectKey, *, version: str = "", cached: bool = False, metadata_only: bool = False
    ) -> Object | None:
        """One object, or None where there is none.

        `version` "" means the preferred one. `cached`: from the server's watch cache (resourceVersion=0), ten times
        cheaper and perhaps a moment old. `metadata_only`: apiVersion, kind and metadata.
        """
        resource = self.resource_for(key.group, key.kind, version)
        path = self._path(resource, key, version) + ("?resourceVersion=0" if cached else "")
        what = f"get {key}"
        response = self._asker.ask("get", "GET", path, accept=METADATA if metadata_only else JSON)
        if response.status == 404:
            self._check_served(response, key, version)
            return None
        return self._object(response, what, key, version or resource.versions[0])

    def pages(
        self,
        gvk: GVK,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        metadata_only: bool = False,
        limit: int = 500,
        cached: bool = False,
        fields: str | None = None,
    ) -> Iterator[Page]:
        """A list page by page, all of one moment. `namespace` None means all of them; `limit` objects a page.

        `cached`: from the watch cache, in one page. Raises ApiError with `.gone` where the list took so long that its
        moment is no longer kept.
        """
        resource = self.resource_for(gvk.group, gvk.kind, gvk.version)
        version = gvk.version or resource.versions[0]
        query = "resourceVersion=0" if cached else f"limit={limit}"
        query += f"&labelSelector={quote(labels)}" if labels else ""
        query += f"&fieldSelector={quote(fields)}" if fields else ""
        path = f"{resource.path(version, namespace or '')}?{query}"
        what = f"list {gvk.kind}" + (f" in {namespace}" if namespace else "")
        token = ""
        while True:
            where = f"{path}&continue={quote(token)}" if token else path
            response = self._asker.ask("list", "GET", where, accept=METADATA_LIST if metadata_only else JSON)
            if response.status == 404:
                self._check_served(response, ObjectKey(gvk.group, gvk.kind, "", ""), version)
            answer = parsed(response, what)
            meta = answer.get("metadata") or {}
            items = answer.get("items") or []
            api_version = GVK(gvk.group, version, gvk.kind).api_version
            for item in items:  # items of a list carry neither
                item["apiVersion"], item["kind"] = api_version, gvk.kind
            token = str(meta.get("continue") or "")
            yield Page(items, str(meta.get("resourceVersion") or ""), bool(token))
            if not token:
                return

    def list(
        self,
        gvk: GVK,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        metadata_only: bool = False,
        limit: int = 500,
        cached: bool = False,
        fields: str | None = None,
    ) -> Iterator[Object]:
        """Every object of a kind; arguments as for `pages`.

        Where the list outlives what the server keeps (410), it goes on with what is not yet seen as it is now.
        """
        seen: set[tuple[str, str]] = set()
        for full in (False, True):
            pages = self.pages(
                gvk, namespace=namespace, labels=labels, metadata_only=metadata_only, limit=0 if full else limit,
                cached=cached, fields=fields,
            )  # fmt: skip
            try:
                for page in pages:
                    for item in page.items:
                        meta = item["metadata"]
                        name = (meta.get("namespace", ""), meta["name"])
                        if page.more or seen:
                            if name in seen:
                                continue
                            seen.add(name)
                        yield item
                return
            except ApiError as error:
                if not error.gone or full:
                    raise

    # --- writing -----------------------------------------------------------------------------------------------------

    def apply(
        self,
        manifest: Manifest,
        *,
        force: bool = True,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
        validate: Validation = "Strict",
        metadata_only: bool = False,
        subresource: str = "",
    ) -> Object:
        """Server-side apply: creates the object or makes our fields as in `manifest`; gives the object as it is then.

        An apply that changes nothing leaves the resourceVersion as it was. `force` takes over fields of other managers,
        else they are a conflict. `validate` "Strict" refuses unknown and duplicate fields.
        """
        query = f"fieldManager={quote(field_manager)}&fieldValidation={validate}"
        query += "&force=true" if force else ""
        return self._write(
            "apply", "PATCH", manifest, query, dry_run, subresource, "application/apply-patch+yaml", metadata_only
        )

    def create(
        self,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
        validate: Validation = "Strict",
    ) -> Object:
        """POST: raises ApiError with `.exists` where there is one of that name. Sent once, never repeated."""
        query = f"fieldManager={quote(field_manager)}&fieldValidation={validate}"
        return self._write("create", "POST", manifest, query, dry_run)

    def replace(
        self,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
        validate: Validation = "Strict",
        subresource: str = "",
    ) -> Object:
        """PUT of the whole object; with metadata.resourceVersion in it a conflict where it has changed since."""
        query = f"fieldManager={quote(field_manager)}&fieldValidation={validate}"
        return self._write("update", "PUT", manifest, query, dry_run, subresource)

    def merge_patch(
        self,
        key: ObjectKey,
        patch: Object,
        *,
        version: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
    ) -> Object:
        """A JSON merge patch (RFC 7386). metadata.uid or metadata.resourceVersion in it are preconditions (409)."""
        return self._patch(MERGE, key, orjson.dumps(patch), version, subresource, dry_run, field_manager)

    def json_patch(
        self,
        key: ObjectKey,
        patch: builtins.list[Object],
        *,
        version: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
    ) -> Object:
        """A JSON patch (RFC 6902); a failed `test` is a 422. Sent once, never repeated."""
        return self._patch(JSON_PATCH, key, orjson.dumps(patch), version, subresource, dry_run, field_manager)

    def delete(
        self,
        key: ObjectKey,
        *,
        version: str = "",
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Foreground",
        dry_run: bool = False,
    ) -> bool:
        """Delete an object; True where it is gone or going now, False where there was none.

        `uid` and `resource_version` are preconditions: ApiError with `.conflict` where it is another object by now.
        """
        resource = self.resource_for(key.group, key.kind, version)
        conditions = {"uid": uid, "resourceVersion": resource_version}
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid or resource_version:
            options["preconditions"] = {name: value for name, value in conditions.items() if value}
        path = self._path(resource, key, version) + ("?dryRun=All" if dry_run else "")
        response = self._asker.ask("delete", "DELETE", path, body=orjson.dumps(options), accept=METADATA)
        if response.status == 404:
            return False
        if response.status >= 400:
            raise api_error(f"delete {key}", response.status, response.body, response.retry_after)
        self._written(key)
        return True

    # --- the rest ----------------------------------------------------------------------------------------------------

    def resource_for(self, group: str, kind: str, version: str | None = None) -> ApiResource:
        """How the cluster serves a kind. Raises UnknownKind where it does not."""
        return self.discovery.resource_for(group, kind, version)

    def raw(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        accept: str = JSON,
        content_type: str = JSON,
        timeout: float | None = None,
    ) -> Response:
        """Any request; gives the answer whatever its status. Not limited, not repeated when the server is busy."""
        return self.transport.request(
            method,
            path,
            body=body,
            accept=accept,
            content_type=content_type,
            headers=self._asker.headers,
            timeout=timeout or self._asker.timeout,
        )

    def close(self) -> None:
        """Close idle connections."""
        self.transport.close()

    def _path(self, resource: ApiResource, key: ObjectKey, version: str, *, subresource: str = "") -> str:
        if not key.name:
            raise InvalidObject(f"{key.kind} without a name; set metadata.name")
        if resource.namespaced and not key.namespace:
            raise InvalidObject(f"{key}: a {key.kind} lives in a namespace; set metadata.namespace")
        return resource.path(version, key.namespace if resource.namespaced else "", key.name, subresource)

    def _write(
        self,
        verb: str,
        method: str,
        manifest: Manifest,
        query: str,
        dry_run: bool,
        subresource: str = "",
        content_type: str = JSON,
        metadata_only: bool = False,
    ) -> Object:
        key = manifest.key
        resource = self.resource_for(key.group, key.kind, manifest.version)
        path = self._path(resource, key, manifest.version, subresource=subresource)
        if method == "POST":
            path = path.rpartition("/")[0]
        query += "&dryRun=All" if dry_run else ""
        accept = METADATA if metadata_only else JSON
        what = f"{verb} {key}"
        response = self._asker.ask(
            verb, method, f"{path}?{query}", body=manifest.body, content_type=content_type, accept=accept
        )
        if response.status >= 400:
            self._check_served(response, key, manifest.version)
            body = hide_secret_values(response.body, manifest.body) if key.kind == "Secret" else response.body
            raise api_error(what, response.status, body, response.retry_after)
        if not dry_run:
            self._written(key)
        return self._object(response, what, key, manifest.version)

    def _patch(
        self,
        content_type: str,
        key: ObjectKey,
        body: bytes,
        version: str,
        subresource: str,
        dry_run: bool,
        manager: str,
    ) -> Object:
        resource = self.resource_for(key.group, key.kind, version)
        path = self._path(resource, key, version, subresource=subresource)
        query = f"fieldManager={quote(manager)}" + ("&dryRun=All" if dry_run else "")
        what = f"patch {key}"
        response = self._asker.ask("patch", "PATCH", f"{path}?{query}", body=body, content_type=content_type)
        if response.status >= 400:
            self._check_served(response, key, version)
            shown = hide_secret_values(response.body, body) if key.kind == "Secret" else response.body
            raise api_error(what, response.status, shown, response.retry_after)
        return self._object(response, what, key, version or resource.versions[0])

    def _object(self, response: Response, what: str, key: ObjectKey, version: str) -> Object:
        obj = parsed(response, what)
        if obj.get("kind") == "PartialObjectMetadata":
            obj["apiVersion"], obj["kind"] = GVK(key.group, version, key.kind).api_version, key.kind
        return obj

    def _check_served(self, response: Response, key: ObjectKey, version: str) -> None:
        """A 404 that is about the path, not about an object: the kind has gone since we looked."""
        if response.status == 404 and not response.body.lstrip().startswith(b"{"):
            self.discovery.invalidate()
            raise UnknownKind(key.group, version, key.kind)

    def _written(self, key: ObjectKey) -> None:
        if (key.group, key.kind) in _KINDS_OF_KINDS:
            self.discovery.invalidate()
