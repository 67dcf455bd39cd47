"""What a kind of source is given to render from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gitops.source.render.buildenv import substitute
from gitops.source.render.manifests import Output
from gitops.source.render.tree import Tree
from gitops.source.render.yamlread import Bounds


@dataclass
class Context:
    """One source, its trees and bounds."""

    source: dict[str, Any]
    tree: Tree
    #: The application's path in the tree.
    path: str
    refs: dict[str, Tree]
    env: dict[str, str]
    job: dict[str, Any]
    limits: dict[str, Any]
    disabled: set[str]
    #: A folder that is this render's own; everything else is read-only.
    temp: str
    #: Ask a long-lived service: (name, request) -> reply.
    service: Callable[[str, dict[str, Any]], dict[str, Any]]

    def output(self) -> Output:
        """An empty result with this render's bounds."""
        return Output(self.limits["objects"], Bounds(depth=self.limits["depth"]))

    def expand(self, text: str) -> str:
        """The text with the build environment put in."""
        return substitute(text, self.env)
