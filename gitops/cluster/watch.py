"""One watch: list, then follow; what each line of the stream means. No sockets here, see `stream` and `watches`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import uniform
from typing import Literal, NamedTuple
from urllib.parse import quote

import orjson

from gitops.cluster.client import METADATA, ClusterClient
from gitops.cluster.errors import ApiError, status_error
from gitops.errors import ClusterError
from gitops.model.objects import GVK, Object, ObjectKey

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "SYNCED"]
_INITIAL_END = "k8s.io/initial-events-end"
#: Seconds after which the server ends a watch, drawn anew each time, so that watches do not end together.
_LIFETIME = (300, 600)


class Event(NamedTuple):
    """What happened.

    ADDED, MODIFIED, DELETED: to the object `key`; `object` is what the server sent (only metadata in a metadata-only
    watch), or empty for an object that vanished while we did not look.
    BOOKMARK: all changes up to `resource_version` have been delivered. SYNCED: the same, and the initial list is
    complete; comes again after each new list.
    """

    type: EventType
    key: ObjectKey
    resource_version: str
    object: Object


class Watch:
    """What to follow and whom to tell; keeps no objects, only the resourceVersion to go on from."""

    def __init__(
        self,
        client: ClusterClient,
        gvk: GVK,
        on_event: Callable[[Event], None],
        *,
        on_error: Callable[[ClusterError], None] | None = None,
        known: Callable[[], Mapping[ObjectKey, str]] | None = None,
        labels: str | None = None,
        fields: str | None = None,
        namespace: str | None = None,
        metadata_only: bool = True,
        resource_version: str = "",
    ) -> None:
        """Callbacks come from the thread of the Watches that this is given to, one at a time.

        known: the objects that the caller has, by resourceVersion. With it a list tells only the difference, and what
            vanished comes as DELETED. Without it a list tells everything as ADDED.
        on_error: told of each failure; the watch goes on by itself, slowly where the kind is gone or forbidden.
        resource_version: where an earlier watch ended, to go on without a list if the server still can.
        """
        self.client = client
        self.gvk = gvk
        self.labels = labels
        self.fields = fields
        self.namespace = namespace
        self.metadata_only = metadata_only
        self._on_event = on_event
        self._on_error = on_error
        self._known = known
        self._rv = resource_version
        self._unseen: dict[ObjectKey, str] = {}
        #: Whether what the caller knows is complete up to `resource_version`.
        self.synced = False
        self._listing = False

    def __repr__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"<Watch {self.gvk.kind}.{self.gvk.group or 'core'}{where} at {self.client.connection.server}>"

    @property
    def resource_version(self) -> str:
        """Everything up to here has been delivered; empty before the first list."""
        return self._rv

    @property
    def accept(self) -> str:
        return METADATA if self.metadata_only else "application/json"

    def resolve(self) -> None:
        """Ask the cluster how it serves the kind, where that is not known. Raises UnknownKind, ClusterError."""
        resource = self.client.resource_for(self.gvk.group, self.gvk.kind, self.gvk.version)
        if not self.gvk.version:
            self.gvk = self.gvk._replace(version=resource.versions[0])

    @property
    def needs_pages(self) -> bool:
        """Whether the next step is an ordinary list, since the server cannot send one as a watch."""
        return not self._rv and not self.client.transport.streaming_lists

    # --- a list in pages ---------------------------------------------------------------------------------------------

    def begin_list(self) -> None:
        """A list begins, in whichever form."""
        self._listing = True
        self._unseen = dict(self._known()) if self._known else {}

    def page(self, items: list[Object]) -> None:
        """Objects of the list."""
        for item in items:
            self._found("ADDED", item)

    def end_list(self, resource_version: str) -> None:
        """The list was complete: what the caller knows and the list did not have is gone."""
        for key in self._unseen:
            self._on_event(Event("DELETED", key, "", {}))
        self._unseen = {}
        self._tell_synced(resource_version)
        self._rv = resource_version
        self._listing = False

    # --- the stream --------------------------------------------------------------------------------------------------

    def path(self) -> str:
        """The path of the next watch request. Raises UnknownKind, ClusterError."""
        resource = self.client.resource_for(self.gvk.group, self.gvk.kind, self.gvk.version)
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={int(uniform(*_LIFETIME))}"  # noqa: S311
        if self._rv:
            query += f"&resourceVersion={self._rv}"
        else:
            query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        query += f"&labelSelector={quote(self.labels)}" if self.labels else ""
        query += f"&fieldSelector={quote(self.fields)}" if self.fields else ""
        return f"{resource.path(self.gvk.version, self.namespace or '')}?{query}"

    def opened(self) -> None:
        """The server took the request of `path`."""
        if not self._rv:
            self.begin_list()
        elif not self.synced:
            self._tell_synced(self._rv)

    def line(self, data: bytes) -> None:
        """One line of the stream. Where a callback raises, the event comes again when the watch goes on.

        Raises ApiError for an ERROR event, with `.gone` where our resourceVersion is too old and the list begins anew.
        """
        try:
            event = orjson.loads(data)
            kind, obj = event["type"], event["object"]
            version = "" if kind == "ERROR" else obj["metadata"]["resourceVersion"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ClusterError(
                f"watch {self.gvk.kind}: a line is no watch event; is there a proxy in between?"
            ) from None
        if kind == "ERROR":
            raise self._failed(status_error(f"watch {self.gvk.kind}", obj))
        if kind == "BOOKMARK":
            self._bookmark(obj["metadata"], version)
        elif self._listing:
            self._found(kind, obj)
        else:
            self._tell(kind, obj)
            self._rv = version

    def refused(self, error: ApiError) -> bool:
        """The server refused the request of `path`. True where another request should follow at once."""
        if error.gone:
            self._rv, self.synced = "", False
            return True
        if not self._rv and error.invalid:  # it does not know sendInitialEvents
            self.client.transport.streaming_lists = False
            return True
        return False

    def no_bookmark(self) -> None:
        """The streamed list does not come to its end in reasonable time: this server cannot do it."""
        self.client.transport.streaming_lists = False

    @property
    def listing(self) -> bool:
        """Whether a list is under way."""
        return self._listing

    def failed(self, error: ClusterError) -> None:
        """Tell the caller of a failure."""
        if self._on_error:
            self._on_error(error)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _bookmark(self, meta: Object, version: str) -> None:
        if self._listing:
            if (meta.get("annotations") or {}).get(_INITIAL_END) == "true":
                self.end_list(version)
            return
        self._on_event(Event("BOOKMARK", ObjectKey(self.gvk.group, self.gvk.kind, "", ""), version, {}))
        self._rv = version

    def _failed(self, error: ApiError) -> ApiError:
        if error.gone:
            self._rv, self.synced = "", False
        elif self._listing:
            self.client.transport.streaming_lists = False
        return error

    def _found(self, kind: EventType, obj: Object) -> None:
        """An object of the list: told only where the caller does not know it like that."""
        key = self._key(obj)
        had = self._unseen.pop(key, None)
        if kind == "DELETED":
            self._tell("DELETED", obj)
        elif had is None:
            self._tell(kind, obj)
        elif had != obj["metadata"]["resourceVersion"]:
            self._tell("MODIFIED", obj)

    def _key(self, obj: Object) -> ObjectKey:
        meta = obj["metadata"]
        return ObjectKey(self.gvk.group, self.gvk.kind, meta.get("namespace", ""), meta["name"])

    def _tell(self, kind: EventType, obj: Object) -> None:
        obj["apiVersion"], obj["kind"] = self.gvk.api_version, self.gvk.kind
        self._on_event(Event(kind, self._key(obj), obj["metadata"]["resourceVersion"], obj))

    def _tell_synced(self, version: str) -> None:
        self._on_event(Event("SYNCED", ObjectKey(self.gvk.group, self.gvk.kind, "", ""), version, {}))
        self.synced = True
