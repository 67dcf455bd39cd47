"""Which Application an object belongs to: the marks written on objects, and how they are read (specs section 3).

All of it is pure. Functions that mark an object change it in place; everything else leaves its arguments alone.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import NamedTuple

from gitops.errors import one_line
from gitops.model.names import INSTALLATION_ID, INSTANCE_LABEL, TRACKING_ID, WATCH_LABEL
from gitops.model.objects import Object, ObjectKey, annotations_of, gvk_of, key_of, labels_of

#: The longest value that the API server accepts for a label.
LABEL_LIMIT = 63
_WATCH_PREFIX = 46
_NOT_LABEL = re.compile(r"[^A-Za-z0-9._-]")


class TrackingMethod(StrEnum):
    """`application.resourceTrackingMethod` of argocd-cm."""

    ANNOTATION = "annotation"
    LABEL = "label"
    ANNOTATION_AND_LABEL = "annotation+label"

    @classmethod
    def of(cls, value: str | None) -> TrackingMethod:
        """The method that a setting names; absent or unknown means annotation, as in Argo CD."""
        try:
            return cls(value or "")
        except ValueError:
            return cls.ANNOTATION

    @property
    def by_annotation(self) -> bool:
        """Whether ownership is read from the tracking id (else from the label)."""
        return self is not TrackingMethod.LABEL


class TrackingId(NamedTuple):
    """A tracking id taken apart. The key's namespace is the destination namespace for cluster-scoped objects."""

    instance: str
    key: ObjectKey

    def __str__(self) -> str:
        group, kind, namespace, name = self.key
        return f"{self.instance}:{group}/{kind}:{namespace}/{name}"


def tracking_id(instance: str, key: ObjectKey, destination_namespace: str) -> str:
    """The tracking id of an object of application `instance`: `<instance>:<group>/<kind>:<namespace>/<name>`.

    An object without a namespace (cluster-scoped ones too) carries the destination namespace.
    """
    return str(TrackingId(instance, key if key.namespace else key._replace(namespace=destination_namespace)))


def parse(value: str) -> TrackingId | None:
    """A tracking id taken apart, or None where the value is not one."""
    parts = value.split(":", 2)
    if len(parts) != 3:
        return None
    group_kind, namespace_name = parts[1].split("/"), parts[2].split("/")
    if len(group_kind) != 2 or len(namespace_name) != 2:
        return None
    return TrackingId(parts[0], ObjectKey(group_kind[0], group_kind[1], namespace_name[0], namespace_name[1]))


def is_crd(obj: Object) -> bool:
    """Whether the object is a CustomResourceDefinition, which never carries tracking metadata."""
    group, _, kind = gvk_of(obj)
    return kind == "CustomResourceDefinition" and group == "apiextensions.k8s.io"


def watch_label(instance: str) -> str:
    """The value of WATCH_LABEL: the instance name, or where it is no valid label value a shortened form with a hash."""
    cleaned = _NOT_LABEL.sub("-", instance)
    if cleaned == instance and 0 < len(instance) <= LABEL_LIMIT and instance[0].isalnum() and instance[-1].isalnum():
        return instance
    mark = hashlib.blake2b(instance.encode(), digest_size=8).hexdigest()
    return f"{cleaned[:_WATCH_PREFIX]}-{mark}".lstrip("._-")


def instance_label_value(instance: str) -> str:
    """The instance label as `annotation+label` writes it: at most 63 characters, ending in a letter or digit."""
    return instance if len(instance) <= LABEL_LIMIT else re.sub(r"[^A-Za-z0-9]+$", "", instance[:LABEL_LIMIT])


def _set(obj: Object, field: str, key: str, value: str) -> None:
    meta = obj.setdefault("metadata", {})
    entries = meta.get(field)
    if entries is None:
        entries = meta[field] = {}
    entries[key] = value


