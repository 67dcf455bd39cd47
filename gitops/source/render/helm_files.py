"""A chart's files, gathered as Helm's directory loader does, and its dependencies (specs section 2)."""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import re
import tarfile
from typing import Any

from gitops.source.render import yamlread
from gitops.source.render.context import Context
from gitops.source.render.errors import Refused, Retry
from gitops.source.render.globs import compile_glob
from gitops.source.render.paths import normal, shown
from gitops.source.render.tree import Tree
from gitops.source.semver import parse_constraint, parse_version

#: Helm's own bound on one file of a chart.
_FILE_LIMIT = 5 << 20
_MAX_LINKED = 40

Files = dict[str, bytes]


def gather(tree: Tree, folder: str) -> Files:
    """The files of a chart by their path in it; `.helmignore` is honoured, symlinks inside the repository followed."""
    files: Files = {}
    ignored = _Ignore(tree, folder)
    _walk(tree, folder, "", ignored, files, 0)
    return files


def _walk(tree: Tree, folder: str, prefix: str, ignored: _Ignore, files: Files, depth: int) -> None:
    if depth > _MAX_LINKED:
        raise Refused(f"the chart's folders are nested too deeply, or link to themselves: {shown(prefix)}")
    for name in tree.names(folder):
        path, inner = normal(posixpath.join(folder, name)), f"{prefix}{name}"
        real = tree.locate(path)
        if real is None:
            raise Refused(f"{shown(inner)} is a symlink to nothing")
        if os.path.isdir(real):
            if name != ".git" and not ignored.matches(inner, is_dir=True):
                _walk(tree, path, inner + "/", ignored, files, depth + 1)
        elif not ignored.matches(inner, is_dir=False):
            files[inner] = tree.read(path, _FILE_LIMIT).removeprefix(b"\xef\xbb\xbf")


class _Ignore:
    """`.helmignore`."""

    def __init__(self, tree: Tree, folder: str) -> None:
        lines = []
        file = posixpath.join(folder, ".helmignore")
        if tree.is_file(file):
            lines = tree.read(file, 1 << 20).decode(errors="replace").splitlines()
        self.rules = [rule for rule in map(_rule, [*lines, "templates/.?*"]) if rule]

    def matches(self, path: str, *, is_dir: bool) -> bool:
        for negate, only_dirs, whole, pattern in self.rules:
            hit = pattern.fullmatch(path if whole else posixpath.basename(path)) is not None
            if negate:
                if (only_dirs and not is_dir) or not hit:
                    return True
            elif hit and (is_dir or not only_dirs):
                return True
        return False


def _rule(line: str) -> tuple[bool, bool, bool, re.Pattern[str]] | None:
    rule = line.strip()
    if not rule or rule.startswith("#"):
        return None
    if "**" in rule:
        raise Refused(".helmignore: double-star (**) syntax is not supported by Helm")
    negate, rule = rule.startswith("!"), rule.removeprefix("!")
    only_dirs, rule = rule.endswith("/"), rule.removesuffix("/")
    whole = "/" in rule
    pattern = rule.removeprefix("/").replace("{", r"\{").replace("}", r"\}")
    return negate, only_dirs, whole, compile_glob(pattern, separators=True)


def metadata(files: Files) -> dict[str, Any]:
    """Chart.yaml, and the dependencies of an old chart's requirements.yaml. Raises Refused."""
    if "Chart.yaml" not in files:
        raise Refused("the chart has no Chart.yaml")
    chart = _map(files, "Chart.yaml")
    if chart.get("apiVersion") == "v1" and "requirements.yaml" in files:
        chart["dependencies"] = _map(files, "requirements.yaml").get("dependencies")
    if chart.get("name") in (None, ""):
        raise Refused("Chart.yaml has no name")
    chart["name"] = _text(chart["name"])
    return chart


def _map(files: Files, name: str) -> dict[str, Any]:
    try:
        value = yamlread.load(yamlread.text_of(files[name]))
    except yamlread.YamlError as error:
        raise Refused(f"{name}, line {error.line}: {error.problem}") from None
    if not isinstance(value, dict):
        raise Refused(f"{name} is not a map")
    return value


