"""What a task may use is bounded before it starts: how large the objects are is known when they are rendered."""

from __future__ import annotations

from collections.abc import Sequence

from gitops.errors import SourceError
from gitops.model.objects import Manifest

MIB = 1 << 20
#: Memory of a comparison, measured: for each byte of objects, for each object, and what a process holds at rest.
PER_BYTE, PER_OBJECT, AT_REST = 14, 6 << 10, 112 * MIB


def needed(objects: Sequence[Manifest]) -> int:
    """Bytes that a worker process needs to compare and apply these objects, itself included."""
    return AT_REST + PER_BYTE * sum(len(m.body) for m in objects) + PER_OBJECT * len(objects)


def check(objects: Sequence[Manifest], may: int) -> None:
    """Raise SourceError where a worker process, which may use `may` MiB, could not hold these objects."""
    want = needed(objects) // MIB
    if want > may:
        raise SourceError(
            f"{len(objects)} objects of {sum(len(m.body) for m in objects) / MIB:.1f} MiB need about {want} MiB of "
            f"memory, and a worker process may use {may} MiB: split the Application, or raise "
            "GITOPS_CHILD_MEMORY_LIMIT_KIB and the container's limit with it"
        )
