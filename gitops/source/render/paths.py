"""Paths inside a checkout, and file names as people are shown them."""

from __future__ import annotations

import posixpath


def normal(path: str) -> str:
    """The path without `.`, `..` in its middle, and doubled slashes."""
    return posixpath.normpath(path or ".")


def below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or inside it."""
    return folder in (".", path) or path.startswith(folder + "/")


def shown(name: str) -> str:
    """A file name as it may appear in a message: on one line, not endless."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= 200 else text[:197] + "..."


def is_text(name: str) -> bool:
    """Whether a file name is UTF-8, as all that the render process is asked, and that it answers, has to be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
