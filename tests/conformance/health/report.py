"""The table of `make conformance` for health: cases right / all per group, with all rules and the generic one alone.

Run: `python tests/conformance/health/report.py`. Exit status 1 where a bound of BOUNDS is not met, or a case differs
that DIFFERENCES does not explain.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops.cli.health import objects_of
from gitops.health import assess
from gitops.model.health import HEALTHY

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("GITOPS_CONFORMANCE") or ROOT.parent / "shared" / "conformance") / "health"

#: Shares in percent that must be reached: built-in kinds, third-party kinds, those by the generic rule alone.
BOUNDS = {"builtin": 100.0, "crd": 97.0, "crd, generic only": 75.0}

_DELETION = "metadata.deletionTimestamp is set: section 6 asks for Progressing before any other check"
_PAUSED = "a person paused it: Suspended is the word for that, and it tells the reader why nothing runs"
_NEW = "there is no status yet: the controller has not spoken, which is Progressing for every other kind"

#: Each case that comes out differently, and why our answer is the better one.
DIFFERENCES = {
    "crd/astra.netapp.io/ResticVolumeBackup/degraded.yaml": _DELETION,
    "crd/kafka.strimzi.io/KafkaBridge/degraded.yaml": _DELETION,
    "crd/kafka.strimzi.io/KafkaBridge/healthy.yaml": _DELETION,
    "crd/kafka.strimzi.io/KafkaConnect/degraded.yaml": _DELETION,
    "crd/kafka.strimzi.io/KafkaConnect/healthy.yaml": _DELETION,
    "crd/kafka.strimzi.io/KafkaConnector/degraded.yaml": _DELETION,
    "crd/kafka.strimzi.io/KafkaConnector/healthy.yaml": _DELETION,
    "crd/kubevirt.io/VirtualMachineInstance/suspended_succeeded.yaml": _DELETION,
    "crd/numaflow.numaproj.io/MonoVertex/paused.yaml": _PAUSED,
    "crd/numaplane.numaproj.io/MonoVertexRollout/paused.yaml": _PAUSED,
    "crd/pxc.percona.com/PerconaXtraDBCluster/paused.yaml": _PAUSED,
    "crd/pxc.percona.com/PerconaXtraDBCluster/stopping.yaml": (
        "stopping is a step that the operator takes on the way to paused, not a failure; the MongoDB operator of the "
        "same project is judged so"
    ),
    "crd/rabbitmq.com/Binding/unknown.yaml": _NEW,
    "crd/rabbitmq.com/Exchange/unknown.yaml": _NEW,
    "crd/rabbitmq.com/Shovel/unknown.yaml": _NEW,
    "crd/gateway.networking.k8s.io/BackendTLSPolicy/progressing_observed_generation.yaml": (
        "one ancestor is current, the other is about an older generation: that one is passed over, as for routes, "
        "since an ancestor that was taken out of the policy may never be written again"
    ),
    "crd/microgateway.airlock.com/_/degraded_multiple_ancestors.yaml": (
        "the second ancestor has no condition that is False, only none that is known: nothing failed, it is waited for"
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its path, the expected word and what we say with all rules and with the generic one alone."""

    path: str
    expected: str
    full: str
    generic: str

    @property
    def part(self) -> str:
        return self.path.split("/")[0]

    @property
    def group(self) -> str:
        return "builtin" if self.part == "builtin" else self.path.split("/")[1]


def _word(path: Path, generic_only: bool) -> str:
    found = assess(next(objects_of(path)), generic_only=generic_only)
    return found.status if found else HEALTHY


def cases(folder: Path = FOLDER) -> Iterator[Case]:
    """Every case of expected.tsv."""
    for line in (folder / "expected.tsv").read_text().splitlines():
        path, expected = line.split("\t")
        yield Case(path, expected, _word(folder / path, False), _word(folder / path, True))


def shares(found: list[Case]) -> dict[str, tuple[int, int]]:
    """Right and all for each bound."""
    builtin = [case for case in found if case.part == "builtin"]
    crd = [case for case in found if case.part != "builtin"]
    return {
        "builtin": (sum(case.full == case.expected for case in builtin), len(builtin)),
        "crd": (sum(case.full == case.expected for case in crd), len(crd)),
        "crd, generic only": (sum(case.generic == case.expected for case in crd), len(crd)),
    }


def unexplained(found: list[Case]) -> list[Case]:
    """The cases that come out differently with all rules and are not in DIFFERENCES."""
    return [case for case in found if case.full != case.expected and case.path not in DIFFERENCES]


def main() -> int:
    if not FOLDER.is_dir():
        print(f"skipped: no conformance data at {FOLDER}; set GITOPS_CONFORMANCE")
        return 0
    found = list(cases())
    total, full, generic = Counter[str](), Counter[str](), Counter[str]()
    for case in found:
        total[case.group] += 1
        full[case.group] += case.full == case.expected
        generic[case.group] += case.generic == case.expected
    print(f"{'group':50} {'right/all':>10} {'generic only':>13}")
    for group in sorted(total):
        print(f"{group:50} {full[group]:>5}/{total[group]:<4} {generic[group]:>8}/{total[group]:<4}")
    print()
    failed = False
    for name, (right, count) in shares(found).items():
        share = 100 * right / max(count, 1)
        reached = share >= BOUNDS[name]
        failed = failed or not reached
        print(
            f"{name:20} {right}/{count} = {share:.2f} % (at least {BOUNDS[name]:g} %) {'ok' if reached else 'FAILED'}"
        )
    print("\nCases that come out differently, and why:")
    for case in found:
        if case.full != case.expected:
            why = DIFFERENCES.get(case.path, "UNEXPLAINED")
            print(f"  {case.path}: expected {case.expected}, ours {case.full}: {why}")
    return 1 if failed or unexplained(found) else 0


if __name__ == "__main__":
    sys.exit(main())
