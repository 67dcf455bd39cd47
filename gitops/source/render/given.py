"""The files of an application's path that came with the job, so that nobody had to write them to disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops.source.render.paths import below


class Given:
    """Every file at or below `folder` by its path; there are no symlinks among them."""

    def __init__(self, folder: str, files: Mapping[str, bytes]) -> None:
        self.folder, self._files = folder, files

    def covers(self, path: str) -> bool:
        """Whether all there is to know of a path is known here."""
        return below(path, self.folder)

    def get(self, path: str) -> bytes | None:
        """A file's content; None where no file is."""
        return self._files.get(path)

    def is_dir(self, path: str) -> bool:
        """Whether a folder is there."""
        return path == self.folder or any(file.startswith(path + "/") for file in self._files)

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""
        prefix = _prefix(folder)
        return sorted({file[len(prefix) :].split("/", 1)[0] for file in self._files if file.startswith(prefix)})

    def walk(self, folder: str, *, deep: bool) -> Iterator[str]:
        """The files in a folder, and if `deep` in those below, in lexical order of each folder's names."""
        prefix = _prefix(folder)
        inside = [file[len(prefix) :].split("/") for file in self._files if file.startswith(prefix)]
        for parts in sorted(inside):
            if deep or len(parts) == 1:
                yield prefix + "/".join(parts)


def _prefix(folder: str) -> str:
    return "" if folder == "." else folder + "/"
