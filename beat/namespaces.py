"""A kind followed in some namespaces only, where the whole cluster may not be listed: watches that act as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gitops.cluster import ClusterClient, Watch
from gitops.cluster.watch import Event
from gitops.model.objects import GVK, ObjectKey


def watches_in(
    namespaces: Sequence[str],
    client: ClusterClient,
    gvk: GVK,
    on_event: Callable[[Event], None],
    *,
    known: Callable[[], Mapping[ObjectKey, str]],
    **options: Any,
) -> list[Watch]:
    """One Watch for each namespace, or one for all of them where `namespaces` is empty; the rest as Watch takes it.

    SYNCED is told when every one of them has its list: before that nobody can say what is gone.
    """
    listing = set(namespaces)

    def heard(namespace: str, event: Event) -> None:
        if event.type == "SYNCED":
            listing.discard(namespace)
            if listing:
                return
        on_event(event)

    def known_in(namespace: str) -> Mapping[ObjectKey, str]:
        return {key: version for key, version in known().items() if not namespace or key.namespace == namespace}

    return [
        Watch(client, gvk, partial(heard, ns), known=partial(known_in, ns), namespace=ns or None, **options)
        for ns in dict.fromkeys(namespaces or ("",))
    ]
