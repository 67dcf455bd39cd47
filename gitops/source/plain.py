"""Plain directories of manifests: a render gets their files as Git has them, and nothing is written to disk."""

from __future__ import annotations

from gitops.model.application import Source
from gitops.source.git.checkout import Checkout
from gitops.source.git.tree import clean
from gitops.source.render.detection import DIRECTORY, by_names
from gitops.source.render.given import Given


def given(source: Source, checkout: Checkout) -> dict[str, bytes] | None:
    """The files of the source's path by their path in the repository; None where they have to be on disk.

    So it is for charts, kustomizations and plugins, and for what `Checkout.given` does not give. Raises as that does.
    """
    if source.helm is not None or source.kustomize is not None or source.plugin is not None:
        return None
    files = checkout.given(source.path)
    if files is None or source.directory is not None:
        return files
    folder = clean(source.path) or "."
    return files if by_names(Given(folder, files).names(folder)) == DIRECTORY else None
