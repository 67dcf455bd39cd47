"""An operation whose worker is killed with SIGKILL again and again ends as the undisturbed one does."""

import os
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.model.application import Operation
from gitops.model.artifact import Artifact
from gitops.model.objects import Object
from gitops.sync import Context, OperationRecord, Pair, Parked, advance, plan
from testbed.audit import AuditLog
from testbed.processes import wait_until

pytestmark = pytest.mark.cluster

KILLS = 50
PREFIX = "argocd.argoproj.io/"


def config_map(name: str, wave: int) -> Object:
    meta = {"name": name, "annotations": {PREFIX + "sync-wave": str(wave)}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}}


def hook(name: str, phase: str, policy: str = "") -> Object:
    annotations = {PREFIX + "hook": phase} | ({PREFIX + "hook-delete-policy": policy} if policy else {})
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/a:1"}]}}
    meta = {"name": name, "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": template}}


def new_objects() -> list[Object]:
    return [
        hook("before", "PreSync", "HookSucceeded"),
        *(config_map(f"c{index}", index % 3) for index in range(9)),
        hook("during", "Sync"),
        hook("after", "PostSync", "BeforeHookCreation"),
    ]


def work(syncer, artifact: Artifact, pairs: list[Pair], rest: Path) -> None:
    """What a worker does: read what rests, step, write what it gives. Returns when the operation is done."""
    app = syncer.app()

    def save(record: OperationRecord) -> None:
        new = rest.with_suffix(".new")
        new.write_bytes(record.to_json())
        new.replace(rest)

    while True:
        record = OperationRecord.from_json(rest.read_bytes())
        if record.finished:
            return
        if record.needs_plan:
            record.plan = plan(pairs, app, record.operation.sync, started_at=record.started, revision="0123456789")
        outcome = advance(record, artifact, Context(client=syncer.client, save=save, wave_delay=0.0))
        save(record)
        if isinstance(outcome, Parked):
            time.sleep(0.02)


def operation(syncer, rest: Path, kills: list[float]) -> tuple[OperationRecord, Counter]:
    """Run one operation in child processes, the n-th of which is killed after kills[n] seconds.

    Returns the record and how often each object was really created.
    """
    old = [config_map(f"old{index}", index) for index in range(3)]
    assert syncer.sync(*old).phase == "Succeeded"
    artifact = Artifact("a", ("Directory",), syncer.manifests(new_objects()))
    pairs = [Pair(manifest, None) for manifest in artifact.objects]
    pairs += [Pair(None, syncer.get("ConfigMap", obj["metadata"]["name"])) for obj in old]
    asked = Operation.model_validate({"sync": {"prune": True}})
    now = datetime.now(UTC)
    record = OperationRecord.begin(asked, syncer.app(), artifact="a", revisions=("0123456789",), now=now)
    rest.write_bytes(record.to_json())
    mark = AuditLog(syncer.plane.audit_log).mark()
    for delay in [*kills, None]:
        child = os.fork()
        if child == 0:
            work(syncer, artifact, pairs, rest)
            os._exit(0)
        if delay is not None:
            time.sleep(delay)  # the random instant
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    created = Counter(
        (event["objectRef"]["resource"], event["objectRef"]["name"])
        for event in AuditLog(syncer.plane.audit_log).events(mark)
        if event.get("responseStatus", {}).get("code") == 201
        and "dryRun" not in event["requestURI"]
        and event["objectRef"].get("namespace") == syncer.namespace
        and event["userAgent"].startswith("gitops")
    )
    return OperationRecord.from_json(rest.read_bytes()), created


def outcome(record: OperationRecord) -> dict:
    rows = record.to_status()["syncResult"]["resources"]
    shown = {(row["name"], row["syncPhase"]): (row["status"], row["hookPhase"], row.get("hookType")) for row in rows}
    return {"phase": record.phase, "message": record.message, "rows": shown}


def test_fifty_kills(syncer, control_plane, tmp_path: Path) -> None:
    calm, created_calmly = operation(syncer, tmp_path / "calm", [])
    other = type(syncer)(control_plane, syncer.client, control_plane.create_namespace(f"{syncer.namespace}-killed"))
    chance = random.Random(20)

    done = 0
    while done < KILLS:
        delays = [chance.uniform(0.0, 0.12) for _ in range(min(10, KILLS - done))]
        done += len(delays)
        killed, created = operation(other, tmp_path / f"killed-{done}", delays)

        assert outcome(killed) == outcome(calm)
        assert created == created_calmly
        left = {f"c{index}" for index in range(9)}
        wait_until(lambda: not other.get("Job", "before", "batch"), 20, "the succeeded hook is gone")
        for name in ("old0", "old1", "old2"):
            wait_until(lambda name=name: other.get("ConfigMap", name) is None, 20, "what left Git is gone")
        assert all(other.get("ConfigMap", name) for name in left)
        _clear(other, left)
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{other.namespace}")


def _clear(syncer, names: set[str]) -> None:
    """Make room for the next operation: nothing of this one is left."""
    syncer.known.clear()
    for kind, group, name in [("ConfigMap", "", n) for n in names] + [("Job", "batch", j) for j in ("during", "after")]:
        live = syncer.get(kind, name, group)
        key = next(m.key for m in syncer.manifests(new_objects()) if m.key.kind == kind and m.key.name == name)
        assert live is not None
        syncer.client.delete(key, propagation="Background")
        wait_until(lambda key=key: syncer.client.get(key) is None, 20, f"{name} is gone")
