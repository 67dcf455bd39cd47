"""Plain files: YAML, JSON and jsonnet in a folder (specs section 2, "Directory")."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from gitops.source.render import globs, jsonnet, yamlread
from gitops.source.render.context import Context
from gitops.source.render.errors import Refused
from gitops.source.render.manifests import Output, check_map, unreadable
from gitops.source.render.paths import shown
from gitops.source.render.tree import Kind

_MANIFEST = re.compile(r".*\.(yaml|yml|json|jsonnet)")
_SKIP = b"+argocd:skip-file-rendering"
_MIB = 1 << 20


def render(context: Context) -> Output:
    """Every object of the files that the source's options choose. Raises Refused."""
    spec = context.source.get("directory") or {}
    tree, output = context.tree, context.output()
    limit = context.limits["directory_mib"] * _MIB
    total = 0
    for path, relative in _chosen(context, spec, output):
        if relative.endswith(".jsonnet"):
            if "Jsonnet" not in context.disabled:
                jsonnet.evaluate(context, spec.get("jsonnet") or {}, path, relative, output)
            continue
        total += tree.size(path)
        if total > limit:
            raise Refused(
                f"the directory's manifests are larger than {context.limits['directory_mib']} MiB together "
                f"(reached at {shown(relative)})"
            )
        _file(tree.read(path), relative, output)
    return output


def _chosen(context: Context, spec: dict[str, Any], output: Output) -> list[tuple[str, str]]:
    tree, start = context.tree, context.path
    prefix = 0 if start == "." else len(start) + 1
    any_name = spec.get("disableExtensionFilter")
    found = []
    for path, kind in tree.walk(start, deep=bool(spec.get("recurse"))):
        relative = path[prefix:]
        if not any_name and not _MANIFEST.fullmatch(os.path.basename(path)):
            continue
        if spec.get("exclude") and globs.matches(spec["exclude"], relative):
            continue
        if spec.get("include") and not globs.matches(spec["include"], relative):
            continue
        if kind is Kind.LINK:
            real = tree.locate(path)
            if real is None:
                output.warnings.append(f"{shown(relative)} was skipped: its target does not exist")
                continue
            if not os.path.isfile(real):
                output.warnings.append(f"{shown(relative)} was skipped: it is not a file")
                continue
        elif kind is Kind.OTHER:
            output.warnings.append(f"{shown(relative)} was skipped: it is not a file")
            continue
        found.append((path, relative))
        if len(found) > context.limits["files"]:
            raise Refused(f"the source has more than {context.limits['files']} files")
    return found


def _file(data: bytes, name: str, output: Output) -> None:
    if _SKIP in data:
        return
    if name.endswith(".json"):
        _json(data, name, output)
    else:
        _yaml(data, name, output)


def _yaml(data: bytes, name: str, output: Output) -> None:
    good = False
    try:
        for document in yamlread.documents(data, output.bounds):
            origin = f"{shown(name)}, document {document.number}"
            if document.value is None:
                continue
            check_map(document.value, origin)
            _check_kind(document.value, origin)
            good = True
            output.add(document.value, origin)
    except yamlread.YamlError as error:
        if good or _looks_like_manifest(data):
            raise unreadable(name, error) from None
    except Refused:
        # Lists, words and maps of other formats are passed over. What has an apiVersion and metadata was meant as an
        # object: its missing kind is a mistake.
        if good or _looks_like_manifest(data, (b"apiVersion:", b"metadata:")):
            raise


def _looks_like_manifest(data: bytes, words: tuple[bytes, ...] = (b"apiVersion:", b"kind:", b"metadata:")) -> bool:
    try:
        data = yamlread.text_of(data)
    except yamlread.YamlError:
        return False
    return all(word in data for word in words)


def _json(data: bytes, name: str, output: Output) -> None:
    try:
        text = yamlread.text_of(data).decode()
        value, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    except yamlread.YamlError as error:
        raise Refused(f"{shown(name)}, line {error.line}: {error.problem}") from None
    except json.JSONDecodeError as error:
        raise Refused(f"{shown(name)}, line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise Refused(f"{shown(name)} is nested too deeply") from None
    if text[end:].strip():
        raise Refused(f"{shown(name)} holds more than one JSON value; a JSON file is exactly one object")
    if isinstance(value, dict) and _oci_manifest(value):
        return
    if value is not None:
        _check_kind(value, shown(name))
    output.add(value, shown(name))


def _check_kind(value: Any, origin: str) -> None:
    if isinstance(value, dict) and not (isinstance(value.get("kind"), str) and value["kind"]):
        raise Refused(f"{origin}: it has no kind; every object needs apiVersion and kind")


def _oci_manifest(value: dict[str, Any]) -> bool:
    """An image manifest or index that a build left behind: it has a schemaVersion, and no kind."""
    media = value.get("mediaType")
    return isinstance(media, str) and media.startswith(
        ("application/vnd.oci.image.", "application/vnd.docker.distribution.manifest.")
    )
