"""What a kind of source is given to render from."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gitops.source.render.buildenv import substitute
from gitops.source.render.errors import Retry
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
    #: Ask for a path of a remote base's checkout: (the base's URL, path).
    need_base: Callable[[str, str], None]
    #: The checkouts of remote bases by their folder on disk, as they are used.
    bases: dict[str, Tree] = field(default_factory=dict)

    def output(self) -> Output:
        """An empty result with this render's bounds."""
        return Output(self.limits["objects"], Bounds(depth=self.limits["depth"]))

    def expand(self, text: str) -> str:
        """The text with the build environment put in."""
        return substitute(text, self.env)

    def base(self, url: str) -> Tree:
        """The checkout of a remote base that was brought; one for all bases of the same commit."""
        root = self.job["remotes"][url]
        if root not in self.bases:
            self.bases[root] = Tree(root, self.tree.budget, lambda path: self.need_base(url, path))
        return self.bases[root]

    def bring_files(self, urls: list[str]) -> None:
        """Make sure that files at URLs are here. Raises Retry naming those that are not."""
        if missing := [url for url in dict.fromkeys(urls) if url not in self.job["files"]]:
            raise Retry("file", [{"url": url} for url in missing])

    def remote_file(self, url: str) -> tuple[Tree, str]:
        """A file that was brought, as a tree of its own and the name in it."""
        folder, name = os.path.split(self.job["files"][url])
        return Tree(folder, self.tree.budget, lambda _path: None), name
