"""What generators read, given by the caller: clusters and the content of repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

#: One set of parameters: flat text for fasttemplate, nested values for Go templates.
Params = dict[str, Any]


class RepositoryContent(Protocol):
    """The files of one revision of one repository. Paths are relative to its root, with `/`."""

    def paths(self, repo_url: str, revision: str) -> list[str]:
        """The paths of all files. Raises a SourceError where the repository or revision cannot be read."""
        ...

    def read(self, repo_url: str, revision: str, path: str) -> bytes:
        """The content of one file."""
        ...


@dataclass(frozen=True)
class ClusterInfo:
    """A cluster Secret as the cluster generator sees it."""

    name: str
    server: str
    project: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    #: Whether a Secret says so; the own cluster exists without one too.
    has_secret: bool = True


class NoRepositories:
    """For ApplicationSets without a git generator."""

    def paths(self, repo_url: str, revision: str) -> list[str]:
        raise NotImplementedError("no repository content was given")

    def read(self, repo_url: str, revision: str, path: str) -> bytes:
        raise NotImplementedError("no repository content was given")


@dataclass(frozen=True)
class Inputs:
    """Everything that generators may read."""

    clusters: tuple[ClusterInfo, ...] = ()
    repositories: RepositoryContent = field(default_factory=NoRepositories)
