"""Text to objects: what the tools print, and the files of directory sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gitops.source.render import yamlread
from gitops.source.render.errors import Refused
from gitops.source.render.paths import shown


@dataclass
class Output:
    """Objects with where they come from; bounded."""

    max_objects: int
    bounds: yamlread.Bounds
    objects: list[dict[str, Any]] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, value: Any, origin: str) -> None:
        """Take one document. Raises Refused where it is no map, or there are too many."""
        if value is None:
            return
        check_map(value, origin)
        if len(self.objects) >= self.max_objects:
            raise Refused(f"the source gives more than {self.max_objects} objects")
        self.objects.append(value)
        self.origins.append(origin)

    def add_yaml(self, data: bytes, name: str) -> None:
        """Take every document of a stream that a tool printed. Raises Refused naming document and line."""
        try:
            for document in yamlread.documents(data, self.bounds):
                self.add(document.value, f"{shown(name)}, document {document.number}")
        except yamlread.YamlError as error:
            raise unreadable(name, error) from None


def unreadable(name: str, error: yamlread.YamlError) -> Refused:
    """The error of a file that is no YAML."""
    return Refused(f"{shown(name)}, document {error.document}, line {error.line}: {error.problem}")


def check_map(value: Any, origin: str) -> None:
    """Raises Refused where a document is no map, and so no object."""
    if not isinstance(value, dict):
        raise Refused(f"{origin}: it is a {_kind(value)}, not a Kubernetes object")


def _kind(value: Any) -> str:
    return {str: "text", bool: "boolean", list: "list"}.get(type(value), "number")
