"""How long one assessment takes: `make bench-health`, or `python -m bench health [FOLDER…]`.

Prints mean, p99 and max in microseconds an object, over the objects of the conformance folder (or of those named), each
the best of several runs, since the machine's own pauses are not what is measured.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

from gitops.cli.health import files_of, objects_of
from gitops.errors import InvalidSpecError
from gitops.health import assess

ROUNDS = 30


def main(folders: list[str]) -> int:
    root = Path(__file__).resolve().parents[1]
    conformance = Path(os.environ.get("GITOPS_CONFORMANCE") or root.parent / "shared" / "conformance")
    paths = [Path(folder) for folder in folders] or [conformance / "health"]
    try:
        objects = [obj for file in files_of(paths) for obj in objects_of(file)]
    except InvalidSpecError as error:
        print(error, file=sys.stderr)
        return 1
    if not objects:
        print("No objects found; name a folder of live objects.", file=sys.stderr)
        return 1
    for title, generic_only in (("all rules", False), ("generic rule only", True)):
        best = [float("inf")] * len(objects)
        first = []
        for number in range(ROUNDS):
            for index, obj in enumerate(objects):
                start = time.perf_counter()
                assess(obj, generic_only=generic_only)
                taken = (time.perf_counter() - start) * 1e6
                best[index] = min(best[index], taken)
                if number == 0:
                    first.append(taken)
        p99 = statistics.quantiles(best, n=100)[98]
        print(
            f"{title:18} {len(objects)} objects: mean {statistics.fmean(best):.1f} us, p99 {p99:.1f} us, "
            f"max {max(best):.1f} us (first sight: mean {statistics.fmean(first):.1f} us)"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
