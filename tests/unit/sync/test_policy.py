"""Auto-sync decides in a fixed order; durations and backoffs are arithmetic; history is trimmed and leads back."""

from datetime import UTC, datetime

import pytest
from sync_twin import START, application

from gitops.errors import InvalidSpecError, SyncError
from gitops.model.application import Application, Operation, Retry
from gitops.model.objects import ObjectKey
from gitops.sync import OperationRecord, ResourceState, append_history, decide, parse_duration, rollback
from gitops.sync.backoff import may_retry, retry_delay

CHANGED = ResourceState(ObjectKey("apps", "Deployment", "prod", "d"), "OutOfSync")
EXTRA = ResourceState(ObjectKey("", "ConfigMap", "prod", "old"), "OutOfSync", requires_pruning=True)
SOURCE = {"repoURL": "https://example.com/repo.git", "path": "."}


def auto(
    status: dict | None = None, *, operation: dict | None = None, deleting: bool = False, **automated
) -> Application:
    app = application(syncPolicy={"automated": automated})
    obj = {"metadata": app.metadata, "spec": app.spec.to_api(), "status": status or {}}
    if operation is not None:
        obj["operation"] = operation
    if deleting:
        obj["metadata"] = {**app.metadata, "deletionTimestamp": "2023-11-14T22:13:20Z"}
    return Application.from_object(obj)


def tried(phase: str = "Succeeded", revision: str = "r1", seconds_ago: float = 3600, heals: int = 0) -> dict:
    finished = datetime.fromtimestamp(START - seconds_ago, UTC).isoformat()
    return {
        "operationState": {
            "phase": phase,
            "message": "it broke",
            "finishedAt": finished,
            "operation": {"sync": {"autoHealAttemptsCount": heals}},
            "syncResult": {"revision": revision, "source": SOURCE},
        }
    }


def verdict(app: Application, *resources: ResourceState, status: str = "OutOfSync", **more):
    return decide(app, status, ["r1"], resources or [CHANGED], now=START, **more)


@pytest.mark.parametrize(
    ("app", "resources", "reason"),
    [
        (application(), [CHANGED], "auto-sync is off"),
        (auto(enabled=False), [CHANGED], "auto-sync is off"),
        (auto(operation={"sync": {}}), [CHANGED], "another operation is in progress"),
        (auto(tried("Running")), [CHANGED], "another operation is in progress"),
        (auto(deleting=True), [CHANGED], "the application is being deleted"),
        (auto(), [EXTRA], "only pruning is left to do, and automated.prune is off"),
        (auto(tried()), [CHANGED], "the revision is applied already, and automated.selfHeal is off"),
    ],
)
def test_nothing_is_done(app: Application, resources: list[ResourceState], reason: str) -> None:
    found = verdict(app, *resources)

    assert (found.operation, found.condition, found.again_in) == (None, "", None)
    assert found.reason == reason


def test_a_synced_application_is_left_alone() -> None:
    assert verdict(auto(), status="Synced").reason == "the sync status is Synced"
    assert verdict(auto(), status="Unknown").reason == "the sync status is Unknown"


def test_a_closed_window_keeps_it_back() -> None:
    assert verdict(auto(), in_window=lambda: False).reason == "no sync window permits it"


def test_a_new_revision_is_synced_whole() -> None:
    found = verdict(auto(tried(revision="r0"), prune=True))

    assert found.operation == {
        "sync": {"prune": True, "revision": "r1"},
        "initiatedBy": {"automated": True},
        "retry": {"limit": 5},
    }


def test_what_failed_at_a_revision_is_not_hammered_and_is_tried_when_something_changed() -> None:
    failed = tried("Failed")

    assert verdict(auto(failed)).condition == "Failed last sync attempt to r1: it broke"
    assert decide(auto(failed), "OutOfSync", ["r2"], [CHANGED], now=START).operation is not None
    assert decide(auto(failed), "OutOfSync", ["r1"], [CHANGED], now=START, changed=True).operation is not None
    failed["operationState"]["syncResult"]["source"] = {**SOURCE, "path": "elsewhere"}
    assert verdict(auto(failed)).operation is not None


def test_what_went_well_is_not_healed_because_the_spec_changed() -> None:
    assert decide(auto(tried()), "OutOfSync", ["r1"], [CHANGED], now=START, changed=True).operation is None


