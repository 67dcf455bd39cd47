"""Between two steps an operation rests as bytes: nothing of it is lost, and what is plain costs little."""

from __future__ import annotations

import orjson

from gitops.model.application import Operation
from gitops.model.objects import ObjectKey
from gitops.model.rows import RESULTS_BYTES
from gitops.sync import OperationRecord
from gitops.sync.hooks import DeletePolicy, Phase
from gitops.sync.plan import NamespaceStep, Plan
from gitops.sync.record import PRUNED, SYNC_FAILED, SYNCED, TaskResult
from gitops.sync.task import Task

STARTED = "2026-01-01T00:00:00Z"


def record(tasks: list[Task], results: list[TaskResult]) -> OperationRecord:
    made = OperationRecord(Operation.model_validate({"sync": {"revision": "a" * 40}}), STARTED, plan=Plan(tuple(tasks)))
    made.results = {task.id: result for task, result in zip(tasks, results, strict=True)}
    return made


def config_map(name: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", "team", name)


def test_everything_that_it_holds_comes_back() -> None:
    hook = Task(
        ObjectKey("batch", "Job", "team", "migrate-a1b2"), "v1", Phase.PRE_SYNC, -1,
        target=ObjectKey("batch", "Job", "team", ""), uid="u", hook=True,
        delete_policies=(DeletePolicy.BEFORE_HOOK_CREATION, DeletePolicy.HOOK_FAILED),
        replace=True, force=True, validate=False, skip_missing_kind=True, adopt=True, denied="not permitted",
    )  # fmt: skip
    crd = Task(config_map("kept"), "v1", Phase.SYNC, target=config_map("kept"), unchanged=True, defines="a.io|Kind")
    gone = Task(config_map("gone"), "v1", Phase.SYNC, 3, uid="w", skip_prune="ignored (no prune)", confirm=True)
    before = record(
        [hook, crd, gone],
        [
            TaskResult.of(SYNC_FAILED, "refused", version="v1", hook=True, lingers=True),
            TaskResult(SYNCED, "applied", "Succeeded", version="v1", uid="v", images=("web:1", "log:2")),
            TaskResult.of(PRUNED, "pruned", lingers=True),
        ],
    )
    before.plan = Plan(before.plan.tasks if before.plan else (), NamespaceStep("team", {"labels": {"a": "b"}}))
    before.revisions, before.sources, before.retry_at, before.failing = ("a", "b"), ({"repoURL": "r"},), 7.5, "refused"
    assert OperationRecord.from_json(before.to_json()) == before


def test_a_plain_object_costs_less_than_250_bytes() -> None:
    tasks = [Task(config_map(f"part-{n:05}"), "v1", Phase.SYNC, target=config_map(f"part-{n:05}")) for n in range(1000)]
    results = [TaskResult.of(SYNCED, f"configmap/{task.key.name} serverside-applied", uid="u" * 36) for task in tasks]
    assert len(record(tasks, results).to_json()) < 250 * len(tasks)


def test_the_status_of_thousands_of_objects_tells_of_those_that_failed() -> None:
    names = [f"part-{n:05}" for n in range(20_000)]
    tasks = [Task(config_map(name), "v1", Phase.SYNC, target=config_map(name)) for name in names]
    results = [TaskResult.of(SYNCED, "applied", version="v1") for _ in tasks]
    results[-1] = TaskResult.of(SYNC_FAILED, "refused", version="v1")
    large = record(tasks, results)
    large.message = "a reason, " * 10_000
    status = large.to_status()
    rows = status["syncResult"]["resources"]
    assert len(orjson.dumps(status)) < RESULTS_BYTES + 10_000
    assert 1_000 < len(rows) < 20_000
    assert rows[-1]["name"] == names[-1]
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert len(large.rows()) == 20_000


def test_even_what_failed_stays_within_the_bound() -> None:
    names = [f"part-{n:05}" for n in range(5_000)]
    tasks = [Task(config_map(name), "v1", Phase.SYNC, target=config_map(name)) for name in names]
    large = record(tasks, [TaskResult.of(SYNC_FAILED, "refused, for " * 1_000) for _ in tasks])
    assert len(orjson.dumps(large.to_status())) < RESULTS_BYTES + 10_000
    assert large.to_status()["syncResult"]["resources"][0]["name"] == names[0]
