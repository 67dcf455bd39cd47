"""One task of a plan: what happens to one object in one phase. Keys and flags only, never a manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from gitops.model.objects import ObjectKey
from gitops.sync.compact import given
from gitops.sync.hooks import SYNC_PHASES, DeletePolicy, Phase


@dataclass(frozen=True, slots=True)
class Task:
    """What happens to one object in one phase."""

    #: The object in the cluster.
    key: ObjectKey
    version: str
    phase: Phase
    wave: int = 0
    #: The key of its manifest in the Artifact; None for an object to prune. Differs from `key` where a hook's name is
    #: generated.
    target: ObjectKey | None = None
    #: The live object's UID when the plan was made; the precondition of a deletion.
    uid: str = ""
    hook: bool = False
    delete_policies: tuple[DeletePolicy, ...] = ()
    #: Why nothing is pruned: `ignored (requires pruning)` or `ignored (no prune)`.
    skip_prune: str = ""
    #: Prune=confirm: wait for the deletion-approved annotation.
    confirm: bool = False
    replace: bool = False
    force: bool = False
    #: Validate=false turns the server's field validation off.
    validate: bool = True
    skip_missing_kind: bool = False
    #: Other field managers hold fields that are to become ours before the apply (seen in the live object).
    adopt: bool = False
    #: Why the project does not permit it.
    denied: str = ""
    #: It is as our own apply of the same manifest left it: nothing has to be asked of the server.
    unchanged: bool = False
    #: `group|kind` that this CustomResourceDefinition brings.
    defines: str = ""

    @property
    def prune(self) -> bool:
        return self.target is None

    @property
    def id(self) -> str:
        """Unique inside a plan: phase and key, as in Argo CD's result keys."""
        return f"{self.phase}|{self.key.encode()}"

    @property
    def group(self) -> tuple[int, int]:
        """(phase, wave): tasks that share it are run in one step."""
        return SYNC_PHASES.index(self.phase), self.wave

    @property
    def label(self) -> str:
        """`group/kind/name`, as messages name it."""
        return f"{self.key.group}/{self.key.kind}/{self.key.name}"

    def at(self, phase: Phase, wave: int) -> Task:
        """The same task at another position."""
        return replace(self, phase=phase, wave=wave)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict without the fields that have their default."""
        data = given(self) | {"key": self.key.encode(), "version": self.version, "phase": str(self.phase)}
        if self.target is not None:
            data["target"] = "" if self.target == self.key else self.target.encode()
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of to_json."""
        key = ObjectKey.decode(data["key"])
        target = data.get("target")
        return cls(
            **{
                **data,
                "key": key,
                "phase": Phase(data["phase"]),
                "target": None if target is None else (ObjectKey.decode(target) if target else key),
                "delete_policies": tuple(DeletePolicy(policy) for policy in data.get("delete_policies", ())),
            }
        )
