"""Which kind a source is, where its spec does not say (specs section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitops.source.render.globs import compile_glob
from gitops.source.render.tree import Tree

HELM, KUSTOMIZE, DIRECTORY, PLUGIN = "Helm", "Kustomize", "Directory", "Plugin"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def detect(source: dict[str, Any], tree: Tree, path: str, plugins: dict[str, Any], disabled: set[str]) -> str:
    """The kind of the source at `path`; its own block decides, then plugins that discover it, then its files."""
    kind = _explicit(source) or _by_files(tree, path, plugins)
    return DIRECTORY if kind in disabled else kind


def _explicit(source: dict[str, Any]) -> str | None:
    if source.get("chart"):
        return HELM
    blocks = {"helm": HELM, "kustomize": KUSTOMIZE, "directory": DIRECTORY, "plugin": PLUGIN}
    return next((kind for block, kind in blocks.items() if source.get(block) is not None), None)


def _by_files(tree: Tree, path: str, plugins: dict[str, Any]) -> str:
    if discovering(tree, path, plugins):
        return PLUGIN
    return by_names(tree.names(path))


def by_names(names: Sequence[str]) -> str:
    """The kind of a folder without a plugin, by the names in it."""
    # Kustomize sorts after Chart.yaml in the walk, and the last match wins.
    if any(name in KUSTOMIZATIONS for name in names):
        return KUSTOMIZE
    if any(name.endswith("Chart.yaml") for name in names):
        return HELM
    return DIRECTORY


def discovering(tree: Tree, path: str, plugins: dict[str, Any]) -> str | None:
    """The name of the first plugin whose globs match a file of the source."""
    wanted = {name: [compile_glob(g, separators=True) for g in p["discover"]] for name, p in plugins.items()}
    if not any(wanted.values()):
        return None
    prefix = 0 if path == "." else len(path) + 1
    files = [file[prefix:] for file, _ in tree.walk(path)]
    for name, globs in wanted.items():
        if any(glob.fullmatch(file) for glob in globs for file in files):
            return name
    return None
