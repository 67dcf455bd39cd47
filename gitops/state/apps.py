"""What is known of one application: its CR as the watch brought it, its desired state, its flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import orjson
import redis

from gitops.model.objects import Object, canonical, digest
from gitops.state.due import Tracked
from gitops.state.keys import Keys
from gitops.state.scripts import Call, Command, Scripts
from gitops.state.seal import Seal

#: Seconds that it is remembered what was told of an application that is no more.
NOTICES_OUTLIVE = 600


def spec_digest(obj: Object) -> str:
    """A digest of what people decide about an Application: spec, operation, annotations, finalizers, ends of things."""
    meta = obj.get("metadata") or {}
    phase = ((obj.get("status") or {}).get("operationState") or {}).get("phase")
    return digest(
        canonical(
            [
                obj.get("spec"),
                obj.get("operation"),
                meta.get("annotations"),
                meta.get("finalizers"),
                meta.get("deletionTimestamp"),
                meta.get("uid"),
                phase == "Terminating",
            ]
        )
    )


@dataclass(frozen=True, slots=True)
class Outside:
    """Something that went into a render from outside of its sources' own commits."""

    #: "base": a kustomize base of another repository; "chart": a dependency by version range; "file": a file at a URL.
    kind: str
    url: str
    #: What was asked for: a base's branch or tag, a chart's "name range"; "" for a file.
    wanted: str
    #: What it was: a commit, a version, a digest.
    revision: str
    #: A base's paths whose content decided the render.
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The outcome of an application's last fetch."""

    #: Digest of the spec that was fetched for.
    spec: str = ""
    #: The Artifact's address; empty where there is none because of `error`.
    artifact: str = ""
    revisions: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    tracked: tuple[Tracked, ...] = ()
    #: For each source: the paths whose content decided the render, and the digest of their tree ids.
    inputs: tuple[tuple[str, ...], ...] = ()
    #: What else decided it; its branches and ranges are among `tracked`.
    outside: tuple[Outside, ...] = ()
    #: (condition type, sentence) of the failure.
    error: tuple[str, str] | None = None
    warnings: tuple[tuple[str, str], ...] = ()
    #: Failures in a row, for the pace of the next try.
    failures: int = 0

    def dump(self) -> bytes:
        return orjson.dumps(self)

    @property
    def told(self) -> str:
        """A digest of all that a comparison makes something of: two that are equal look the same in the status."""
        return digest(orjson.dumps([self.artifact, self.revisions, self.error, self.warnings]))

    @classmethod
    def load(cls, data: bytes) -> DesiredState:
        raw: dict[str, Any] = orjson.loads(data)
        return cls(
            spec=raw["spec"],
            artifact=raw["artifact"],
            revisions=tuple(raw["revisions"]),
            source_types=tuple(raw["source_types"]),
            tracked=tuple(Tracked(**t) for t in raw["tracked"]),
            inputs=tuple(tuple(paths) for paths in raw["inputs"]),
            outside=tuple(Outside(**{**o, "inputs": tuple(o["inputs"])}) for o in raw.get("outside", ())),
            error=tuple(raw["error"]) if raw["error"] else None,
            warnings=tuple(tuple(w) for w in raw["warnings"]),
            failures=raw["failures"],
        )


@dataclass(frozen=True, slots=True)
class Flags:
    """An application's plain fields."""

    spec: str = ""
    done: str = ""
    dirty: str = "0"
    seen: str = "0"
    #: Unix seconds after which a full comparison is wanted.
    full: float = 0.0
    #: DesiredState.told of what was last compared to the end.
    told: str = ""
    #: How often what it is made and compared by has changed (Due.stale).
    anew: str = "0"
    #: What the last operation of the policy's was for: the Artifact, and the circumstances.
    tried: str = ""

    @classmethod
    def load(cls, values: Sequence[bytes | None]) -> Flags:
        """From the values of FLAGS."""
        spec, done, dirty, seen, full, told, anew, tried = [v.decode() if v else "" for v in values]
        return cls(spec, done, dirty or "0", seen or "0", float(full or 0), told, anew or "0", tried)


