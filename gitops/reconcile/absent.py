"""Which of many objects are not there: a list of names tells it at once, where each would be asked for in vain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from gitops.cluster import ClusterClient
from gitops.errors import GitOpsError
from gitops.model.objects import GVK, ObjectKey

#: So many of a kind in a namespace are worth a list; it may take a page for each so many, else they are asked for.
WORTH, EACH_PAGE = 50, 10


def absent(client: ClusterClient, wanted: Iterable[tuple[ObjectKey, str]]) -> set[ObjectKey]:
    """Those of the wanted objects (key, API version) that are known not to be there.

    Nothing is said of what cannot be listed, nor of few objects, nor of a namespace that holds far more of the kind.
    """
    groups: dict[tuple[GVK, str], set[ObjectKey]] = defaultdict(set)
    for key, version in wanted:
        groups[GVK(key.group, version, key.kind), key.namespace].add(key)
    found: set[ObjectKey] = set()
    for (gvk, namespace), keys in groups.items():
        if len(keys) >= WORTH:
            found |= keys - _present(client, gvk, namespace, keys)
    return found


def _present(client: ClusterClient, gvk: GVK, namespace: str, keys: set[ObjectKey]) -> set[ObjectKey]:
    """Those that are there; all of them where that is not known."""
    names: set[str] = set()
    try:
        for number, page in enumerate(client.pages(gvk, namespace=namespace or None, metadata_only=True), 1):
            names.update(item["metadata"]["name"] for item in page.items)
            if page.more and number * EACH_PAGE >= len(keys):
                return keys
    except GitOpsError:
        return keys  # whoever asks for one of them says what is wrong
    return {key for key in keys if key.name in names}
