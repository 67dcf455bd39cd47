"""Counters of a prefork worker: each process writes its own file, the parent reads them all.

prometheus-client never removes the files of dead processes' counters, and a worker that recycles its children would
collect them without end. Here what the dead left is added up into one archive, which is itself bounded.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

#: No process has this id, so no live file has the archive's name.
_ARCHIVE_PID = 0
#: Samples kept of the dead; beyond it they are dropped, which Prometheus reads as an ordinary counter reset.
_ARCHIVE_LIMIT = 50_000
#: A scrape between "added to the archive" and "file removed" would count twice.
_archiving = threading.RLock()


def directory() -> Path | None:
    """Where this worker's processes keep their counters, as the environment says; None: in memory, as one process."""
    named = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(named) if named else None


def enable(directory: Path) -> None:
    """Let every metric made from now on live in `directory` (created; files of an earlier run are removed).

    To be called in the parent before it forks, and before the metrics are made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob("*.db"):
        leftover.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    # The library chose its storage when it was first imported, which Celery's command line does through Flower before
    # any code of ours runs.
    values.ValueClass = values.MultiProcessValue()


class WorkerCollector(Collector):
    """What all processes of this worker counted, the dead ones included."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """The summed metrics; the files of dead processes are archived on the way."""
        with _archiving:
            archive_dead(self._directory)
            files = [str(path) for path in self._directory.glob("*.db") if _begun(path)]
            return list(MultiProcessCollector.merge(files))


def archive_dead(directory: Path, limit: int = _ARCHIVE_LIMIT) -> int:
    """Add the counters of processes that have gone to the archive, and remove their files; how many went.

    Live gauges (`gauge_live*`) end with their process.
    """
    with _archiving:
        gone = [path for path in directory.glob("*.db") if not _alive(_pid(path))]
        for kind in ("counter", "histogram"):
            files = [path for path in gone if path.name.startswith(f"{kind}_") and _begun(path)]
            if files:
                _merge(directory / f"{kind}_{_ARCHIVE_PID}.db", files, limit)
        for path in gone:
            path.unlink(missing_ok=True)
    return len(gone)


def _begun(path: Path) -> bool:
    """Whether a file holds anything: a process makes its file empty and gives it its size afterwards."""
    return path.stat().st_size > 0


def _merge(archive: Path, files: list[Path], limit: int) -> None:
    sums: dict[str, float] = defaultdict(float)
    for path in [*([archive] if archive.exists() else []), *files]:
        for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(str(path)):
            sums[key] += value
    if len(sums) > limit:
        archive.unlink(missing_ok=True)
        return
    # Written beside and moved into place: a crash in between leaves the old archive whole.
    draft = archive.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    store = MmapedDict(str(draft))
    for key, value in sums.items():
        store.write_value(key, value, 0.0)
    store.close()
    draft.replace(archive)


def _pid(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _alive(pid: int) -> bool:
    if pid == _ARCHIVE_PID:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
