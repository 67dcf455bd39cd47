"""Syncing: an operation is a plan and a position, and is moved on one step at a time.

`plan` orders what is to be done; `OperationRecord` holds what was asked, done and found, and is all that rests
between two steps; `advance` makes one step and answers Done, Parked or Again. `decide` is the auto-sync policy,
`append_history` and `rollback` the way back, `advance_deletion` the deletion of an Application. Nothing here sleeps,
and nothing waits on a worker: waiting is parking.

    record = OperationRecord.begin(operation, app, artifact=address, revisions=revisions, now=now)
    while True:
        if record.needs_plan:
            record.plan = plan(pairs, app, operation.sync, started_at=record.started)
        outcome = advance(record, artifact, Context(client, ...))
        # keep record.to_json(); patch record.to_status(); stop unless the outcome is Again()
"""

from gitops.sync.advance import STEP_TASKS, advance
from gitops.sync.deletion import Deletion, advance_deletion, finalizers_wanted
from gitops.sync.duration import parse_duration
from gitops.sync.history import append_history, rollback
from gitops.sync.hooks import DeletePolicy, Phase, delete_policies, hook_phases, is_hook, wave
from gitops.sync.options import SyncOptions, object_options
from gitops.sync.plan import NamespaceStep, Pair, Plan, plan
from gitops.sync.policy import Decision, ResourceState, SelfHealBackoff, decide
from gitops.sync.ports import ERROR, FAILED, SUCCEEDED, Again, Cluster, Context, Done, Outcome, Parked
from gitops.sync.record import OperationRecord, TaskResult
from gitops.sync.steps import describe
from gitops.sync.task import Task

__all__ = [
    "ERROR",
    "FAILED",
    "STEP_TASKS",
    "SUCCEEDED",
    "Again",
    "Cluster",
    "Context",
    "Decision",
    "DeletePolicy",
    "Deletion",
    "Done",
    "NamespaceStep",
    "OperationRecord",
    "Outcome",
    "Pair",
    "Parked",
    "Phase",
    "Plan",
    "ResourceState",
    "SelfHealBackoff",
    "SyncOptions",
    "Task",
    "TaskResult",
    "advance",
    "advance_deletion",
    "append_history",
    "decide",
    "delete_policies",
    "describe",
    "finalizers_wanted",
    "hook_phases",
    "is_hook",
    "object_options",
    "parse_duration",
    "plan",
    "rollback",
    "wave",
]