def test_other_metadata_of_the_managed_namespace_is_synced_though_no_object_differs() -> None:
    assert decide(auto(tried()), "OutOfSync", ["r1"], [], now=START).operation is not None


def test_self_heal_syncs_only_what_is_out_of_sync() -> None:
    synced = ResourceState(ObjectKey("", "Service", "prod", "s"), "Synced")

    found = verdict(auto(tried(), selfHeal=True), CHANGED, synced)

    assert found.operation["sync"] == {
        "prune": False,
        "revision": "r1",
        "resources": [{"group": "apps", "kind": "Deployment", "name": "d", "namespace": "prod"}],
        "autoHealAttemptsCount": 1,
    }


@pytest.mark.parametrize(("heals", "wait"), [(1, 2), (2, 6), (3, 18), (9, 300)])
def test_self_heal_backs_off(heals: int, wait: float) -> None:
    app = auto(tried(seconds_ago=1, heals=heals), selfHeal=True)

    assert verdict(app).again_in == wait - 1
    assert decide(app, "OutOfSync", ["r1"], [CHANGED], now=START + wait).operation is not None


def test_the_first_heal_comes_at_once() -> None:
    assert verdict(auto(tried(seconds_ago=0), selfHeal=True)).operation is not None


def test_auto_sync_never_wipes_out_everything_unless_that_is_allowed() -> None:
    found = verdict(auto(prune=True), EXTRA)

    assert found.condition == "Skipping sync attempt to r1: auto-sync will wipe out all resources"
    assert verdict(auto(prune=True, allowEmpty=True), EXTRA).operation is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("1h30m", 5400), ("250ms", 0.25), ("1.5m", 90), ("7", 7), (7, 7), ("0", 0), ("2h3m4s", 7384)],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5 s", "5x", "s", "-5s", "-1", "inf", "nan", "1h30"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError, match="is not a duration"):
        parse_duration(text)


def test_retries_back_off_exponentially_up_to_a_maximum() -> None:
    retry = Retry(limit=-1)

    assert [retry_delay(retry, count) for count in range(7)] == [5, 10, 20, 40, 80, 160, 180]
    assert retry_delay(retry, 10_000) == 180
    assert may_retry(retry, 10_000)
    assert [may_retry(Retry(limit=2), count) for count in range(4)] == [True, True, False, False]


def finished(app: Application, second: int, **sync) -> OperationRecord:
    now = datetime.fromtimestamp(START + second, UTC)
    record = OperationRecord.begin(
        Operation.model_validate({"sync": sync}), app, artifact="a", revisions=(f"r{second}",), now=now
    )
    record.phase, record.finished_at = "Succeeded", "2023-11-14T22:13:21Z"
    return record


def test_history_counts_up_and_is_trimmed() -> None:
    app = application(revisionHistoryLimit=2)
    for second in range(4):
        app.status["history"] = append_history(app, finished(app, second))

    assert [(entry["id"], entry["revision"]) for entry in app.status["history"]] == [(2, "r2"), (3, "r3")]
    assert append_history(app, finished(app, 3)) == app.status["history"]


def test_only_full_syncs_make_history() -> None:
    app = application()
    failed = finished(app, 1)
    failed.phase = "Failed"

    assert append_history(app, failed) == []
    assert append_history(app, finished(app, 1, dryRun=True)) == []
    assert append_history(app, finished(app, 1, resources=[{"kind": "ConfigMap", "name": "c"}])) == []


def test_rollback_deploys_an_entry_of_history_again() -> None:
    app = application(["PruneLast=true"])
    for second in range(3):
        app.status["history"] = append_history(app, finished(app, second))
    obj = {"metadata": app.metadata, "spec": app.spec.to_api(), "status": app.status}

    assert rollback(obj)["revision"] == "r1"
    assert rollback(obj, 0, prune=True) == {
        "prune": True,
        "syncOptions": ["PruneLast=true"],
        "revision": "r0",
        "source": SOURCE,
    }
    with pytest.raises(SyncError, match="no deployment with id 7"):
        rollback(obj, 7)


def test_rollback_is_refused_while_auto_sync_would_undo_it() -> None:
    app = auto()

    with pytest.raises(SyncError, match="while auto-sync is on"):
        rollback({"metadata": app.metadata, "spec": app.spec.to_api()})
