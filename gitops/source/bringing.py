"""What a render asks for from elsewhere: remote bases, charts, files at URLs. The caller brings it between its rounds.

The render process has no network: it names what it lacks, ends, and is started again once everything is here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitops.errors import RenderError
from gitops.source.access.urls import scrub
from gitops.source.request import Brought, ChartDependency, RemoteBase, RemoteFile


class Bringing:
    """The caller's functions, and what they have brought for one render so far."""

    def __init__(
        self,
        remote: Callable[[RemoteBase], Brought] | None,
        charts: Callable[[ChartDependency], Path] | None,
        files: Callable[[RemoteFile], Path] | None,
    ) -> None:
        self._remote, self._charts, self._file = remote, charts, files
        self.bases: dict[RemoteBase, Brought] = {}
        self._archives: dict[str, str] = {}
        self._files: dict[str, str] = {}

    def bring(self, kind: str, items: list[dict[str, Any]]) -> None:
        """Bring what a round named. Raises RenderError where the caller has no function for it, or what that raises."""
        {"remote": self._bring_base, "chart": self._bring_chart, "file": self._bring_file}[kind](items)

    def need(self, url: str, path: str) -> None:
        """Materialise a path in the checkout of a base that was brought."""
        for base, checkout in self.bases.items():
            if base.url == url:
                checkout.need(path)
                return

    @property
    def readable(self) -> list[str | Path]:
        """What the render must be able to read of it."""
        return [*(base.root for base in self.bases.values()), *self._archives.values(), *self._files.values()]

    def job(self) -> dict[str, Any]:
        """What the render is told of it."""
        return {
            "remotes": {base.url: str(checkout.root) for base, checkout in self.bases.items()},
            "charts": self._archives,
            "files": self._files,
        }

    def _bring_base(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            base = RemoteBase(str(item["url"]), str(item["repo_url"]), str(item["ref"]), str(item["path"]))
            if self._remote is None:
                raise RenderError(
                    f"the remote base {scrub(base.url)} is not allowed here; use a base in the same repository"
                )
            self.bases[base] = self._remote(base)

    def _bring_chart(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            wanted = ChartDependency(str(item["name"]), str(item["version"]), str(item["repository"]))
            if self._charts is None:
                raise RenderError(
                    f"the chart's dependency {wanted.name} {wanted.version} of {scrub(wanted.repository)} "
                    "is not in its charts folder; run helm dependency build and commit the result"
                )
            self._archives[str(item["key"])] = str(self._charts(wanted))

    def _bring_file(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            if self._file is None:
                raise RenderError(
                    f"the remote file {scrub(str(item['url']))} is not fetched here; use a file of the repository"
                )
            self._files[str(item["url"])] = str(self._file(RemoteFile(str(item["url"]))))
