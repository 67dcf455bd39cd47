"""Kubernetes objects as the engine carries them: a key to speak of them, canonical JSON bytes to send."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

#: A Kubernetes object as parsed JSON.
Object = dict[str, Any]


class ObjectKey(NamedTuple):
    """The identity of an object inside one cluster; the version is no part of it."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.group}/{self.kind}/{where}" if self.group else f"{self.kind}/{where}"

    def encode(self) -> str:
        """The key as one string without loss, `group|kind|namespace|name`, for Redis hashes."""
        return "|".join(self)

    @classmethod
    def decode(cls, text: str) -> ObjectKey:
        """The inverse of encode."""
        return cls(*text.split("|", 3))


class GVK(NamedTuple):
    """Group, version and kind."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def split_api_version(api_version: str) -> tuple[str, str]:
    """(group, version) of an apiVersion; the core group is the empty string."""
    group, _, version = api_version.rpartition("/")
    return group, version


def gvk_of(obj: Object) -> GVK:
    """Group, version, kind of a parsed object; empty strings where absent."""
    group, version = split_api_version(str(obj.get("apiVersion") or ""))
    return GVK(group, version, str(obj.get("kind") or ""))


def key_of(obj: Object) -> ObjectKey:
    """The key of a parsed object; empty strings where absent."""
    meta = obj.get("metadata") or {}
    group, _, kind = gvk_of(obj)
    return ObjectKey(group, kind, str(meta.get("namespace") or ""), str(meta.get("name") or ""))


def annotations_of(obj: Object) -> dict[str, str]:
    """The object's annotations, never None."""
    return (obj.get("metadata") or {}).get("annotations") or {}


def labels_of(obj: Object) -> dict[str, str]:
    """The object's labels, never None."""
    return (obj.get("metadata") or {}).get("labels") or {}


def canonical(obj: Any) -> bytes:
    """Canonical JSON: sorted keys, no blanks. Equal bytes mean equal objects."""
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)


def digest(data: bytes) -> str:
    """A 128-bit blake2b of bytes, hex."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object: its canonical JSON is what is hashed, stored and sent, so it is serialised once."""

    key: ObjectKey
    version: str
    body: bytes

    @classmethod
    def of(cls, obj: Object) -> Manifest:
        return cls(key_of(obj), gvk_of(obj).version, canonical(obj))

    @property
    def gvk(self) -> GVK:
        return GVK(self.key.group, self.version, self.key.kind)

    @property
    def digest(self) -> str:
        return digest(self.body)

    def load(self) -> Object:
        """A fresh parsed copy that the caller may change."""
        obj: Object = orjson.loads(self.body)
        return obj
