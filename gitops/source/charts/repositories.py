"""The face of the charts room."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from gitops.errors import ProjectDenied, RevisionError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.identity import with_token
from gitops.source.access.lookup import repository_for
from gitops.source.access.urls import Url, parse_url
from gitops.source.charts.archive import unpack
from gitops.source.charts.index import HttpCharts
from gitops.source.charts.oci import OciCharts
from gitops.source.disk import Store, key, size_of
from gitops.source.semver import parse_constraint

_NO_BOUNDS = Bounds()


class ChartRepositories:
    """Charts by repository URL, name and version, in a bounded cache below `root` that all processes of a node share.

    What `fetch` gave stays on disk until `close`: use it as a context manager around the render.
    """

    def __init__(
        self,
        root: Path,
        config: RepositoryConfig,
        *,
        allowed: Callable[[str], bool] | None = None,
        project: str = "",
        bounds: Bounds = _NO_BOUNDS,
    ) -> None:
        self._config, self._allowed, self._project, self._bounds = config, allowed, project, bounds
        patience = bounds.command_seconds + 5
        self._charts = Store(root / "charts", bounds.charts_disk_mib, seconds=patience)
        self._indexes = Store(root / "indexes", bounds.charts_disk_mib, seconds=patience, entries=500)
        self._held = ExitStack()

    def resolve(self, repo_url: str, chart: str, version: str, *, refresh: bool = False) -> str:
        """The exact version that a version or semver range means: the highest that fits; "" and `*` are the newest.

        `refresh` asks the server even if its index is fresh. Raises RevisionError, RepositoryError, ProjectDenied.
        """
        url, repository = self._find(repo_url)
        wanted = version.strip()
        what = f"chart {chart or url.path.strip('/')} of {url.text}"
        constraint = parse_constraint(wanted)
        if url.scheme == "oci":
            if wanted and (constraint is None or _exact(wanted)):
                return wanted  # a registry need not list its tags to give one
            known = OciCharts(url, chart, repository, self._config, self._bounds).versions()
        else:
            with self._indexes.entry(self._index_key(url, repository), f"the index of {url.text}") as entry:
                charts = HttpCharts(entry, url, repository, self._config, self._bounds)
                known = charts.versions(chart, refresh=refresh)
            self._indexes.prune()
        if wanted in known:
            return wanted
        best = constraint.highest(known) if constraint else None
        if best is None:
            raise RevisionError(f"{what} has no version that fits {wanted!r}")
        return best

    def fetch(self, repo_url: str, chart: str, version: str, *, pass_credentials: bool = False) -> Path:
        """The folder of the unpacked chart (the one that holds Chart.yaml), for reading only.

        `version` is exact, as `resolve` gives it. Raises RepositoryError, RevisionError, SourceError (the archive).
        """
        url, repository = self._find(repo_url)
        what = f"chart {chart or url.path.strip('/')} {version} of {url.text}"
        name = key(url.text, repository.project, chart, version)
        entry = self._held.enter_context(self._charts.entry(name, what))
        answer = entry.path / "root"
        if not answer.exists():
            with entry.writing():
                if not answer.exists():
                    content = self._download(url, repository, chart, version, pass_credentials)
                    folder = entry.path / "content"
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir()
                    found = unpack(content, folder, what, self._bounds)
                    entry.size = size_of(folder)
                    answer.symlink_to(found.relative_to(entry.path))
            self._charts.prune()
        return answer.resolve()

    def close(self) -> None:
        """Let the disk space be reclaimed when it is short."""
        self._held.close()

    def _download(self, url: Url, repository: Repository, chart: str, version: str, pass_credentials: bool) -> bytes:
        if url.scheme == "oci":
            return OciCharts(url, chart, repository, self._config, self._bounds).archive(version)
        with self._indexes.entry(self._index_key(url, repository), f"the index of {url.text}") as entry:
            charts = HttpCharts(entry, url, repository, self._config, self._bounds)
            return charts.archive(chart, version, pass_credentials=pass_credentials)

    def _find(self, repo_url: str) -> tuple[Url, Repository]:
        repository = repository_for(self._config, repo_url, self._project)
        text = repo_url.strip()
        if repository.enableOCI and "://" not in text:
            text = f"oci://{text}"  # Argo CD's older form: a registry without a scheme
        url = parse_url(text, (self._bounds.protocols & {"https", "http"}) | {"oci"})
        if self._allowed is not None and not self._allowed(repo_url):
            raise ProjectDenied(
                f"chart repository {url.text} is not permitted in project {self._project or 'default'!r}; "
                "add it to the project's sourceRepos"
            )
        return url, with_token(repository, url, self._config, self._bounds)

    @staticmethod
    def _index_key(url: Url, repository: Repository) -> str:
        return key(url.text, repository.project)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _exact(version: str) -> bool:
    """Whether a text is a whole version rather than a range such as `1.2` or `^1`."""
    return (
        version.lstrip("v")[:1].isdigit()
        and version.partition("-")[0].partition("+")[0].count(".") == 2
        and not (set(version.partition("-")[0].partition("+")[0]) & set("xX* |,<>~^"))
    )
