"""`.argocd-source.yaml` and `.argocd-source-<app>.yaml`: the repository's changes to its source spec (specs 2)."""

from __future__ import annotations

from typing import Any

from gitops.source.render import yamlread
from gitops.source.render.errors import Refused
from gitops.source.render.tree import Tree

#: What the repository may not change about itself.
PROTECTED = ("repoURL", "path", "targetRevision", "chart")
_LIMIT = 1 << 20


def read_overrides(tree: Tree, path: str, app_name: str) -> list[dict[str, Any]]:
    """The merge patches of the application's path, in the order in which they apply. Raises Refused."""
    found = []
    for name in (".argocd-source.yaml", f".argocd-source-{app_name}.yaml"):
        if "/" in name:
            continue
        file = name if path == "." else f"{path}/{name}"
        if not tree.is_file(file):
            continue
        try:
            value = yamlread.load(yamlread.text_of(tree.read(file, _LIMIT)))
        except yamlread.YamlError as error:
            raise Refused(f"{name}, line {error.line}: {error.problem}") from None
        if value is None:
            continue
        if not isinstance(value, dict):
            raise Refused(f"{name} is not a map; it must hold a part of a source spec")
        found.append({key: part for key, part in value.items() if key not in PROTECTED})
    return found


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: maps merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
