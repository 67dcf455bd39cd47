"""A cluster client that remembers what it wrote and read, so that nothing is read again that was just answered."""

from __future__ import annotations

from typing import Any

from gitops.cluster import ClusterClient
from gitops.model.objects import Manifest, Object, ObjectKey, key_of


class RecordingClient:
    """Passes everything on to `client`; `written` holds the objects as the server gave them back, by key, and `seen`
    those that were read since.
    """

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self.written: dict[ObjectKey, Object] = {}
        self.seen: dict[ObjectKey, Object] = {}
        self.deleted: set[ObjectKey] = set()
        #: Those of `written` that came of an apply.
        self.applied: set[ObjectKey] = set()
        #: Requests that write, dry runs among them.
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get(self, key: ObjectKey, **options: Any) -> Object | None:
        found = self._client.get(key, **options)
        if found is not None and not options.get("metadata_only") and not options.get("cached"):
            self.seen[key] = found
        return found

    def apply(self, manifest: Manifest, **options: Any) -> Object:
        # The whole object comes back for the price of its metadata, and is what the comparison afterwards goes by.
        self.writes += 1
        if not options.get("dry_run"):
            options["metadata_only"] = False
            self.applied.add(manifest.key)
        return self._keep(self._client.apply(manifest, **options), options)

    def create(self, manifest: Manifest, **options: Any) -> Object:
        self.writes += 1
        self.applied.discard(manifest.key)
        return self._keep(self._client.create(manifest, **options), options)

    def replace(self, manifest: Manifest, **options: Any) -> Object:
        self.writes += 1
        self.applied.discard(manifest.key)
        return self._keep(self._client.replace(manifest, **options), options)

    def delete(self, key: ObjectKey, **options: Any) -> bool:
        self.writes += 1
        gone = self._client.delete(key, **options)
        if not options.get("dry_run"):
            self.written.pop(key, None)
            self.seen.pop(key, None)
            self.deleted.add(key)
        return gone

    def _keep(self, obj: Object, options: dict[str, Any]) -> Object:
        if not options.get("dry_run") and not options.get("metadata_only"):
            key = key_of(obj)
            self.written[key] = obj
            self.seen.pop(key, None)
            self.deleted.discard(key)
        return obj
