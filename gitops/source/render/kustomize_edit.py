"""`spec.source.kustomize` as `kustomize edit` would write it, on the kustomization in memory (specs section 2).

The functions are named after the subcommands. They change the parsed kustomization; nothing is written to the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitops.source.render.buildenv import substitute
from gitops.source.render.errors import Refused, WrongSpec

Kustomization = dict[str, Any]

_TAGGED = re.compile(r"(.*):([a-zA-Z0-9._-]*|\*)", re.DOTALL)
_KEEP = "*"


def edit(kustomization: Kustomization, spec: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Apply every field but components (which need the tree). Raises WrongSpec, Refused."""
    if spec.get("namePrefix"):
        kustomization["namePrefix"] = spec["namePrefix"]
    if spec.get("nameSuffix"):
        kustomization["nameSuffix"] = spec["nameSuffix"]
    if spec.get("images"):
        set_images(kustomization, [substitute(image, env) for image in spec["images"]])
    if spec.get("replicas"):
        set_replicas(kustomization, spec["replicas"])
    if spec.get("commonLabels"):
        add_labels(kustomization, spec, {k: substitute(v, env) for k, v in spec["commonLabels"].items()})
    if spec.get("commonAnnotations"):
        values = spec["commonAnnotations"]
        if spec.get("commonAnnotationsEnvsubst"):
            values = {k: substitute(v, env) for k, v in values.items()}
        into = kustomization.setdefault("commonAnnotations", {})
        _write(into, values, force=bool(spec.get("forceCommonAnnotations")), what="annotation")
    if spec.get("namespace"):
        kustomization["namespace"] = spec["namespace"]
    if spec.get("patches"):
        kustomization["patches"] = [*(kustomization.get("patches") or []), *map(_patch, spec["patches"])]


def set_images(kustomization: Kustomization, arguments: list[str]) -> None:
    """`kustomize edit set image`: replaces what the file says of an image, `*` keeps a part of it; sorted by name."""
    given = {image["name"]: image for image in map(_image, arguments)}
    for old in kustomization.get("images") or []:
        new = given.get(old.get("name", ""))
        if new is None:
            given[old.get("name", "")] = old
            continue
        for part in ("newName", "newTag", "digest"):
            if new.get(part) == _KEEP:
                new[part] = old.get(part, "")
    for image in given.values():
        for part in ("newName", "newTag", "digest"):
            if image.get(part) in (_KEEP, ""):
                image.pop(part, None)
    kustomization["images"] = [given[name] for name in sorted(given)]


def _image(argument: str) -> dict[str, Any]:
    name, equals, rest = argument.partition("=")
    replaced = rest if equals else argument
    if not replaced or "=" in rest:
        raise WrongSpec(f"kustomize.images: {argument!r} is no image; write name=new:tag, name:tag or name@digest")
    base, at, digest = replaced.partition("@")
    tagged = _TAGGED.fullmatch(base)
    new_name, tag = (tagged[1], tagged[2]) if tagged else (base, "")
    if not equals and not at and not tagged:
        raise WrongSpec(
            f"kustomize.images: {argument!r} has neither a tag nor a new name; write name=new:tag or name:tag"
        )
    image: dict[str, Any] = {"name": name if equals else new_name}
    if equals:
        image["newName"] = new_name
    if tag:
        image["newTag"] = tag
    if at:
        image["digest"] = digest
    return image


def set_replicas(kustomization: Kustomization, replicas: list[dict[str, Any]]) -> None:
    """`kustomize edit set replicas`: replaces what the file says of a name; sorted by name."""
    given: dict[str, dict[str, Any]] = {}
    for entry in replicas:
        try:
            count = int(entry["count"])
        except ValueError:
            count = -1
        if count < 0:
            raise WrongSpec(f"kustomize.replicas: the count of {entry['name']} is not a whole number")
        given[entry["name"]] = {"name": entry["name"], "count": count}
    for old in kustomization.get("replicas") or []:
        given.setdefault(old.get("name", ""), old)
    kustomization["replicas"] = [given[name] for name in sorted(given)]


def add_labels(kustomization: Kustomization, spec: Mapping[str, Any], labels: dict[str, str]) -> None:
    """`kustomize edit add label`: into commonLabels, or without selectors into `labels`."""
    force, templates = bool(spec.get("forceCommonLabels")), bool(spec.get("labelIncludeTemplates"))
    if not spec.get("labelWithoutSelector"):
        if templates:
            raise WrongSpec("kustomize.labelIncludeTemplates needs labelWithoutSelector: true beside it")
        _write(kustomization.setdefault("commonLabels", {}), labels, force=force, what="label")
        return
    groups = kustomization.setdefault("labels", [])
    for group in groups:
        if not group.get("includeSelectors") and bool(group.get("includeTemplates")) == templates:
            _write(group.setdefault("pairs", {}), labels, force=force, what="label")
            return
    groups.append({"pairs": labels, **({"includeTemplates": True} if templates else {})})


def _write(into: dict[str, Any], values: Mapping[str, str], *, force: bool, what: str) -> None:
    for key, value in values.items():
        if key in into and not force:
            field = "forceCommonLabels" if what == "label" else "forceCommonAnnotations"
            raise Refused(f"{what} {key} is already in the kustomization file; set kustomize.{field} to replace it")
        into[key] = value


def _patch(patch: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in patch.items() if value not in (None, "", {})}
