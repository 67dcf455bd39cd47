"""What a step of an operation needs from outside, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gitops.health import assess
from gitops.model.health import Health
from gitops.model.names import FIELD_MANAGER
from gitops.model.objects import Manifest, Object, ObjectKey
from gitops.sync.options import Propagation

if TYPE_CHECKING:
    from gitops.sync.record import OperationRecord

Validation = Literal["Strict", "Warn", "Ignore"]

FAILED = "Failed"
ERROR = "Error"
SUCCEEDED = "Succeeded"
RUNNING = "Running"
TERMINATING = "Terminating"


class Cluster(Protocol):
    """What is asked of a cluster; `gitops.cluster.ClusterClient` is one, and raises ApiError and UnknownKind."""

    def get(
        self, key: ObjectKey, *, version: str = "", cached: bool = False, metadata_only: bool = False
    ) -> Object | None: ...

    def apply(
        self,
        manifest: Manifest,
        *,
        force: bool = True,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
        validate: Validation = "Strict",
        metadata_only: bool = False,
        subresource: str = "",
    ) -> Object: ...

    def create(
        self,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
        validate: Validation = "Strict",
    ) -> Object: ...

    def replace(
        self,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
        validate: Validation = "Strict",
        subresource: str = "",
    ) -> Object: ...

    def json_patch(
        self,
        key: ObjectKey,
        patch: list[Object],
        *,
        version: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
    ) -> Object: ...

    def delete(
        self,
        key: ObjectKey,
        *,
        version: str = "",
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Foreground",
        dry_run: bool = False,
    ) -> bool: ...

    def resource_for(self, group: str, kind: str, version: str | None = None) -> Any: ...


def _nothing(*_: Any) -> None:
    return None


@dataclass(slots=True)
class Context:
    """The surroundings of one step. Only `client` has to be given."""

    client: Cluster
    #: Called before each write; raises LockLost where another worker holds the application by now.
    check_lock: Callable[[], None] = _nothing
    #: Called with (key, uid, resourceVersion) after each write, so that the watcher knows our own echo.
    note: Callable[[ObjectKey, str, str], None] = _nothing
    #: Persists the record; called before a write that may only happen once what was found out is on record.
    save: Callable[[OperationRecord], None] = _nothing
    health: Callable[[Object], Health | None] = assess
    #: (target, live) -> target with live's ignored fields, for RespectIgnoreDifferences.
    respect_ignored: Callable[[Object, Object], Object] | None = None
    #: Whether a live object is still this Application's; asked right before it is pruned.
    owns: Callable[[Object], bool] | None = None
    #: The Application's `deletion-approved` annotation at this moment.
    deletion_approved: str = ""
    #: Someone set operationState.phase to Terminating.
    terminate: bool = False
    #: Threads that one step may use.
    parallel: int = 8
    #: Seconds between two waves, for controllers to see what was applied before its health is asked.
    wave_delay: float = 2.0
    #: Unix seconds.
    now: Callable[[], float] = field(default=time.time)


@dataclass(frozen=True, slots=True)
class Done:
    """The operation has ended: Succeeded, Failed or Error, and the sentence for it."""

    phase: str
    message: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Nothing can be done now. Go on when one of `waiting_for` changes, or at `until` (Unix seconds; None: no time).

    `failed`: something went wrong, and is not tried again before `until` whatever changes.
    """

    reason: str
    waiting_for: tuple[ObjectKey, ...] = ()
    until: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """Something was done, and the next step can be made at once."""


Outcome = Done | Parked | Again
