"""The face of the charts room."""

from __future__ import annotations

from pathlib import Path

from gitops.model.credentials import RepositoryConfig


class ChartRepositories:
    """Charts by repository URL, name and version, in a bounded cache below `root`."""

    def __init__(self, root: Path, config: RepositoryConfig, *, project: str = "") -> None:
        raise NotImplementedError

    def resolve(self, repo_url: str, chart: str, version: str, *, refresh: bool = False) -> str:
        """The exact version that a version or semver range means: the highest that fits. Raises RevisionError, RepositoryError."""
        raise NotImplementedError

    def fetch(self, repo_url: str, chart: str, version: str, *, pass_credentials: bool = False) -> Path:
        """The folder of the unpacked chart (the one that holds Chart.yaml), for reading only. Raises RepositoryError, SourceError."""
        raise NotImplementedError
