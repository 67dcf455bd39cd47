"""What scenarios of one run share: the bare client's figures, and one stage with a synced fleet."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

from bench import BenchError
from bench.fleet import Fleet
from bench.measure import PeakMemory
from bench.stage import PATIENCE, Plane, Stage

Say = Callable[[str], None]


@dataclass(frozen=True)
class Raw:
    """The bare client in one fresh control plane: seconds to create all objects, and to change all of them."""

    create: float
    change: float


@dataclass(frozen=True)
class Synced:
    """An initial sync: seconds from the first Application's creation to the last object's first write."""

    seconds: float
    cpu: dict[str, float]
    requests: dict[str, int]


class Session:
    """Makes what scenarios ask for when they first ask, and ends it all."""

    def __init__(self, apps: int, say: Say) -> None:
        self.fleet, self.say = Fleet(apps), say
        self._stack = ExitStack()
        self._raw: list[Raw] = []
        self._stage: Stage | None = None
        self._memory: PeakMemory | None = None

    def measure_raw(self) -> Raw:
        """Run the bare client in a fresh plane of its own, with the same parts running as an engine's plane."""
        self.say(f"bare client: {self.fleet.object_count} objects")
        with Plane() as plane:
            create = plane.raw.apply(self.fleet.namespace_requests()) + plane.raw.apply(self.fleet.requests())
            plane.wait_running(self.fleet.size)
            change = plane.raw.apply(self.fleet.requests(release="two"))
        self._raw.append(Raw(create, change))
        return self._raw[-1]

    def raw(self) -> Raw:
        """The median of the bare client's runs in this session, at least one."""
        if not self._raw:
            self.measure_raw()
        return Raw(median(r.create for r in self._raw), median(r.change for r in self._raw))

    def sync(self, stage: Stage) -> Synced:
        """The initial sync of a stage whose engine runs and has nothing to do yet."""
        stage.wait_idle()
        before, writes = stage.cpu(), stage.writes()
        begun = time.time()
        stage.create_applications()
        total = stage.fleet.object_count
        try:
            last = writes.wait(total, PATIENCE, lambda done: self.say(f"initial sync: {done} of {total} objects"))
        except BenchError as error:
            raise BenchError(f"{error}\n{stage.logs()}") from None
        after = stage.cpu()
        return Synced(last - begun, {part: after[part] - before[part] for part in after}, dict(writes.requests))

    def managed(self) -> Stage:
        """A stage with beat and 2 workers, every Application Synced and Healthy; its memory is sampled all along."""
        if self._stage is None:
            with ExitStack() as until_synced:
                stage = until_synced.enter_context(Stage(self.fleet, self.say))
                stage.start_engine()
                self._memory = until_synced.enter_context(PeakMemory(stage.processes))
                self.sync(stage)
                stage.wait_settled()
                self._stack.push(until_synced.pop_all())
            self._stage = stage
        return self._stage

    def memory(self) -> PeakMemory:
        """The sampler of the managed stage."""
        self.managed()
        assert self._memory
        return self._memory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
