"""The client of the render process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gitops.source.request import ChartDependency, Rendered, RenderRequest


def _all_there(_path: str) -> None:
    """The checkout is complete."""


class Renderer:
    """Renders in a small process of its own, started by exec on first use and shared by processes forked afterwards.

    Thread-safe. `sandbox` is "auto" (what the kernel offers, with a log line for what it lacks) or "required" (refuse to
    render without it). `kustomize` is the path of the warm renderer's binary, "kubectl", or "" to take the best there is.
    """

    def __init__(self, *, sandbox: str = "auto", kustomize: str = "", temp: Path | None = None) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the render process now, so that it is shared by what the caller forks later. Costs about 15 MiB."""
        raise NotImplementedError

    def render(
        self,
        request: RenderRequest,
        need: Callable[[str], None] = _all_there,
        *,
        need_ref: Callable[[str, str], None] | None = None,
        remote: Callable[[str], Path] | None = None,
        charts: Callable[[ChartDependency], Path] | None = None,
    ) -> Rendered:
        """Render one source.

        `need(path)` is called before a path outside the application's own is read, to materialise it in the checkout;
        `need_ref(ref, path)` does the same for another source. `remote(url)` gives the local folder of a remote kustomize
        base, or raises; without it remote bases are refused. `charts(dependency)` gives the local archive or folder of a
        chart dependency, or raises; without it a missing dependency is an error.

        Raises RenderError (bounds, tools' errors, files), InvalidSpecError (the source spec), or what the callables raise.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the render process, if this process started it."""
        raise NotImplementedError
