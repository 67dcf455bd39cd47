"""The order of a sync: phase, wave, kind, name; what is needed comes first; pruning goes backwards."""

from datetime import UTC, datetime

from sync_twin import START, FakeCluster, application, thing

from gitops.model.application import SyncOperation
from gitops.model.objects import Manifest
from gitops.sync import Pair, Plan, plan


def planned(*objects, extra=(), app=None, **sync) -> Plan:
    """The plan for these objects; `extra` are live objects that Git no longer has."""
    cluster = FakeCluster()
    pairs = [Pair(Manifest.of(obj), None) for obj in objects] + [Pair(None, cluster.put(obj)) for obj in extra]
    operation = SyncOperation.model_validate(sync)
    started = datetime.fromtimestamp(START, UTC)
    return plan(pairs, app or application(), operation, started_at=started, revision="0123456789")


def names(made: Plan) -> list[str]:
    return [task.key.name for task in made.tasks]


def groups(made: Plan) -> list[tuple[str, int, list[str]]]:
    return [(str(phase), wave, [task.key.name for task in tasks]) for phase, wave, tasks in made.groups()]


def test_kinds_go_in_their_order_and_unknown_kinds_last() -> None:
    made = planned(
        thing("Widget", "w"),
        thing("Deployment", "d"),
        thing("Service", "s"),
        thing("ConfigMap", "c"),
        thing("Secret", "x"),
    )

    assert names(made) == ["x", "c", "s", "d", "w"]


def test_equal_kinds_go_by_name() -> None:
    assert names(planned(thing("ConfigMap", "b"), thing("ConfigMap", "a"))) == ["a", "b"]


def test_waves_come_before_kinds_and_may_be_negative() -> None:
    made = planned(thing("Secret", "late", wave=1), thing("Deployment", "early", wave=-1), thing("Service", "s"))

    assert groups(made) == [("Sync", -1, ["early"]), ("Sync", 0, ["s"]), ("Sync", 1, ["late"])]


def test_a_wave_that_is_no_number_is_the_helm_weight_and_else_zero() -> None:
    weighted = thing("ConfigMap", "weighted", wave="x")
    weighted["metadata"]["annotations"]["helm.sh/hook-weight"] = "3"

    assert groups(planned(thing("ConfigMap", "plain", wave="x"), weighted)) == [
        ("Sync", 0, ["plain"]),
        ("Sync", 3, ["weighted"]),
    ]


def test_phases_come_before_waves() -> None:
    made = planned(
        thing("Job", "after", hook="PostSync", wave=-5),
        thing("ConfigMap", "c", wave=9),
        thing("Job", "before", hook="PreSync", wave=7),
        thing("Job", "failed", hook="SyncFail"),
    )

    assert groups(made) == [
        ("PreSync", 7, ["before"]),
        ("Sync", 9, ["c"]),
        ("PostSync", -5, ["after"]),
        ("SyncFail", 0, ["failed"]),
    ]


def test_a_namespace_moves_before_the_first_object_that_lives_in_it() -> None:
    made = planned(thing("Namespace", "prod", wave=5), thing("Job", "before", hook="PreSync"), thing("ConfigMap", "c"))

    assert groups(made) == [("PreSync", 0, ["prod", "before"]), ("Sync", 0, ["c"])]


def test_a_crd_moves_before_the_first_object_of_its_kind() -> None:
    crd = thing("CustomResourceDefinition", "widgets.x.io", wave=3, spec={"group": "x.io", "names": {"kind": "Widget"}})

    made = planned(crd, thing("Widget", "w", wave=-2), thing("ConfigMap", "c"))

    assert groups(made) == [("Sync", -2, ["widgets.x.io", "w"]), ("Sync", 0, ["c"])]


def test_pruning_goes_in_reverse_of_creation() -> None:
    extra = [thing("Secret", "first", wave=0), thing("Secret", "second", wave=1), thing("Pod", "third", wave=2)]

    made = planned(extra=extra, prune=True)

    assert groups(made) == [("Sync", 0, ["third"]), ("Sync", 1, ["second"]), ("Sync", 2, ["first"])]


def test_prune_last_comes_after_every_wave() -> None:
    made = planned(
        thing("ConfigMap", "new", wave=4), extra=[thing("ConfigMap", "old", options="PruneLast=true")], prune=True
    )

    assert groups(made) == [("Sync", 4, ["new"]), ("Sync", 5, ["old"])]


def test_a_plan_rests_as_json_and_comes_back_the_same() -> None:
    made = planned(
        thing("Job", "hook", hook="PreSync,PostSync", policy="HookSucceeded"),
        thing("ConfigMap", "c", options="Replace=true,Force=true,Validate=false"),
        extra=[thing("ConfigMap", "old", options="Prune=confirm")],
        app=application(["CreateNamespace=true", "PrunePropagationPolicy=orphan"]),
        prune=True,
    )

    assert Plan.from_json(made.to_json()) == made
    assert made.propagation == "Orphan"


def test_a_selective_sync_leaves_out_hooks_and_everything_that_is_not_named() -> None:
    made = planned(
        thing("ConfigMap", "a"),
        thing("ConfigMap", "b"),
        thing("Job", "hook", hook="Sync"),
        extra=[thing("ConfigMap", "old")],
        resources=[{"kind": "ConfigMap", "name": "b"}],
    )

    assert names(made) == ["b"]


def test_the_apply_strategy_leaves_out_hooks() -> None:
    made = planned(thing("ConfigMap", "a"), thing("Job", "h", hook="Sync"), syncStrategy={"apply": {"force": True}})

    assert names(made) == ["a"]
    assert made.tasks[0].force


def test_apply_out_of_sync_only_leaves_out_what_is_in_sync_but_no_hook() -> None:
    app = application(["ApplyOutOfSyncOnly=true"])
    pairs = [
        Pair(Manifest.of(thing("ConfigMap", "same")), thing("ConfigMap", "same"), in_sync=True),
        Pair(Manifest.of(thing("ConfigMap", "other")), thing("ConfigMap", "other")),
        Pair(Manifest.of(thing("Job", "hook", hook="Sync")), None, in_sync=True),
    ]

    made = plan(pairs, app, SyncOperation(), started_at=datetime.fromtimestamp(START, UTC))

    assert names(made) == ["other", "hook"]


def test_a_hook_with_a_generated_name_is_named_after_revision_phase_and_start() -> None:
    hook = thing("Job", "x", hook="PostSync")
    del hook["metadata"]["name"]
    hook["metadata"]["generateName"] = "migrate-"

    assert names(planned(hook)) == [f"migrate-0123456-postsync-{START:.0f}"]


def test_what_helm_calls_a_hook_is_one_here_too() -> None:
    def helm(name: str, kind: str) -> dict:
        obj = thing("Job", name)
        obj["metadata"]["annotations"] = {"helm.sh/hook": kind}
        return obj

    made = planned(
        helm("before", "pre-install,pre-upgrade"),
        helm("after", "post-upgrade"),
        helm("plain", "crd-install"),
        helm("never", "test"),
        helm("rolled", "pre-rollback"),
        helm("gone", "post-delete"),
    )

    assert groups(made) == [("PreSync", 0, ["before"]), ("Sync", 0, ["plain"]), ("PostSync", 0, ["after"])]


def test_skip_keeps_an_object_out_unless_it_is_a_hook_besides() -> None:
    made = planned(
        thing("Job", "skipped", hook="Skip"),
        thing("Job", "both", hook="Skip,Sync"),
        thing("Job", "unknown", hook="Soon"),
    )

    assert names(made) == ["both"]