#: The fields of an application's hash that Flags are made of.
FLAGS = ("spec", "done", "dirty", "seen", "full", "told", "anew", "tried")


def _application(seal: Seal, key: str, sealed: bytes | None) -> Object | None:
    data = seal.open(f"{key}/cr", sealed)
    return orjson.loads(data) if data else None


def _desired(seal: Seal, key: str, sealed: bytes | None) -> DesiredState | None:
    data = seal.open(f"{key}/desired", sealed)
    return DesiredState.load(data) if data else None


class Kept:
    """Everything that is kept of an application, read at once; what is sealed is opened when it is asked for."""

    def __init__(self, key: str, seal: Seal, values: Sequence[bytes | None]) -> None:
        self._key, self._seal = key, seal
        self._cr, self._desired, self._operation, *flags = values
        self.flags = Flags.load(flags)

    @cached_property
    def application(self) -> Object | None:
        """The Application's CR; None where Redis does not know it."""
        return _application(self._seal, self._key, self._cr)

    @cached_property
    def desired(self) -> DesiredState | None:
        """The outcome of the last fetch."""
        return _desired(self._seal, self._key, self._desired)

    @cached_property
    def operation(self) -> bytes | None:
        """The operation under way."""
        return self._seal.open(f"{self._key}/op", self._operation)