def add_dependencies(context: Context, tree: Tree, folder: str, files: Files, chart: dict[str, Any]) -> None:
    """Bring in the dependencies that the chart of a folder names and does not hold, as `helm dependency build` would.

    Raises Retry naming what must be downloaded, Refused.
    """
    wanted: list[object] = []
    locked = _locked(files, chart)
    for entry in chart.get("dependencies") or []:
        if not isinstance(entry, dict) or entry.get("name") in (None, ""):
            raise Refused("Chart.yaml: an entry of dependencies has no name")
        name, repository = _text(entry["name"]), str(entry.get("repository") or "")
        if name in present(files):
            continue
        version = locked.get(name, str(entry.get("version") or ""))
        if repository.startswith("file://"):
            path = tree.join(folder, repository.removeprefix("file://"), f"the dependency {name}'s repository")
            _add_local(gather(tree, path), files, name, version)
            continue
        if not repository:
            raise Refused(
                f"the dependency {shown(name)} is missing in the chart's charts folder and names no repository"
            )
        key = f"{repository} {name} {version}"
        archive = context.job["charts"].get(key)
        if archive is None:
            wanted.append({"key": key, "name": name, "version": version, "repository": repository})
        else:
            _add(context, files, name, archive)
    if wanted:
        raise Retry("chart", wanted)


def _add_local(dependency: Files, files: Files, name: str, version: str) -> None:
    """Put a chart of the repository in its place, if its version is one that is asked for."""
    own = str(metadata(dependency).get("version") or "")
    constraint, parsed = parse_constraint(version), parse_version(own)
    if constraint is None or not version.strip():
        raise Refused(f"the dependency {shown(name)} has the version {shown(version)!r}, which is no version or range")
    if parsed is None or not constraint.check(parsed):
        raise Refused(
            f"the dependency {shown(name)} is wanted in version {shown(version)}, "
            f"and the chart at its repository is version {shown(own) or '(none)'}"
        )
    for inner, data in dependency.items():
        files[f"charts/{name}/{inner}"] = data


def _add(context: Context, files: Files, name: str, archive: str) -> None:
    """Put a downloaded chart, an archive or a folder, in its place."""
    tree = Tree(
        archive if os.path.isdir(archive) else os.path.dirname(archive), context.tree.budget, lambda _path: None
    )
    if os.path.isdir(archive):
        for inner, data in gather(tree, ".").items():
            files[f"charts/{name}/{inner}"] = data
    else:
        files[f"charts/{name}.tgz"] = tree.read(os.path.basename(archive))


def _locked(files: Files, chart: dict[str, Any]) -> dict[str, str]:
    name = "requirements.lock" if chart.get("apiVersion") == "v1" else "Chart.lock"
    if name not in files:
        return {}
    entries = _map(files, name).get("dependencies") or []
    return {
        e["name"]: str(e.get("version") or "")
        for e in entries
        if isinstance(e, dict) and isinstance(e.get("name"), str)
    }


def present(files: Files) -> set[str]:
    """The names of the charts in the charts folder."""
    names = set()
    for path in files:
        parts = path.split("/")
        if parts[0] != "charts" or len(parts) < 2 or parts[1][:1] in "._":
            continue
        if len(parts) == 2 and path.endswith((".tgz", ".tar.gz")):
            names.add(_archived_name(files[path]))
        elif len(parts) == 3 and parts[2] == "Chart.yaml":
            names.add(_text(_map(files, path).get("name")))
    return names


def _text(value: Any) -> str:
    """A field that Helm reads as text, whatever YAML makes of it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _archived_name(data: bytes) -> str:
    """The name in an archive's Chart.yaml; "" where it cannot be read, which Helm will say."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r|gz") as archive:
            for count, member in enumerate(archive):
                if count > 5000:
                    break
                if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/Chart.yaml"):
                    file = archive.extractfile(member)
                    text = file.read(_FILE_LIMIT) if file else b""
                    return _text(_map({"Chart.yaml": text}, "Chart.yaml").get("name"))
    except (tarfile.TarError, OSError, EOFError, Refused):
        pass
    return ""


def pack(name: str, files: Files) -> bytes:
    """The chart as the archive that the helm service loads: it never sees a folder."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
