"""Types of objects, as far as a comparison needs them: what merges by which keys, what is replaced whole, what is a
quantity. Those of Kubernetes itself are in builtin_types.json, made by `compact` from an API server's OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

from gitops.model.objects import GVK

_PREFIX = "io.k8s."
_SCALARS = {
    "api.resource.Quantity": "quantity",
    "apimachinery.pkg.api.resource.Quantity": "quantity",
    "apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "apimachinery.pkg.apis.meta.v1.Time": "time",
    "apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "apimachinery.pkg.apis.meta.v1.Duration": "duration",
}
#: Parts of an OpenAPI document that no manifest holds.
_SKIPPED_KINDS = ("List", "Options", "Review")


@dataclass(slots=True, eq=False)
class Type:
    """One type. `kind`: struct, map, list, any, or the scalar's name. `atomic`: replaced whole, never merged."""

    kind: str
    fields: dict[str, Type] = field(default_factory=dict)
    #: Of a list or map: the type of what it holds.
    item: Type | None = None
    #: Of a list: the fields by which items are matched; `set` for lists of distinct scalars.
    keys: tuple[str, ...] = ()
    set: bool = False
    atomic: bool = False
    #: Declared by `knownTypeFields`: lists on the way are traversed without being named.
    overlay: bool = False

    def child(self, name: str) -> Type | None:
        """The type of a field or entry; None where nothing is known of it."""
        return self.item if self.kind == "map" else self.fields.get(name)


class Types:
    """The types of one API server, by group, version and kind."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take what `compact` gave."""
        self._raw: Mapping[str, Any] = document["types"]
        self._built: dict[str, Type] = {}
        self._kinds: dict[tuple[str, str, str], str] = {}
        self._any_version: dict[tuple[str, str], str] = {}
        for name, type_name in document["kinds"].items():
            group, version, kind = name.split("|")
            self._kinds[group, version, kind] = type_name
            self._any_version[group, kind] = type_name

    def of(self, gvk: GVK) -> Type | None:
        """The type of a kind; that of another version where this one is not known; None for unknown kinds."""
        name = self._kinds.get((gvk.group, gvk.version, gvk.kind)) or self._any_version.get((gvk.group, gvk.kind))
        return self.named(name) if name else None

    def named(self, name: str) -> Type | None:
        """A type by its name, e.g. api.core.v1.PodSpec."""
        if name in self._built:
            return self._built[name]
        raw = self._raw.get(name)
        if raw is None:
            return None
        made = self._built[name] = Type("struct", atomic=bool(raw.get("atomic")))
        for key, node in raw["fields"].items():
            made.fields[key] = self._node(node)
        return made

    def _node(self, node: Any) -> Type:
        if isinstance(node, str):
            if node.startswith("#"):
                return self.named(node[1:]) or Type("any")
            return _scalar(node)
        if "list" in node:
            item = self._node(node["list"])
            return Type("list", item=item, keys=tuple(node.get("keys", ())), set=bool(node.get("set")))
        if "map" in node:
            return Type("map", item=self._node(node["map"]), atomic=bool(node.get("atomic")))
        whole = self.named(node["ref"]) or Type("any")
        return Type(whole.kind, fields=whole.fields, item=whole.item, atomic=True)

    def overlay(self, known: Iterable[tuple[str, str]]) -> Type | None:
        """A type from `knownTypeFields`: pairs of a dotted field path and a type (core/v1/PodSpec, core/Quantity)."""
        root: Type | None = None
        for path, type_name in known:
            found = self._known(type_name)
            if found is None:
                continue
            root = root or Type("struct", overlay=True)
            at = root
            *parents, last = path.split(".")
            for name in parents:
                at = at.fields.setdefault(name, Type("struct", overlay=True))
            at.fields[last] = found
        return root

    def _known(self, type_name: str) -> Type | None:
        group, _, rest = type_name.partition("/")
        if rest.endswith("Quantity"):
            return _scalar("quantity")
        if rest.endswith("Duration"):
            return _scalar("duration")
        version, _, kind = rest.partition("/")
        return self.named(f"api.{group}.{version}.{kind}") or self.named(
            f"apimachinery.pkg.apis.{group}.{version}.{kind}"
        )


@lru_cache(maxsize=16)
def _scalar(kind: str) -> Type:
    return Type(kind)


@lru_cache(maxsize=1)
def builtin() -> Types:
    """The types of Kubernetes itself."""
    return Types(orjson.loads((files("gitops.diff") / "builtin_types.json").read_bytes()))


def compact(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """What Types needs of an OpenAPI v2 document (`/openapi/v2`): Kubernetes' own kinds and the types they reach."""
    definitions: Mapping[str, Any] = openapi["definitions"]
    kinds: dict[str, str] = {}
    for name, definition in definitions.items():
        kind_names = definition.get("x-kubernetes-group-version-kind", ())
        if not name.startswith(_PREFIX) or name.endswith(_SKIPPED_KINDS) or len(kind_names) != 1:
            continue
        gvk = kind_names[0]
        kinds[f"{gvk['group']}|{gvk['version']}|{gvk['kind']}"] = name.removeprefix(_PREFIX)
    types: dict[str, Any] = {}
    waiting = sorted(set(kinds.values()))
    while waiting:
        name = waiting.pop()
        definition = definitions[_PREFIX + name]
        if name in types or "properties" not in definition:
            continue
        fields = {key: _compact_node(node, waiting) for key, node in sorted(definition["properties"].items())}
        fields.pop("status", None) if "x-kubernetes-group-version-kind" in definition else None
        types[name] = {"fields": fields}
        if definition.get("x-kubernetes-map-type") == "atomic":
            types[name]["atomic"] = True
    return {"kinds": dict(sorted(kinds.items())), "types": dict(sorted(types.items()))}


def _compact_node(node: Mapping[str, Any], waiting: list[str]) -> Any:
    if "$ref" in node:
        name = str(node["$ref"]).removeprefix("#/definitions/").removeprefix(_PREFIX)
        if name in _SCALARS:
            return _SCALARS[name]
        waiting.append(name)
        return {"ref": name, "atomic": True} if node.get("x-kubernetes-map-type") == "atomic" else f"#{name}"
    kind = node.get("type")
    if kind == "array":
        made: dict[str, Any] = {"list": _compact_node(node["items"], waiting)}
        if node.get("x-kubernetes-list-type") == "map":
            made["keys"] = node["x-kubernetes-list-map-keys"]
        elif node.get("x-kubernetes-list-type") == "set":
            made["set"] = True
        return made
    if kind == "object" and "additionalProperties" in node:
        made = {"map": _compact_node(node["additionalProperties"], waiting)}
        if node.get("x-kubernetes-map-type") == "atomic":
            made["atomic"] = True
        return made
    if kind == "string" and node.get("format") == "byte":
        return "bytes"
    return kind if kind in ("string", "integer", "number", "boolean") else "any"


def dump(document: Mapping[str, Any]) -> bytes:
    """The text of builtin_types.json: a line a type, so that a new Kubernetes version can be read as a diff."""
    lines = [b'{"kinds": ' + orjson.dumps(document["kinds"]) + b',\n"types": {']
    entries = [orjson.dumps(name) + b": " + orjson.dumps(body) for name, body in document["types"].items()]
    return lines[0] + b"\n" + b",\n".join(entries) + b"\n}}\n"
