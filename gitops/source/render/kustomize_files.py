"""The files that a kustomization needs, gathered from the checkout, so that the builder itself reads none of it.

Following the references ahead of the build shows what the result depends on, brings in what a lazy checkout does not
have yet, and refuses what leads out of the repository.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Callable
from typing import Any

import orjson

from gitops.source.render import yamlread
from gitops.source.render.context import Context
from gitops.source.render.detection import KUSTOMIZATIONS
from gitops.source.render.errors import Refused, Retry
from gitops.source.render.kustomize_helm import KIND as CHART_KIND
from gitops.source.render.kustomize_helm import Charts
from gitops.source.render.paths import below, normal, shown
from gitops.source.render.tree import Tree

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

    def __init__(self, context: Context, *, root_only: bool, charts: Charts | None) -> None:
        """`charts` renders `helmCharts`; None where that is off."""
        self.files: dict[str, bytes] = {}
        self.charts = charts
        self._context = context
        self._remotes: dict[str, str] = context.job["remotes"]
        self._root_only = root_only
        self._wanted: list[object] = []
        self._urls: list[str] = []
        self._done: set[str] = set()

    def gather(self, tree: Tree, folder: str, edit: Callable[[dict[str, Any]], None] | None = None) -> str:
        """Take in the kustomization of `folder` and what it refers to; answers the folder's path in the bundle.

        `edit` may change the kustomization itself. Raises Refused, or Retry naming what is to be brought.
        """
        start = self._folder(tree, "", folder, edit)
        if self._wanted:
            raise Retry("remote", self._wanted)
        self._context.bring_files(self._urls)
        if self.charts and self.charts.wanted:
            raise Retry("chart", self.charts.wanted)
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
        tree = self._context.base(url)
        if not tree.is_dir(path):
            raise Refused(f"the remote base {shown(url)} has no folder {shown(path)}")
        return self._folder(tree, mount, path)

    def remote_file(self, place: str, url: str) -> str:
        """Take in a file at a URL; its name beside the kustomization in the folder `place` of the bundle."""
        name = f".remote-{hashlib.sha256(url.encode()).hexdigest()[:16]}.yaml"
        if url in self._context.job["files"]:
            tree, file = self._context.remote_file(url)
            self.files[posixpath.join(place, name)] = tree.read(file)
        else:
            self._urls.append(url)
        return name

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

    def walk(self, data: dict[str, Any]) -> None:
        charts = self._charts(data)
        for field in _BASES:
            entries = self._list(data, field)
            for index, entry in enumerate(entries):
                if isinstance(entry, str):
                    entries[index] = self._base(entry, f"{self.where}, {field}")
        for field in _PLUGINS:
            for entry in self._list(data, field):
                self._plugin(entry, f"{self.where}, {field}")
        for field in (*_FILES, "patchesStrategicMerge"):
            self._files(self._list(data, field), field)
        for field in _WITH_PATH:
            for entry in self._list(data, field):
                self._path_of(entry, field)
        self._path_of(data.get("openapi"), "openapi")
        for field in _GENERATORS:
            for entry in self._list(data, field):
                if isinstance(entry, dict):
                    self._generator(entry, field)
        for number, (chart, home) in enumerate(charts):
            self._inflate(data, number, chart, home)

    def _charts(self, data: dict[str, Any]) -> list[tuple[Any, str]]:
        """Take the charts out of a kustomization, those that generators name too: each with its folder of charts."""
        home = _home(data.get("helmGlobals"))
        found = [(entry, home) for entry in self._list(data, "helmCharts")]
        generators = self._list(data, "generators")
        for entry in list(generators):
            if charts := self._chart_generators(entry):
                generators.remove(entry)
                found += [(chart, _home(chart)) for chart in charts]
        if (found or data.get("helmChartInflationGenerator")) and self.bundle.charts is None:
            raise Refused(
                f"{self.where}: helmCharts are switched off, as they are by default; add --enable-helm to "
                "kustomize.buildOptions of argocd-cm, or use the chart as a source of its own"
            )
        if data.get("helmChartInflationGenerator"):
            raise Refused(f"{self.where}: helmChartInflationGenerator is not supported; write helmCharts")
        if found:
            self.changed = True
            data.pop("helmCharts", None)
            data.pop("helmGlobals", None)
        return found

    def _chart_generators(self, entry: Any) -> list[dict[str, Any]]:
        """The charts of an entry of generators that holds nothing else."""
        if not isinstance(entry, str):
            return []
        text = entry.encode()
        if "\n" not in entry:
            path = self.tree.join(self.folder, entry, f"{self.where}, generators")
            if not self.tree.is_file(path):
                return []
            text = self.tree.read(path)
        try:
            values = [document.value for document in yamlread.documents(text)]
        except yamlread.YamlError:
            return []
        charts = [value for value in values if isinstance(value, dict) and value.get("kind") == CHART_KIND]
        return charts if len(charts) == len(values) else []

    def _inflate(self, data: dict[str, Any], number: int, chart: Any, home: str) -> None:
        assert self.bundle.charts
        text = self.bundle.charts.inflate(self.tree, self.folder, chart, home, f"{self.where}, helmCharts")
        if text:
            name = f".helm-{number}.yaml"
            data["resources"] = [*(data.get("resources") or []), name]
            self.bundle.files[normal(posixpath.join(self.mount, self.folder, name))] = text

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
        if _is_remote_file(entry):
            return self._remote_file(entry)
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
        given = entry.get("files")
        files: list[Any] = given if isinstance(given, list) else []
        for index, path in enumerate(files):
            if isinstance(path, str):
                key, equals, file = path.partition("=")
                if _is_url(path) or not equals:
                    key, file = posixpath.basename(path.partition("?")[0]), path
                place = self._file(file, field)
                if place != file:
                    files[index] = f"{key}={place}"
        if isinstance(entry.get("envs"), list):
            self._files(entry["envs"], field)
        if entry.get("env"):
            entry["env"] = self._file(entry["env"], field)

    def _files(self, entries: list[Any], field: str) -> None:
        for index, entry in enumerate(entries):
            if isinstance(entry, str) and "\n" not in entry:
                entries[index] = self._file(entry, field)

    def _path_of(self, entry: Any, field: str) -> None:
        if isinstance(entry, dict) and entry.get("path"):
            entry["path"] = self._file(entry["path"], field)

    def _file(self, path: Any, field: str) -> Any:
        """Take in a file; what the kustomization must call it."""
        if not isinstance(path, str) or not path:
            return path
        if _is_url(path):
            return self._remote_file(path)
        if _REMOTE.match(path):
            raise Refused(f"{self.where}, {field}: {shown(path)} is no file that can be fetched; keep a copy of it")
        self.bundle.file(self.tree, self.mount, self.folder, path, f"{self.where}, {field}")
        return path

    def _remote_file(self, url: str) -> str:
        self.changed = True
        return self.bundle.remote_file(normal(posixpath.join(self.mount, self.folder)), url)


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _is_remote_file(entry: str) -> bool:
    """Whether an entry of resources is a file at a URL rather than a repository."""
    path, _, query = entry.partition("?")
    return _is_url(entry) and path.endswith((".yaml", ".yml", ".json")) and "ref=" not in query


def _home(options: Any) -> str:
    """`helmGlobals.chartHome`: the folder of local charts."""
    return str((isinstance(options, dict) and options.get("chartHome")) or "charts")


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
        raise Refused(f"the remote base {shown(url)} is a file, which is fetched by https only; name its folder")
    ref = options.get("ref") or options.get("version") or ""
    return head + repository, normal(path.strip("/")), ref