def stamp(
    obj: Object,
    *,
    instance: str,
    destination_namespace: str,
    method: TrackingMethod = TrackingMethod.ANNOTATION,
    label_key: str = INSTANCE_LABEL,
    installation_id: str = "",
) -> None:
    """Mark a desired object, in place, as belonging to application `instance`.

    Takes the instance name (Application.instance), the namespace that objects without one go to, and the settings of
    argocd-cm: tracking method, `application.instanceLabelKey`, `installationID`. Our own WATCH_LABEL is written with
    each method. CustomResourceDefinitions are left as they are.
    """
    if is_crd(obj):
        return
    _set(obj, "labels", WATCH_LABEL, watch_label(instance))
    if method is TrackingMethod.LABEL:
        _set(obj, "labels", label_key, instance)
    elif method is TrackingMethod.ANNOTATION_AND_LABEL:
        _set(obj, "labels", label_key, instance_label_value(instance))
    if method.by_annotation:
        _set(obj, "annotations", TRACKING_ID, tracking_id(instance, key_of(obj), destination_namespace))
    if installation_id:
        _set(obj, "annotations", INSTALLATION_ID, installation_id)


def owner(
    obj: Object,
    method: TrackingMethod = TrackingMethod.ANNOTATION,
    label_key: str = INSTANCE_LABEL,
    installation_id: str = "",
) -> str | None:
    """The instance name of the application that a live object says it belongs to; None where it is none of ours.

    With an installation id configured, objects that carry another one (or none) are not ours.
    """
    annotations = annotations_of(obj)
    if installation_id and annotations.get(INSTALLATION_ID) != installation_id:
        return None
    if not method.by_annotation:
        return labels_of(obj).get(label_key) or None
    found = parse(str(annotations.get(TRACKING_ID) or ""))
    return found.instance or None if found else None


def _names(key: ObjectKey, live: ObjectKey) -> bool:
    """Whether `key` is the identity `live`; a cluster-scoped live object has no namespace to compare."""
    return key[:2] == live[:2] and key.name == live.name and (not live.namespace or key.namespace == live.namespace)


def is_self_referenced(
    live: Object, target: Object | None = None, method: TrackingMethod = TrackingMethod.ANNOTATION
) -> bool:
    """Whether the marks of a live object were meant for this very object.

    Operators copy annotations to the objects they make; such a copy names another object. It is shown, but it has no
    sync status and is never pruned. With the label method everything labelled is ours.
    """
    if not method.by_annotation:
        return True
    identity = key_of(live)
    if target is not None:
        wanted = key_of(target)
        return _names(wanted if wanted.namespace else wanted._replace(namespace=identity.namespace), identity)
    value = annotations_of(live).get(TRACKING_ID)
    if not value:
        return True
    found = parse(str(value))
    return found is None or _names(found.key, identity)


def normalise_migration(
    target: Object,
    live: Object,
    method: TrackingMethod = TrackingMethod.ANNOTATION,
    label_key: str = INSTANCE_LABEL,
) -> Object:
    """The live object as it is to be compared, so that moving over from another engine or method is no difference.

    Where live has the instance label but no tracking id, the target's id counts as there, and the label counts as gone
    if the target has none. A different tracking id is a real difference. Our own WATCH_LABEL, where live lacks it,
    counts as there. Returns `live` itself where nothing had to be changed, else a copy that shares the unchanged parts.
    """
    if is_crd(live):
        return live
    labels, annotations = labels_of(live), annotations_of(live)
    wanted_labels, wanted_annotations = labels_of(target), annotations_of(target)
    new_labels, new_annotations = labels, annotations
    if WATCH_LABEL in wanted_labels and WATCH_LABEL not in labels:
        new_labels = {**new_labels, WATCH_LABEL: wanted_labels[WATCH_LABEL]}
    if method.by_annotation and labels.get(label_key) and not annotations.get(TRACKING_ID):
        if TRACKING_ID in wanted_annotations:
            new_annotations = {**annotations, TRACKING_ID: wanted_annotations[TRACKING_ID]}
        if label_key not in wanted_labels:
            new_labels = {key: value for key, value in new_labels.items() if key != label_key}
    if new_labels is labels and new_annotations is annotations:
        return live
    meta = dict(live.get("metadata") or {})
    for field, entries in (("labels", new_labels), ("annotations", new_annotations)):
        if entries:
            meta[field] = entries
        else:
            meta.pop(field, None)
    return {**live, "metadata": meta}


def display_name(instance: str) -> str:
    """An instance name as people read it: `<namespace>/<name>` for applications outside the control namespace."""
    return instance.replace("_", "/", 1)


def shared_resource_warning(key: ObjectKey, this: str, other: str) -> str:
    """The SharedResourceWarning of an object of application `this` that another application owns (instance names)."""
    return one_line(f"{key.kind}/{key.name} is part of applications {display_name(this)} and {display_name(other)}")
