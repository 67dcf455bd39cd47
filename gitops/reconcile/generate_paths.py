"""`manifest-generate-paths`: what an application's author declares to be all that its manifests are made from.

Nobody has to write it, since a render tells what it read. Where it is written it decides for renders that nothing else
can tell for: those of plugins, and those that hold the revision itself. A commit outside of it renders nothing then.
"""

from __future__ import annotations

import posixpath
import re

from gitops.model.application import Application
from gitops.model.names import MANIFEST_GENERATE_PATHS

_WILD = re.compile(r"[*?\[]")


def declared(app: Application, path: str) -> frozenset[str]:
    """The declared paths of a source whose own path is `path`, from the repository's root; of a glob, its folder.

    Entries are relative to the source's path, or from the root with a slash before them (specs section 8). What leads
    out of the repository is left out.
    """
    found = set()
    for entry in filter(None, map(str.strip, app.annotations.get(MANIFEST_GENERATE_PATHS, "").split(";"))):
        joined = posixpath.normpath(
            posixpath.join(path or ".", entry) if not entry.startswith("/") else entry.lstrip("/")
        )
        parts = joined.split("/")
        fixed = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts))
        if parts[0] != "..":
            found.add("/".join(parts[:fixed]) or ".")
    return frozenset(found)
