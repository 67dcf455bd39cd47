"""Jsonnet files of a directory source, with external variables, top-level arguments and libraries (specs section 2)."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any

import _jsonnet

from gitops.source.render.context import Context
from gitops.source.render.errors import Refused
from gitops.source.render.manifests import Output
from gitops.source.render.paths import normal, shown

_FILE_LIMIT = 16 << 20
_MAX_STACK = 500


def evaluate(context: Context, spec: dict[str, Any], path: str, name: str, output: Output) -> None:
    """Add the objects that one `.jsonnet` file gives: one object, or a list of them. Raises Refused."""
    tree = context.tree
    libraries = [context.path, *(tree.join(".", lib, "directory.jsonnet.libs") for lib in spec.get("libs") or [])]
    problems: list[Refused] = []

    def load(folder: str, wanted: str) -> tuple[str, bytes]:
        try:
            for base in (folder or ".", *libraries):
                found = tree.join(base, wanted, f"an import in {shown(name)}")
                if tree.is_file(found):
                    return found, tree.read(found, _FILE_LIMIT)
        except Refused as error:
            problems.append(error)
            raise
        raise RuntimeError(f"couldn't open import {wanted!r}: no match locally or in the library paths")

    arguments: dict[str, dict[str, str]] = {}
    for field, prefix in (("extVars", "ext"), ("tlas", "tla")):
        for variable in spec.get(field) or []:
            kind = "codes" if variable.get("code") else "vars"
            arguments.setdefault(f"{prefix}_{kind}", {})[variable["name"]] = context.expand(variable.get("value") or "")
    source = tree.read(path, _FILE_LIMIT).decode("utf-8", "replace")
    try:
        text = _jsonnet.evaluate_snippet(
            normal(path), source, import_callback=load, max_stack=_MAX_STACK, max_trace=3, **arguments
        )
    except RuntimeError as error:
        if problems:
            raise problems[0] from None
        raise Refused(f"{shown(name)}: {_sentence(str(error), posixpath.dirname(path))}") from None
    _add(json.loads(text), name, output)


def _add(value: Any, name: str, output: Output) -> None:
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            output.add(item, f"{shown(name)}, item {number}")
    else:
        output.add(value, shown(name))


def _sentence(text: str, folder: str) -> str:
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    joined = (
        "; ".join(line for line in lines if line).replace(f"{folder}/", "")
        if folder
        else "; ".join(filter(None, lines))
    )
    return joined if len(joined) <= 500 else joined[:497] + "..."
