"""Rendered objects by address. They are made again from Git where Redis lost them."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import orjson
import redis

from gitops.model.artifact import Artifact
from gitops.model.objects import Manifest, ObjectKey
from gitops.state.keys import Keys
from gitops.state.seal import Seal

#: Decoded Artifacts that a process keeps, and the size in bytes up to which: 4 MiB at the most.
RECENT, RECENT_BYTES = 32, 128 * 1024


class Artifacts:
    """Sealed Artifacts that live for `ttl` seconds after they were last used."""

    def __init__(self, client: redis.Redis, keys: Keys, seal: Seal, ttl: int) -> None:
        self._redis, self._keys, self._seal, self._ttl = client, keys, seal, ttl
        self._recent: OrderedDict[str, Artifact] = OrderedDict()

    def put(self, artifact: Artifact) -> None:
        """Keep an Artifact at its address."""
        key = self._keys.artifact(artifact.address)
        self._redis.set(key, self._seal.seal(key, _dump(artifact)), ex=self._ttl)
        self._remember(artifact)

    def get(self, address: str) -> Artifact | None:
        """The Artifact at an address; None where neither this process nor Redis has it."""
        if address in self._recent:
            self._recent.move_to_end(address)
            return self._recent[address]
        key = self._keys.artifact(address)
        data = self._seal.open(key, cast(bytes | None, self._redis.getex(key, ex=self._ttl)))
        if not data:
            return None
        artifact = _load(address, data)
        self._remember(artifact)
        return artifact

    def _remember(self, artifact: Artifact) -> None:
        """Keep the last few decoded: the steps of one application follow one another. Large ones are not kept."""
        if sum(len(m.body) for m in artifact.objects) <= RECENT_BYTES:
            self._recent[artifact.address] = artifact
            while len(self._recent) > RECENT:
                self._recent.popitem(last=False)

    def has(self, address: str) -> bool:
        """Whether there is one; it lives on for another `ttl`."""
        return bool(self._redis.expire(self._keys.artifact(address), self._ttl))


def _dump(artifact: Artifact) -> bytes:
    head = orjson.dumps(
        {
            "types": artifact.source_types,
            "warnings": artifact.warnings,
            "objects": [[*m.key, m.version, len(m.body)] for m in artifact.objects],
        }
    )
    return b"%d\n" % len(head) + head + b"".join(m.body for m in artifact.objects)


def _load(address: str, data: bytes) -> Artifact:
    line, rest = data.split(b"\n", 1)
    size = int(line)
    head = orjson.loads(rest[:size])
    at, objects = size, []
    for group, kind, namespace, name, version, length in head["objects"]:
        objects.append(Manifest(ObjectKey(group, kind, namespace, name), version, rest[at : at + length]))
        at += length
    return Artifact(
        address=address,
        source_types=tuple(head["types"]),
        objects=tuple(objects),
        warnings=tuple((kind, text) for kind, text in head["warnings"]),
    )