class Apps:
    """One hash for each application. What could betray or change an outcome is sealed, bound to its application."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys, seal: Seal) -> None:
        self._redis, self._scripts, self._keys, self._seal = client, scripts, keys, seal

    def kept(self, app: str) -> Kept:
        """What is kept of an application, at one moment."""
        return self.kept_as(app, self._scripts.together([self.keeping(app)])[0])

    def keeping(self, app: str) -> Command:
        """What `kept` sends, for others to send together with what they have."""
        return "HMGET", self._keys.app(app), "cr", "desired", "op", *FLAGS

    def kept_as(self, app: str, answer: Any) -> Kept:
        """What `kept` returns where Redis answers this."""
        return Kept(self._keys.app(app), self._seal, answer)

    # --- the CR ---

    def put(self, app: str, obj: Object, spec: str = "") -> bool:
        """Keep an Application as the watch brought it. True where what people decide has changed.

        `spec` is its `spec_digest`, where that is known.
        """
        key = self._keys.app(app)
        meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "managedFields"}
        sealed = self._seal.seal(f"{key}/cr", orjson.dumps({**obj, "metadata": meta}))
        version = str(meta.get("resourceVersion") or "0")
        args = [version, spec or spec_digest(obj), sealed, app]
        return int(self._scripts("put", [key, self._keys.apps], args)) == 2

    def get(self, app: str) -> Object | None:
        """The Application as kept; None where Redis does not know it."""
        key = self._keys.app(app)
        return _application(self._seal, key, cast(bytes | None, self._redis.hget(key, "cr")))

    def ids(self) -> set[str]:
        """Every application that is followed."""
        return {app.decode() for app in cast(set[bytes], self._redis.smembers(self._keys.apps))}

    def each(self, together: int = 200) -> Iterator[tuple[str, Object]]:
        """Every application that is followed, with its CR as kept; read and held so many at a time."""
        ids = sorted(self.ids())
        for start in range(0, len(ids), together):
            some = ids[start : start + together]
            pipe = self._redis.pipeline(transaction=False)
            for app in some:
                pipe.hget(self._keys.app(app), "cr")
            for app, sealed in zip(some, pipe.execute(), strict=True):
                if obj := _application(self._seal, self._keys.app(app), sealed):
                    yield app, obj

    def forget(self, app: str) -> None:
        """Drop everything that is kept for an application that is no more."""
        pipe = self._redis.pipeline(transaction=True)
        keys = self._keys
        pipe.delete(keys.app(app), keys.observed(app), keys.compared(app))
        # A notification of its end may still be on its way, and must not tell all that was told before once more.
        pipe.expire(keys.notices(app), NOTICES_OUTLIVE)
        pipe.srem(self._keys.apps, app)
        for zset in (self._keys.due, self._keys.soon, self._keys.parked):
            pipe.zrem(zset, app)
        pipe.execute()

    # --- the desired state ---

    def set_desired(
        self, app: str, desired: DesiredState, anew: str = "0", urls: Iterable[str] = (), former: Iterable[str] = ()
    ) -> Flags:
        """Keep the outcome of a fetch, and `link` its repositories. Returns the flags as they are now.

        `anew` is the flag as it was when the fetch began.
        """
        key = self._keys.app(app)
        sealed = self._seal.seal(f"{key}/desired", desired.dump())
        keep = ("HSET", key, "desired", sealed, "made", anew)
        answers = self._scripts.together([keep, *self._linking(app, urls, former), ("HMGET", key, *FLAGS)])
        return Flags.load(answers[-1])

    def desired(self, app: str) -> DesiredState | None:
        """The outcome of the last fetch; None where there is none."""
        key = self._keys.app(app)
        return _desired(self._seal, key, cast(bytes | None, self._redis.hget(key, "desired")))

    def desired_of(self, apps: Sequence[str]) -> list[DesiredState | None]:
        """The outcomes of the last fetches of many applications, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for app in apps:
            pipe.hget(self._keys.app(app), "desired")
        found = zip(apps, pipe.execute(), strict=True)
        return [_desired(self._seal, self._keys.app(app), sealed) for app, sealed in found]

    # --- flags ---

    def flags(self, app: str) -> Flags:
        """The plain fields that decide whether anything is to be done."""
        return Flags.load(cast(list[bytes | None], self._redis.hmget(self._keys.app(app), FLAGS)))

    def set_compared(self, app: str, anew: str, config: str, **fields: str) -> bool:
        """Set plain fields at the end of a comparison that began with this flag `anew`, by this configuration.

        False where either is another by now: what was compared does not count, and all is to be read again.
        """
        return bool(self._scripts.together([self.comparing(app, anew, config, **fields)])[0])

    def comparing(self, app: str, anew: str, config: str, **fields: str) -> Call:
        """What `set_compared` calls, for others to call together with what they have."""
        plain = [part for field in fields.items() for part in field]
        return Call("compared", [self._keys.app(app), self._keys.config], [anew, config, *plain])

    def set_fields(self, app: str, **fields: str) -> None:
        """Set plain fields."""
        self._redis.hset(self._keys.app(app), mapping=cast(Any, fields))

    def field(self, app: str, name: str) -> str:
        """One plain field; "" where absent."""
        value = cast(bytes | None, self._redis.hget(self._keys.app(app), name))
        return value.decode() if value else ""

    # --- which applications use a repository ---

    def link(self, app: str, urls: Iterable[str], former: Iterable[str] = ()) -> None:
        """Note the repositories that an application uses, and drop those that it used before."""
        self._scripts.together(self._linking(app, urls, former))

    def _linking(self, app: str, urls: Iterable[str], former: Iterable[str]) -> list[Command]:
        wanted, old = set(urls), set(former)
        return [
            *(("SADD", self._keys.repo_apps(url), app) for url in wanted),
            *(("SREM", self._keys.repo_apps(url), app) for url in old - wanted),
        ]

    def unlink(self, url: str, apps: Iterable[str]) -> None:
        """Note that these use a repository no longer."""
        if gone := list(apps):
            self._redis.srem(self._keys.repo_apps(url), *gone)

    def users(self, url: str) -> set[str]:
        """The applications that use a repository, those among them that are no more until `unlink`."""
        return {app.decode() for app in cast(set[bytes], self._redis.smembers(self._keys.repo_apps(url)))}
