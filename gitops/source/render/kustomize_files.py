"""The files that a kustomization needs, gathered from the checkout, so that the builder itself reads none of it.

Following the references ahead of the build shows what the result depends on, brings in what a lazy checkout does not
have yet, and refuses what leads out of the repository.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable
from typing import Any

import orjson

from gitops.source.render import yamlread
from gitops.source.render.detection import KUSTOMIZATIONS
from gitops.source.render.errors import Refused, Retry
from gitops.source.render.tree import Tree, below, normal, shown

#: Lists of files, folders or remote bases; the last three may also hold YAML in place of a path.
_BASES = ("resources", "bases", "components")
_PLUGINS = ("generators", "transformers", "validators")
#: Lists of files.
_FILES = ("crds", "configurations")
#: Lists of maps with a `path`.
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_REMOTE = re.compile(
    r"^([a-z][a-z0-9+.-]*::|[a-z][a-z0-9+.-]*://|git@|[^/]+@[^/]+:|github\.com[/:]|gh:)", re.IGNORECASE
)
_MAX_FOLDERS = 500


class Bundle:
    """Files by path, as the builder sees them: the checkout's own paths, and `.remote/<n>/` for other repositories."""

    def __init__(self, remotes: dict[str, str], root_only: bool, remote_tree: Callable[[str], Tree]) -> None:
        self.files: dict[str, bytes] = {}
        self.warnings: list[str] = []
        self._remotes = remotes
        self._root_only = root_only
        self._remote_tree = remote_tree
        self._wanted: list[object] = []
        self._done: set[str] = set()

    def gather(self, tree: Tree, folder: str, edit: Callable[[dict[str, Any]], None] | None = None) -> str:
        """Take in the kustomization of `folder` and what it refers to; answers the folder's path in the bundle.

        `edit` may change the kustomization itself. Raises Refused, or Retry naming remote bases to bring in.
        """
        start = self._folder(tree, "", folder, edit)
        if self._wanted:
            raise Retry("remote", self._wanted)
        return start

    def _folder(self, tree: Tree, mount: str, folder: str, edit: Callable[[dict[str, Any]], None] | None = None) -> str:
        real = tree.locate(folder)
        folder = folder if real is None else normal(os.path.relpath(real, tree.root))
        place = normal(posixpath.join(mount, folder))
        if place in self._done:
            return place
        self._done.add(place)
        if len(self._done) > _MAX_FOLDERS:
            raise Refused(f"the kustomization is made of more than {_MAX_FOLDERS} folders")
        found = [name for name in KUSTOMIZATIONS if tree.is_file(posixpath.join(folder, name))]
        if len(found) != 1:
            what = f"more than one of {', '.join(found)}" if found else f"none of {', '.join(KUSTOMIZATIONS)}"
            raise Refused(f"the folder {shown(folder)} holds {what}")
        name = posixpath.join(folder, found[0])
        data = yamlread_file(tree, name)
        walker = _Walker(self, tree, mount, folder, shown(name))
        if edit:
            edit(data)
            walker.changed = True
        walker.walk(data)
        self.files[posixpath.join(place, found[0])] = orjson.dumps(data) if walker.changed else tree.read(name)
        return place

    def base(self, tree: Tree, mount: str, folder: str) -> str:
        return self._folder(tree, mount, folder)

    def remote(self, url: str) -> str | None:
        """The bundle's path of a remote base; None while it is not there yet."""
        repository, path, ref = split_remote(url)
        if url not in self._remotes:
            self._wanted.append({"url": url, "repo_url": repository, "path": path, "ref": ref})
            return None
        mount = f".remote/{sorted(self._remotes).index(url)}"
        tree = self._remote_tree(self._remotes[url])
        if not tree.is_dir(path):
            raise Refused(f"the remote base {shown(url)} has no folder {shown(path)}")
        return self._folder(tree, mount, path)

    def file(self, tree: Tree, mount: str, folder: str, path: str, where: str) -> None:
        """Take in one file; what is not there is left for the builder to speak of."""
        joined = tree.join(folder, path, where)
        if not tree.is_file(joined):
            return
        real = tree.locate(joined)
        inside = normal(os.path.relpath(real or "", tree.root))
        if self._root_only and not below(inside, folder):
            raise Refused(f"{where}: security; file {shown(path)} is not in or below {shown(folder)}")
        self.files[normal(posixpath.join(mount, joined))] = tree.read(joined)


