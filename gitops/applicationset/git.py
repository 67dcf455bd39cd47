"""The git generator: a parameter set for each directory, or for each file's content."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

import yaml

from gitops.applicationset.inputs import Inputs, Params
from gitops.applicationset.names import sanitize
from gitops.applicationset.templating import Templating, flatten
from gitops.errors import InvalidSpecError, SourceError
from gitops.project.globs import matches

#: The largest parameter file, bytes.
MAX_FILE = 1_000_000
#: The most values that one may hold.
MAX_NODES = 50_000


def params(body: Mapping[str, Any], inputs: Inputs, templating: Templating) -> list[Params]:
    """The parameter sets of a git generator, ordered by path.

    Raises InvalidSpecError where it has neither directories nor files, a SourceError where one cannot be read.
    """
    repo_url, revision = str(body.get("repoURL") or ""), str(body.get("revision") or "")
    prefix = str(body.get("pathParamPrefix") or "")
    if not repo_url:
        raise InvalidSpecError("a git generator needs repoURL; name a repository")
    if body.get("directories"):
        paths = inputs.repositories.paths(repo_url, revision)
        found = _select(_directories(paths), body["directories"])
        return [_path_params(path, prefix, templating) for path in found]
    if body.get("files"):
        made: list[Params] = []
        for path in _select(sorted(inputs.repositories.paths(repo_url, revision)), body["files"], crossing=True):
            made += _file_params(path, inputs.repositories.read(repo_url, revision, path), prefix, templating)
        return made
    raise InvalidSpecError("a git generator needs directories or files; name what to look for")


def _directories(paths: list[str]) -> list[str]:
    """Every directory that holds something, hidden ones left out."""
    found: set[str] = set()
    for path in paths:
        at = posixpath.dirname(path)
        while at and at not in found:
            found.add(at)
            at = posixpath.dirname(at)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.split("/")))


def _select(paths: list[str], entries: list[Mapping[str, Any]], *, crossing: bool = False) -> list[str]:
    """Paths that some entry matches and no entry with `exclude` does. `*` stays within one part of the path."""

    def any_of(excluding: bool, path: str) -> bool:
        return any(
            matches(str(entry.get("path") or ""), path, "/") or (crossing and _bare_double_star(entry, path))
            for entry in entries
            if bool(entry.get("exclude")) is excluding
        )

    return [path for path in paths if any_of(False, path) and not any_of(True, path)]


def _bare_double_star(entry: Mapping[str, Any], path: str) -> bool:
    """`a/**/b` also means `a/b`."""
    pattern = str(entry.get("path") or "")
    return "**/" in pattern and matches(pattern.replace("**/", ""), path, "/")


def _path_params(path: str, prefix: str, templating: Templating, filename: str = "") -> Params:
    basename = posixpath.basename(path)
    if templating.go:
        inner: Params = {
            "path": path,
            "basename": basename,
            "basenameNormalized": sanitize(basename),
            "segments": path.split("/"),
        }
        if filename:
            inner |= {"filename": filename, "filenameNormalized": sanitize(filename)}
        return {prefix: {"path": inner}} if prefix else {"path": inner}
    name = f"{prefix}.path" if prefix else "path"
    made = {name: path, f"{name}.basename": basename, f"{name}.basenameNormalized": sanitize(basename)}
    made |= {f"{name}[{index}]": part for index, part in enumerate(path.split("/"))}
    if filename:
        made |= {f"{name}.filename": filename, f"{name}.filenameNormalized": sanitize(filename)}
    return made


def _file_params(path: str, content: bytes, prefix: str, templating: Templating) -> list[Params]:
    if len(content) > MAX_FILE:
        raise SourceError(f"{path} is larger than {MAX_FILE} bytes; a git generator's file has to be smaller")
    try:
        loaded = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise SourceError(f"{path}{f' line {mark.line + 1}' if mark else ''} is neither YAML nor JSON") from None
    if _weight(loaded) > MAX_NODES:
        raise SourceError(
            f"{path} holds more than {MAX_NODES} values, aliases counted as often as used; make it smaller"
        )
    objects = loaded if isinstance(loaded, list) else [{} if loaded is None else loaded]
    made: list[Params] = []
    for obj in objects:
        if not isinstance(obj, dict):
            raise SourceError(f"{path} is not a map of parameters, or a list of maps")
        place = _path_params(posixpath.dirname(path), prefix, templating, posixpath.basename(path))
        made.append({**obj, **place} if templating.go else {**flatten(obj), **place})
    return made


def _weight(value: Any) -> int:
    """How many values a structure holds when aliases are written out; counting stops beyond MAX_NODES."""
    count, waiting = 0, [value]
    while waiting and count <= MAX_NODES:
        count += 1
        item = waiting.pop()
        waiting += list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else ()
    return count
