"""From rendered objects to an Application's Manifests: lists, namespaces, duplicates, tracking (specs 2, 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from gitops.errors import ComparisonError, one_line
from gitops.model.application import Application
from gitops.model.names import INSTANCE_LABEL
from gitops.model.objects import GVK, Manifest, Object, ObjectKey, canonical, gvk_of, key_of
from gitops.model.tracking import TrackingMethod, stamp
from gitops.source.request import Rendered

Warnings = tuple[tuple[str, str], ...]


def finish(
    rendered: Sequence[Rendered],
    app: Application,
    *,
    scope: Callable[[GVK], bool | None],
    control_namespace: str,
    tracking_method: TrackingMethod = TrackingMethod.ANNOTATION,
    instance_label_key: str = INSTANCE_LABEL,
    installation_id: str = "",
    excluded: Callable[[GVK], bool] = lambda _gvk: False,
) -> tuple[tuple[Manifest, ...], Warnings]:
    """The Application's desired objects, and warnings as (condition type, sentence).

    `rendered` is in source order; its objects are changed in place. `scope(gvk)` tells whether the kind is namespaced,
    None where the cluster does not know it (then it is treated as namespaced). `excluded(gvk)` tells what
    `resource.exclusions` keep out.

    Of an object that appears more than once the last wins, at its place. The key of an object with `generateName` alone
    has a name that is made up, and unique.

    Raises ComparisonError naming the file where an object has no kind or no name, or its metadata is no map of texts.
    """
    instance = app.instance(control_namespace)
    namespace = app.spec.destination.namespace
    found: dict[ObjectKey, Manifest] = {}
    times: Counter[ObjectKey] = Counter()
    warnings: list[tuple[str, str]] = []
    generated = 0
    for obj, origin in _objects(rendered):
        _check(obj, origin)
        gvk = gvk_of(obj)
        if excluded(gvk):
            name = obj["metadata"].get("name") or obj["metadata"].get("generateName")
            sentence = f"Resource {gvk.group}/{gvk.kind} {name} is excluded in the settings"
            warnings.append(("ExcludedResourceWarning", one_line(sentence)))
            continue
        stamp(
            obj,
            instance=instance,
            destination_namespace=namespace,
            method=tracking_method,
            label_key=instance_label_key,
            installation_id=installation_id,
        )
        _place(obj, namespace, namespaced=scope(gvk) is not False)
        key = key_of(obj)
        if not key.name:
            key = key._replace(name=f"{obj['metadata']['generateName']}{generated}")
            generated += 1
        times[key] += 1
        found.pop(key, None)
        found[key] = Manifest(key, gvk.version, canonical(obj))
    for key, count in times.items():
        if count > 1:
            shown = "/".join(key)
            sentence = f"Resource {shown} appeared {count} times among application resources."
            warnings.append(("RepeatedResourceWarning", one_line(sentence)))
    return tuple(found.values()), tuple(warnings)


def explode(rendered: Sequence[Rendered]) -> Iterator[Object]:
    """The objects alone, lists taken apart, each with kind and name. Raises ComparisonError naming the file."""
    for obj, origin in _objects(rendered):
        _check(obj, origin)
        yield obj


def _objects(rendered: Sequence[Rendered]) -> Iterator[tuple[Object, str]]:
    for one in rendered:
        for obj, origin in zip(one.objects, one.origins, strict=True):
            yield from _explode(obj, origin)


def _explode(obj: Object, origin: str) -> Iterator[tuple[Object, str]]:
    """The items of a list, of lists in lists too; an empty one gives nothing."""
    items = obj.get("items")
    if isinstance(items, list) and str(obj.get("kind") or "").endswith("List"):
        for number, item in enumerate(items, 1):
            where = f"{origin}, item {number}"
            if not isinstance(item, dict):
                raise ComparisonError(f"{where}: it is not an object; an item of a list is a Kubernetes object")
            yield from _explode(item, where)
    elif not ("items" in obj and items is None and "spec" not in obj and "status" not in obj):
        yield obj, origin


def _check(obj: Object, origin: str) -> None:
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            raise ComparisonError(
                f"{origin}: the object has no {field}; every object needs apiVersion, kind and a name"
            )
    kind, meta = obj["kind"], obj.get("metadata")
    if meta is None:
        meta = {}
    if not isinstance(meta, dict):
        raise ComparisonError(f"{origin}: the {kind}'s metadata is not a map")
    if not any(isinstance(meta.get(field), str) and meta[field] for field in ("name", "generateName")):
        raise ComparisonError(f"{origin}: the {kind} has no name; set metadata.name to a text")
    if meta.get("namespace") is not None and not isinstance(meta["namespace"], str):
        raise ComparisonError(f"{origin}: the namespace of {kind} {meta.get('name')} is not a text; put it in quotes")
    for field in ("labels", "annotations"):
        entries = meta.get(field)
        if entries is None:
            continue
        if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
            what = f"{kind} {meta.get('name') or meta.get('generateName')}"
            raise ComparisonError(
                f"{origin}: metadata.{field} of {what} is not a map of texts; put the values in quotes"
            )


def _place(obj: Object, namespace: str, *, namespaced: bool) -> None:
    """Cluster-scoped objects have no namespace; others without one go to the destination's."""
    meta = obj["metadata"]
    if not namespaced:
        meta.pop("namespace", None)
    elif not meta.get("namespace") and namespace:
        meta["namespace"] = namespace