class _Walker:
    """The references of one kustomization."""

    def __init__(self, bundle: Bundle, tree: Tree, mount: str, folder: str, where: str) -> None:
        self.bundle, self.tree, self.mount, self.folder, self.where = bundle, tree, mount, folder, where
        self.changed = False

    def walk(self, data: dict[str, Any]) -> None:  # noqa: PLR0912  (a list of fields)
        if data.get("helmCharts") or data.get("helmChartInflationGenerator"):
            raise Refused(f"{self.where}: helmCharts are not supported; use the chart as a source of its own")
        for field in _BASES:
            entries = self._list(data, field)
            for index, entry in enumerate(entries):
                if isinstance(entry, str):
                    entries[index] = self._base(entry, f"{self.where}, {field}")
        for field in _PLUGINS:
            for entry in self._list(data, field):
                self._plugin(entry, f"{self.where}, {field}")
        for field in _FILES:
            for entry in self._list(data, field):
                self._file(entry, field)
        for entry in self._list(data, "patchesStrategicMerge"):
            if isinstance(entry, str) and "\n" not in entry:
                self._file(entry, "patchesStrategicMerge")
        for field in _WITH_PATH:
            for entry in self._list(data, field):
                if isinstance(entry, dict):
                    self._file(entry.get("path"), field)
        openapi = data.get("openapi")
        if isinstance(openapi, dict):
            self._file(openapi.get("path"), "openapi")
        for field in _GENERATORS:
            for entry in self._list(data, field):
                if isinstance(entry, dict):
                    self._generator(entry, field)

    def _list(self, data: dict[str, Any], field: str) -> list[Any]:
        entries = data.get(field)
        if entries is None:
            return []
        if not isinstance(entries, list):
            raise Refused(f"{self.where}: {field} is not a list")
        return entries

    def _base(self, entry: str, where: str) -> str:
        if "\n" in entry:
            return entry
        if _REMOTE.match(entry) or "?ref=" in entry:
            place = self.bundle.remote(entry)
            self.changed = True
            return entry if place is None else self._relative(place)
        joined = self.tree.join(self.folder, entry, where)
        if self.tree.is_dir(joined):
            place = self.bundle.base(self.tree, self.mount, joined)
            if place != normal(posixpath.join(self.mount, joined)):
                self.changed = True
                return self._relative(place)
        elif self.tree.is_file(joined):
            self.bundle.file(self.tree, self.mount, self.folder, entry, where)
        else:
            raise Refused(f"{where}: {shown(entry)} does not exist")
        return entry

    def _relative(self, place: str) -> str:
        return posixpath.relpath(place, posixpath.join(self.mount, self.folder) or ".")

    def _plugin(self, entry: Any, where: str) -> None:
        if not isinstance(entry, str):
            return
        if "\n" in entry:
            self._mentioned(entry.encode(), where)
            return
        joined = self.tree.join(self.folder, entry, where)
        if self.tree.is_dir(joined):
            self.bundle.base(self.tree, self.mount, joined)
        elif self.tree.is_file(joined):
            self.bundle.file(self.tree, self.mount, self.folder, entry, where)
            self._mentioned(self.tree.read(joined), where)

    def _mentioned(self, data: bytes, where: str) -> None:
        """Built-in plugins name files in fields of their own: take in every text that is a file here."""
        try:
            values = [document.value for document in yamlread.documents(data)]
        except yamlread.YamlError:
            return
        while values:
            value = values.pop()
            if isinstance(value, dict):
                values.extend(value.values())
            elif isinstance(value, list):
                values.extend(value)
            elif isinstance(value, str) and value and "\n" not in value and len(value) < 256:
                path = value.partition("=")[2] or value
                if not path.startswith("/") and not normal(posixpath.join(self.folder, path)).startswith(".."):
                    self.bundle.file(self.tree, self.mount, self.folder, path, where)

    def _generator(self, entry: dict[str, Any], field: str) -> None:
        for path in entry.get("files") or []:
            if isinstance(path, str):
                self._file(path.partition("=")[2] or path, field)
        for path in [*(entry.get("envs") or []), entry.get("env")]:
            self._file(path, field)

    def _file(self, path: Any, field: str) -> None:
        if isinstance(path, str) and path:
            if _REMOTE.match(path):
                raise Refused(
                    f"{self.where}, {field}: the remote file {shown(path)} is not supported; keep a copy of it"
                )
            self.bundle.file(self.tree, self.mount, self.folder, path, f"{self.where}, {field}")


def yamlread_file(tree: Tree, name: str) -> dict[str, Any]:
    """A kustomization, parsed. Raises Refused with the line."""
    try:
        data = yamlread.load(yamlread.text_of(tree.read(name, 4 << 20)))
    except yamlread.YamlError as error:
        raise Refused(f"{shown(name)}, line {error.line}: {error.problem}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise Refused(f"{shown(name)} is not a map")
    return data


def split_remote(url: str) -> tuple[str, str, str]:
    """(repository URL, path in it, ref) of a remote base, `https://host/org/repo//path?ref=v1`. Raises Refused."""
    address, _, query = url.removeprefix("git::").partition("?")
    options = dict(part.partition("=")[::2] for part in query.split("&") if part)
    scheme, found, rest = address.partition("://")
    head, rest = (f"{scheme}://", rest) if found else ("", address)
    if "//" in rest:
        repository, _, path = rest.partition("//")
    elif ".git/" in rest:
        repository, _, path = rest.partition(".git/")
        repository += ".git"
    elif rest.startswith("github.com/") or (head and rest.count("/") > 2):
        parts = rest.split("/")
        repository, path = "/".join(parts[:3]), "/".join(parts[3:])
    else:
        repository, path = rest, ""
    if not head and repository.startswith("github.com/"):
        head = "https://"
    if path.endswith((".yaml", ".yml", ".json")):
        raise Refused(f"the remote file {shown(url)} is not supported; keep a copy of it in the repository")
    ref = options.get("ref") or options.get("version") or ""
    return head + repository, normal(path.strip("/")), ref
