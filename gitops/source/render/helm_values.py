"""The values of a Helm source, in Helm's order: value files, then values, then parameters (specs section 2)."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from gitops.source.render import yamlread
from gitops.source.render.context import Context
from gitops.source.render.errors import Refused, WrongSpec
from gitops.source.render.globs import compile_glob
from gitops.source.render.helm_set import SetError, Values, parse_into, typed
from gitops.source.render.paths import normal, shown
from gitops.source.render.tree import Tree

FILE_LIMIT = 16 << 20
_WILD = re.compile(r"[*?\[{]")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BARE_COMMA = re.compile(r"(?<!\\),")


def gather(context: Context, spec: dict[str, Any]) -> Values:
    """The values that a user of the chart gives it. Raises Refused, WrongSpec, Retry."""
    context.bring_files(_urls(context, spec))
    values: Values = {}
    for tree, path in value_files(context, spec):
        values = merge(values, read(tree.read(path, FILE_LIMIT), path))
    if spec.get("valuesObject") is not None:
        values = merge(values, spec["valuesObject"])
    elif spec.get("values"):
        values = merge(values, read(spec["values"].encode(), "spec.source.helm.values"))
    _parameters(context, spec, values)
    return values


def value_files(context: Context, spec: dict[str, Any]) -> list[tuple[Tree, str]]:
    """The files of `valueFiles`, globs spread out: a file that is also listed by itself keeps that place alone."""
    lenient = bool(spec.get("ignoreMissingValueFiles"))
    entries = [_locate(context, name, "valueFiles") for name in spec.get("valueFiles") or []]
    listed = {(id(tree), path) for tree, path in entries if not _WILD.search(path)}
    found: list[tuple[Tree, str]] = []
    seen: set[tuple[int, str]] = set()

    def take(tree: Tree, path: str) -> None:
        if (id(tree), path) not in seen:
            seen.add((id(tree), path))
            found.append((tree, path))

    for tree, path in entries:
        if not _WILD.search(path) or tree.is_file(path):
            if tree.is_file(path):
                take(tree, path)
            elif not lenient:
                raise Refused(
                    f"the value file {shown(path)} does not exist; helm.ignoreMissingValueFiles passes over it"
                )
            continue
        matched = expand(tree, path)
        if not matched and not lenient:
            raise Refused(f"no value file matches {shown(path)}; helm.ignoreMissingValueFiles passes over it")
        for one in matched:
            if (id(tree), one) not in listed:
                take(tree, one)
    return found


def expand(tree: Tree, pattern: str) -> list[str]:
    """The files that match, in lexical order."""
    parts = pattern.split("/")
    fixed = next(i for i, part in enumerate(parts) if _WILD.search(part))
    folder = "/".join(parts[:fixed]) or "."
    if not tree.is_dir(folder):
        return []
    glob = compile_glob(pattern, separators=True)
    return sorted(path for path, _ in tree.walk(folder) if glob.fullmatch(path) and tree.is_file(path))


def _locate(context: Context, name: str, field: str) -> tuple[Tree, str]:
    where = f"helm.{field}"
    # A ref comes before the build environment: both are written with a dollar sign.
    ref, _, inside = name.partition("/")
    if ref.startswith("$") and ref[1:] in context.refs:
        tree = context.refs[ref[1:]]
        return tree, tree.join(".", context.expand(inside).lstrip("/"), where)
    if ref.startswith("$") and inside and ref[1:].strip("{}") not in context.env:
        raise WrongSpec(f"{where}: {shown(ref)} is neither the ref of a source of this application nor a variable")
    name = context.expand(name)
    if _URL.match(name):
        return context.remote_file(name)
    if name.startswith("/"):
        return context.tree, context.tree.join(".", name.lstrip("/"), where)
    return context.tree, context.tree.join(context.path, name, where)


def _urls(context: Context, spec: dict[str, Any]) -> list[str]:
    """The value files and file parameters that are URLs of a permitted scheme. Raises WrongSpec for other schemes."""
    given = [("valueFiles", name) for name in spec.get("valueFiles") or []]
    given += [("fileParameters", entry.get("path") or "") for entry in spec.get("fileParameters") or []]
    found = []
    for field, name in given:
        url = context.expand(name)
        if not _URL.match(url):
            continue
        scheme = url.partition("://")[0].lower()
        if scheme not in context.job["value_schemes"]:
            permitted = ", ".join(context.job["value_schemes"]) or "none"
            raise WrongSpec(
                f"helm.{field}: {shown(url)} has the scheme {scheme}, which is not permitted; "
                f"permitted are {permitted} (helm.valuesFileSchemes of argocd-cm)"
            )
        found.append(url)
    return found


def _parameters(context: Context, spec: dict[str, Any], values: Values) -> None:
    # As Argo CD hands them to helm: a name that comes twice counts once, with its last value.
    given = {p["name"]: p for p in spec.get("parameters") or []}
    groups = (
        (typed, [p for p in given.values() if not p.get("forceString")]),
        (str, [p for p in given.values() if p.get("forceString")]),
    )
    for convert, parameters in groups:
        for parameter in parameters:
            text = _escape(context.expand(parameter.get("value") or ""))
            _set(f"{parameter['name']}={text}", values, convert, parameter["name"])
    for parameter in spec.get("fileParameters") or []:
        tree, path = _locate(context, parameter.get("path") or "", "fileParameters")
        content = tree.read(path, FILE_LIMIT).decode(errors="replace")
        _set(f"{parameter['name']}=file", values, lambda _text, content=content: content, parameter["name"])


def _set(expression: str, values: Values, convert: Any, name: str) -> None:
    try:
        parse_into(expression, values, convert)
    except SetError as error:
        raise WrongSpec(f"helm parameter {shown(name)}: {error}") from None


def _escape(value: str) -> str:
    """A comma is a part of the value, but in `{a,b}`, which is a list."""
    if value.startswith("{") and value.endswith("}"):
        return value
    return _BARE_COMMA.sub(r"\\,", value)


def read(data: bytes, name: str) -> Values:
    """A file of values, `name` as errors have it. Raises Refused."""
    try:
        value = yamlread.load(yamlread.text_of(data))
    except yamlread.YamlError as error:
        raise Refused(f"{shown(posixpath.basename(normal(name)))}, line {error.line}: {error.problem}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{shown(name)} is not a map of values")
    return value


def merge(base: Values, over: Values) -> Values:
    """Maps merge, everything else replaces; a null stays, and takes away the chart's default later."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return out
