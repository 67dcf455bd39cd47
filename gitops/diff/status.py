"""The sync status of an application from its objects', and objects that nobody owns (specs sections 1, 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gitops.diff.verdict import OUT_OF_SYNC, SYNCED, UNKNOWN, Change, ObjectDiff
from gitops.model.names import COMPARE_OPTIONS, HELM_HOOK, HOOK
from gitops.model.objects import Object, ObjectKey, annotations_of, key_of
from gitops.model.project import OrphanedResources

#: On the Secret of a service account's token, which goes with its account.
_ACCOUNT = "kubernetes.io/service-account.name"
#: Orphans that a warning names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """One object of an application, compared. `status` is empty where the object has none (hooks, copies of marks)."""

    key: ObjectKey
    status: str
    #: Whether the object can make the application OutOfSync.
    counts: bool = True


def compare_options(obj: Object | None) -> frozenset[str]:
    """The entries of the compare-options annotation, e.g. IgnoreExtraneous, ServerSideDiff=true."""
    text = annotations_of(obj).get(COMPARE_OPTIONS, "") if obj else ""
    return frozenset(entry.strip() for entry in str(text).split(",") if entry.strip())


def is_hook(obj: Object) -> bool:
    """Whether the object carries a hook annotation of Argo CD or Helm: hooks have no sync status."""
    annotations = annotations_of(obj)
    if HOOK in annotations:
        return True
    helm = {entry.strip() for entry in str(annotations.get(HELM_HOOK, "")).split(",")} - {"", "crd-install"}
    return bool(helm)


def object_result(
    diff: ObjectDiff,
    target: Object | None,
    live: Object | None,
    *,
    self_referenced: bool = True,
    permitted: bool = True,
) -> ObjectResult:
    """The result of one object.

    `self_referenced`: tracking.is_self_referenced of live; `permitted`: whether the project allows the object (one that
    it does not allow is Unknown).
    """
    some = target if target is not None else live
    assert some is not None
    key = key_of(some)
    if is_hook(some) or (live is not None and not self_referenced):
        return ObjectResult(key, "", counts=False)
    if not permitted:
        return ObjectResult(key, UNKNOWN)
    extra = diff.change is Change.EXTRA
    return ObjectResult(key, diff.status, counts=not (extra and "IgnoreExtraneous" in compare_options(live)))


def application_sync_status(
    results: Iterable[ObjectResult], *, loaded: bool = True, namespace_changed: bool = False
) -> str:
    """Synced, OutOfSync or Unknown (specs section 1).

    Takes the objects' results, whether target and live state could be loaded at all, and whether the metadata of a
    managed namespace differs. Unknown where they could not be loaded or a comparison failed.
    """
    if not loaded:
        return UNKNOWN
    status = OUT_OF_SYNC if namespace_changed else SYNCED
    for result in results:
        if not result.counts:
            continue
        if result.status == UNKNOWN:
            return UNKNOWN
        if result.status == OUT_OF_SYNC:
            status = OUT_OF_SYNC
    return status


def _built_in(key: ObjectKey) -> bool:
    """Objects that every namespace (or the cluster) has by itself."""
    return (key.group, key.kind, key.name) in (
        ("", "ServiceAccount", "default"),
        ("", "ConfigMap", "kube-root-ca.crt"),
    ) or key == ("", "Service", "default", "kubernetes")


def top_level(live: Iterable[Object], *, is_owned: Callable[[Object], bool]) -> Iterator[tuple[ObjectKey, Object]]:
    """Objects that stand by themselves in a namespace: nobody's children, no application's, not the namespace's own.

    `is_owned` says whether any application owns an object.
    """
    for obj in live:
        key, meta = key_of(obj), obj.get("metadata") or {}
        if meta.get("ownerReferences") or _ACCOUNT in annotations_of(obj) or _built_in(key):
            continue
        if not is_owned(obj):
            yield key, obj


def orphaned(
    keys: Iterable[ObjectKey], config: OrphanedResources, *, permits: Callable[[ObjectKey], bool]
) -> list[ObjectKey]:
    """Of the objects of a destination namespace that nobody owns, those that a project is told of, sorted.

    `permits` says whether the project allows an object. They are never deleted.
    """
    return sorted(key for key in keys if permits(key) and not _ignored(key, config))


def _ignored(key: ObjectKey, config: OrphanedResources) -> bool:
    """Whether an entry of `orphanedResources.ignore` matches; an empty group is the core one where a kind is named."""
    return any(
        fnmatchcase(key.group, entry.group if entry.group or entry.kind else "*")
        and fnmatchcase(key.kind, entry.kind or "*")
        and fnmatchcase(key.name, entry.name or "*")
        for entry in config.ignore
    )


def orphaned_warning(found: Sequence[ObjectKey], config: OrphanedResources) -> str:
    """The OrphanedResourceWarning, naming the first few; empty where there is nothing to warn of or `warn` is off."""
    count = len(found)
    if not count or config.warn is False:
        return ""
    named = ", ".join(str(key._replace(namespace="")) for key in found[:_NAMED])
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return f"Application has {count} orphaned resource{'s' if count != 1 else ''}: {named}{more}"
