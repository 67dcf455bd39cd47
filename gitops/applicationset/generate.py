"""An ApplicationSet and what it may read to Applications."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import yaml

from gitops.applicationset.generators import run
from gitops.applicationset.inputs import Inputs, Params
from gitops.applicationset.templating import TemplateError, Templating, deep_merge
from gitops.errors import InvalidSpecError
from gitops.model.names import API_VERSION, FINALIZER_FOREGROUND
from gitops.model.objects import Object

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def _label(appset: Object) -> str:
    meta = appset.get("metadata") or {}
    return f"ApplicationSet {meta.get('namespace')}/{meta.get('name')}"


def templating_of(appset: Object) -> Templating:
    """How the ApplicationSet renders its strings. Raises InvalidSpecError for an unknown goTemplateOption."""
    spec = appset.get("spec") or {}
    options = spec.get("goTemplateOptions") or []
    known = {f"missingkey={value}" for value in ("error", "default", "zero", "invalid")}
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InvalidSpecError(f"{_label(appset)}: goTemplateOptions entry {unknown[0]!r} is not known")
    return Templating(bool(spec.get("goTemplate")), "missingkey=error" in options)


def generate(appset: Object, inputs: Inputs) -> list[Object]:
    """The Applications that an ApplicationSet stands for, in the order of its generators.

    They live in its namespace, are owned by it, and carry the resources finalizer unless preserveResourcesOnDeletion
    or the template's own finalizers say otherwise.

    Raises InvalidSpecError, one sentence naming the ApplicationSet and what is wrong (a template that cannot be
    rendered, a name that is none or is there twice), or a SourceError from reading a repository.
    """
    spec = appset.get("spec") or {}
    templating = templating_of(appset)
    made: dict[str, Object] = {}
    try:
        for generator in spec.get("generators") or ():
            for params, own in run(generator, inputs, templating):
                app = _render(appset, deep_merge(spec.get("template") or {}, _given(own)), params, templating)
                name = str(app["metadata"].get("name") or "")
                if not _NAME.fullmatch(name):
                    raise InvalidSpecError(f"the template gives {name!r}, which is no name of an Application")
                if name in made:
                    raise InvalidSpecError(f"the template gives the Application {name} more than once")
                made[name] = app
    except (InvalidSpecError, TemplateError) as error:
        raise InvalidSpecError(f"{_label(appset)}: {error}") from None
    return list(made.values())


def _given(template: Any) -> Any:
    """A generator's own template without what it leaves empty, so that it overrides only what it says."""
    if isinstance(template, Mapping):
        inner = {key: _given(value) for key, value in template.items()}
        return {key: value for key, value in inner.items() if value not in (None, "", {}, [])}
    return template


def _render(appset: Object, template: Mapping[str, Any], params: Params, templating: Templating) -> Object:
    spec = appset.get("spec") or {}
    filled = templating.apply(copy.deepcopy(dict(template)), params)
    meta = {key: value for key, value in (filled.get("metadata") or {}).items() if value}
    app: Object = {"apiVersion": API_VERSION, "kind": "Application", "metadata": meta, "spec": filled.get("spec") or {}}
    if spec.get("templatePatch"):
        app = _patched(app, spec["templatePatch"], params, templating)
    meta = app["metadata"]
    owner = appset.get("metadata") or {}
    meta["namespace"] = owner.get("namespace")
    policy = spec.get("syncPolicy") or {}
    if not meta.get("finalizers") and not policy.get("preserveResourcesOnDeletion"):
        meta["finalizers"] = [FINALIZER_FOREGROUND]
    if owner.get("uid"):
        meta["ownerReferences"] = [
            {
                "apiVersion": API_VERSION,
                "kind": "ApplicationSet",
                "name": owner.get("name"),
                "uid": owner["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    return app


def _patched(app: Object, patch: str, params: Params, templating: Templating) -> Object:
    """templatePatch: rendered as text, read as YAML, merged onto the Application; lists are replaced, null removes."""
    try:
        loaded = yaml.safe_load(templating.text(patch, params))
    except yaml.YAMLError:
        raise InvalidSpecError("templatePatch does not render to YAML; correct it") from None
    if loaded is None:
        return app
    if not isinstance(loaded, dict):
        raise InvalidSpecError("templatePatch does not render to a map; correct it")
    merged: Object = _merge_patch(app, loaded)
    return {**merged, "apiVersion": app["apiVersion"], "kind": app["kind"]}


def _merge_patch(base: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    made = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merge_patch(made.get(key), value)
    return made
