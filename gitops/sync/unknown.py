"""Validate=false under server-side apply: fields that the schema does not know are left out, as the server would drop
them.

A server-side apply is refused for an unknown field whatever `fieldValidation` says; client-side apply with
`--validate=false` has the server ignore it. The refusal names the fields, so they are taken out and the rest is
applied.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gitops.model.objects import Object

_NAMED = re.compile(r"(\.[^\s:]+(?:\[[^\]]*\][^\s:]*)*): field not declared in schema")
_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\]]*)\]")
_KEY = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,\]]+)')


def unknown_fields(message: str) -> list[str]:
    """The paths that a refused apply names as unknown, such as `.spec.containers[name="main"].typo`."""
    return _NAMED.findall(message)


def without(obj: Object, paths: list[str]) -> bool:
    """Remove the fields at `paths` from an object, in place. Returns whether anything was removed."""
    removed = [_remove(obj, _STEP.findall(path)) for path in paths]
    return any(removed)


def _remove(node: Any, steps: list[tuple[str, str]]) -> bool:
    for name, selector in steps[:-1]:
        node = _below(node, name, selector)
    if not steps or not isinstance(node, dict):
        return False
    return node.pop(steps[-1][0], None) is not None


def _below(node: Any, name: str, selector: str) -> Any:
    if name:
        return node.get(name) if isinstance(node, dict) else None
    if not isinstance(node, list):
        return None
    if selector.isdigit():
        return node[int(selector)] if int(selector) < len(node) else None
    wanted = {key: _literal(value) for key, value in _KEY.findall(selector)}
    return next(
        (
            item
            for item in node
            if isinstance(item, dict) and all(item.get(k) == v for k, v in wanted.items() if k in item)
        ),
        None,
    )


def _literal(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
