"""Whether a large application holds up small ones: `python -m bench fairness [OBJECTS]`.

Small applications are created one after the other, and each is timed from its creation to its object's first write:
first alone, then while one of 5,000 objects is on its way. The same engine, the same minute.
"""

from __future__ import annotations

import sys
import time

from bench import large
from bench.figures import latencies
from bench.fleet import SMALL, Fleet
from bench.stage import CONTROL, Stage, until

#: Small applications that are timed in each half.
EACH = 120


def timed(stage: Stage, names: list[str]) -> list[float]:
    """Create these applications one by one; the seconds of each until its object was written."""
    taken = []
    requests = dict(zip(stage.fleet.names, stage.fleet.applications(stage.repo.http_url, CONTROL), strict=True))
    for name in names:
        writes, begun = stage.writes(), time.time()
        stage.plane.raw.apply([requests[name]], threads=1)
        wanted = ("configmaps", stage.fleet.namespace(name), name)
        while wanted not in writes.first:
            time.sleep(0.01)
            writes.read()
            if time.time() - begun > 120:
                taken.append(120.0)
                break
        else:
            taken.append(writes.first[wanted] - begun)
    return taken


def main(arguments: list[str]) -> int:
    """Measure and print both halves."""
    count = int(arguments[0]) if arguments else large.OBJECTS
    fleet = Fleet(2 * EACH, SMALL)
    with Stage(fleet, lambda _: None) as stage:
        stage.repo.publish({f"{large.NAME}/all.yaml": large.manifests(count)}, "a large application")
        stage.plane.raw.apply(fleet.namespace_requests())
        stage.start_engine(workers=1, GITOPS_CONCURRENCY="2")
        timed(stage, fleet.names[:2])  # each process reads the configuration, and the mirror is made
        alone = timed(stage, fleet.names[2:EACH])
        large.create(stage)
        until(lambda: large.parts(stage) > 1, "the large application's first objects")
        beside = timed(stage, fleet.names[EACH:])
        left = count - large.parts(stage)
    first, second = latencies(alone), latencies(beside)
    print(f"{EACH} small applications alone: {first}")
    print(f"beside one of {count} objects, of which {max(left, 0)} were still to come at the end: {second}")
    print(f"p95 with to p95 without: {second['p95_ms'] / first['p95_ms']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
