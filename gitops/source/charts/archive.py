"""Unpacking a chart's archive: regular files and folders only, bounded, never outside of its folder."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from gitops.errors import SourceError
from gitops.source.access.bounds import MIB, Bounds

_FILES = 10_000


def unpack(content: bytes, folder: Path, what: str, bounds: Bounds) -> Path:
    """Unpack a .tgz into an empty folder and return the folder that holds Chart.yaml, or `folder` itself if there is
    none.

    Raises SourceError for links, devices, paths that lead out, and for what outgrows the bounds. `what` names the
    archive.
    """
    left = bounds.checkout_mib * MIB
    files = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as archive:
            for member in archive:
                path = _inside(member, what)
                files, left = files + 1, left - member.size
                if files > _FILES or left < 0:
                    raise SourceError(
                        f"{what} holds more than {_FILES:,} files or {bounds.checkout_mib:,} MiB; this is refused"
                    )
                target = folder / path
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(archive, member, target)
    except (tarfile.TarError, zlib.error, EOFError, OSError, UnicodeError):
        raise SourceError(f"{what} is not a readable .tgz archive") from None
    charts = [path for path in folder.iterdir() if (path / "Chart.yaml").is_file()]
    return charts[0] if len(charts) == 1 and not (folder / "Chart.yaml").exists() else folder


def _inside(member: tarfile.TarInfo, what: str) -> str:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise SourceError(f"{what} holds a file that leads out of it; this is refused")
    if not member.isreg() and not member.isdir():
        raise SourceError(f"{what} holds {member.name[:200]!r}, which is no regular file; links are refused")
    return str(path)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = archive.extractfile(member)
    assert source  # a regular file has content
    with target.open("wb") as file:
        while chunk := source.read(1 << 18):
            file.write(chunk)
    target.chmod(0o444)
