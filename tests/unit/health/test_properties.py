"""Whatever an object holds, assess answers with a health word or None, and soon."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.health import LuaChecks, assess, specific
from gitops.health.builtin import BUILTIN, SCRIPTED
from gitops.model.health import ORDER

NAMES = st.sampled_from(
    [
        *("conditions", "phase", "state", "status", "reason", "message", "type", "health", "error", "items"),
        *("replicas", "readyReplicas", "observedGeneration", "generation", "suspend", "partition"),
        *("spec", "metadata", "annotations", "finalizers", "deletionTimestamp", "containerStatuses"),
        *("listeners", "parents", "environments", "updateStrategy", "rollingUpdate", "loadBalancer", "ingress"),
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["True", "False", "Ready", "Failed", "Running", "Progressing"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
RULED = sorted({*BUILTIN, *SCRIPTED} | {(rule.group, rule.kind) for rule in specific.all_rules()})
KINDS = st.sampled_from([(group.replace("*", "x"), kind.replace("*", "Thing")) for group, kind in RULED])


@settings(max_examples=400, deadline=1000, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.dictionaries(NAMES, VALUES, max_size=6), gvk=KINDS, generic_only=st.booleans())
def test_every_rule_answers_for_every_object(body, gvk, generic_only):
    group, kind = gvk
    version = {"apps": "apps/v1", "batch": "batch/v1", "autoscaling": "autoscaling/v2"}.get(group)
    obj = {**body, "apiVersion": version or (f"{group}/v1" if group else "v1"), "kind": kind}
    found = assess(obj, generic_only=generic_only)
    assert found is None or found.status in ORDER


@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.too_slow])
@given(obj=st.dictionaries(st.one_of(NAMES, st.sampled_from(["apiVersion", "kind"])), VALUES, max_size=8))
def test_objects_of_no_kind_at_all(obj):
    found = assess(obj)
    assert found is None or found.status in ORDER


CHECKS = LuaChecks({"example.org/Thing": 'return {status="Healthy", message=type(obj.status)}'})


@settings(max_examples=100, deadline=1000, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.dictionaries(NAMES, VALUES, max_size=6))
def test_lua_checks_take_every_object(body):
    found = CHECKS.check({**body, "apiVersion": "example.org/v1", "kind": "Thing"})
    assert found is not None
    assert found.status in ORDER
