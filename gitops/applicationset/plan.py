"""What is to be created, updated and deleted so that the Applications are as generated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gitops.diff.ignore import IgnoreRules, Rule
from gitops.diff.respect import respect_ignore_differences
from gitops.errors import InvalidSpecError
from gitops.model.names import GROUP, POST_DELETE_FINALIZER, PRE_DELETE_FINALIZER, REFRESH
from gitops.model.objects import Object, canonical

#: Annotations that others write on Applications and that an update leaves alone.
_FOREIGN_ANNOTATIONS = (REFRESH, "argocd.argoproj.io/hydrate", "notified.notifications.argoproj.io")


class Policy(StrEnum):
    """`spec.syncPolicy.applicationsSync`: which of create, update and delete are done."""

    CREATE_ONLY = "create-only"
    CREATE_UPDATE = "create-update"
    CREATE_DELETE = "create-delete"
    SYNC = "sync"

    @classmethod
    def of(cls, appset: Object) -> Policy:
        """The policy of an ApplicationSet; `sync` where it names none. Raises InvalidSpecError for an unknown one."""
        value = ((appset.get("spec") or {}).get("syncPolicy") or {}).get("applicationsSync") or cls.SYNC
        try:
            return cls(value)
        except ValueError:
            raise InvalidSpecError(f"applicationsSync {value!r} is none of {', '.join(cls)}") from None

    @property
    def updates(self) -> bool:
        return self in (Policy.CREATE_UPDATE, Policy.SYNC)

    @property
    def deletes(self) -> bool:
        return self in (Policy.CREATE_DELETE, Policy.SYNC)


@dataclass(frozen=True)
class Plan:
    """Objects to create, objects to replace (with their resourceVersion), and names to delete."""

    create: tuple[Object, ...] = ()
    update: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.create or self.update or self.delete)


def _name(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("name") or "")


def _controller(obj: Object) -> str:
    references = (obj.get("metadata") or {}).get("ownerReferences") or ()
    return next((str(entry.get("uid")) for entry in references if entry.get("controller")), "")


def reconcile_plan(appset: Object, existing: Iterable[Object], generated: Iterable[Object]) -> Plan:
    """Compare the Applications in the ApplicationSet's namespace with the generated ones, by its policy.

    Of `existing`, only those that the ApplicationSet owns are ever deleted. Fields named by
    ignoreApplicationDifferences, preservedFields, and marks of other controllers are left as they are; `status` and
    `operation` too.

    Raises InvalidSpecError where a generated name belongs to another controller.
    """
    policy, uid = Policy.of(appset), str((appset.get("metadata") or {}).get("uid") or "")
    held = {_name(obj): obj for obj in existing}
    create, update, wanted = [], [], set()
    for obj in generated:
        name = _name(obj)
        wanted.add(name)
        live = held.get(name)
        if live is None:
            create.append(obj)
            continue
        if _controller(live) not in ("", uid):
            raise InvalidSpecError(f"Application {name} belongs to another ApplicationSet; give it another name")
        if policy.updates:
            made = updated(appset, live, obj)
            if canonical(made) != canonical(live):
                update.append(made)
    delete = [obj for name, obj in held.items() if name not in wanted and uid and _controller(obj) == uid]
    return Plan(tuple(create), tuple(update), tuple(delete) if policy.deletes else ())


def updated(appset: Object, live: Object, wanted: Object) -> Object:
    """The live Application with what the ApplicationSet says of it; `live` itself is not changed."""
    spec = appset.get("spec") or {}
    rules = tuple(
        Rule(
            group=GROUP,
            kind="Application",
            name=str(entry.get("name") or ""),
            json_pointers=tuple(entry.get("jsonPointers") or ()),
            jq_path_expressions=tuple(entry.get("jqPathExpressions") or ()),
        )
        for entry in spec.get("ignoreApplicationDifferences") or ()
    )
    target = respect_ignore_differences(wanted, live, IgnoreRules(rules=rules)) if rules else wanted
    preserved = spec.get("preservedFields") or {}
    held, meta = dict(live.get("metadata") or {}), target.get("metadata") or {}
    for field, keep in (
        ("labels", tuple(preserved.get("labels") or ())),
        ("annotations", (*(preserved.get("annotations") or ()), *_FOREIGN_ANNOTATIONS)),
    ):
        kept = {key: value for key, value in (held.get(field) or {}).items() if key in keep}
        merged = {**(meta.get(field) or {}), **kept}
        _put(held, field, merged)
    finalizers = [
        entry
        for entry in held.get("finalizers") or ()
        if entry.startswith((PRE_DELETE_FINALIZER, POST_DELETE_FINALIZER))
        and entry not in (meta.get("finalizers") or ())
    ]
    _put(held, "finalizers", [*(meta.get("finalizers") or ()), *finalizers])
    _put(held, "ownerReferences", meta.get("ownerReferences") or held.get("ownerReferences"))
    return {**live, "metadata": held, "spec": target.get("spec") or {}}


def _put(holder: dict[str, Any], field: str, value: Any) -> None:
    if value:
        holder[field] = value
    else:
        holder.pop(field, None)
