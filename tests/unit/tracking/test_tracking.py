"""Which Application an object belongs to."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.model import tracking
from gitops.model.names import INSTALLATION_ID, INSTANCE_LABEL, TRACKING_ID, WATCH_LABEL
from gitops.model.objects import ObjectKey
from gitops.model.tracking import TrackingMethod

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ui", "namespace": "default"}}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:x"}}
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a.b"}}
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def stamped(obj, **options):
    made = copy.deepcopy(obj)
    tracking.stamp(made, **{"instance": "guestbook", "destination_namespace": "prod", **options})
    return made


def test_the_id_is_argo_cds():
    assert stamped(SERVICE)["metadata"]["annotations"][TRACKING_ID] == "guestbook:/Service:default/ui"
    value = stamped(ROLE)["metadata"]["annotations"][TRACKING_ID]
    assert value == "guestbook:rbac.authorization.k8s.io/ClusterRole:prod/system:x"


@pytest.mark.parametrize("method", list(TrackingMethod))
def test_crds_are_never_marked(method):
    assert stamped(CRD, method=method, installation_id="one") == CRD


@pytest.mark.parametrize("method", list(TrackingMethod))
def test_what_is_marked_is_owned(method):
    obj = stamped(SERVICE, method=method)
    assert tracking.owner(obj, method) == "guestbook"
    assert obj["metadata"]["labels"][WATCH_LABEL] == "guestbook"


def test_an_unknown_method_means_annotation():
    assert TrackingMethod.of("something") is TrackingMethod.ANNOTATION


def test_another_installation_is_not_ours():
    obj = stamped(SERVICE, installation_id="one")
    assert obj["metadata"]["annotations"][INSTALLATION_ID] == "one"
    assert tracking.owner(obj, installation_id="one") == "guestbook"
    assert tracking.owner(obj, installation_id="two") is None


def test_the_label_beside_the_annotation_is_cut_to_a_valid_value():
    obj = stamped(SERVICE, instance="a" * 60 + "-.-bcd", method=TrackingMethod.ANNOTATION_AND_LABEL)
    assert obj["metadata"]["labels"][INSTANCE_LABEL] == "a" * 60


@pytest.mark.parametrize("value", ["", "app", "app:v1:ns/name", "app:/Kind:name", "app:/Kind:a/b/c", "app:a/b/c:d/e"])
def test_what_is_no_id_is_untracked(value):
    assert tracking.parse(value) is None


part = st.text(alphabet="abcxyz019.-", min_size=1, max_size=20)


@given(part, part, part, part, part)
def test_an_id_reads_back(instance, group, kind, namespace, name):
    key = ObjectKey(group, kind, namespace, f"{name}:{name}")
    assert tracking.parse(tracking.tracking_id(instance, key, "other")) == (instance, key)


@given(st.text(alphabet="abcZ019.-_", min_size=1, max_size=300))
def test_the_watch_label_is_always_a_valid_value(instance):
    assert LABEL_VALUE.fullmatch(tracking.watch_label(instance))


@given(st.lists(st.text(alphabet="ab-", min_size=60, max_size=90), min_size=2, max_size=2, unique=True))
def test_long_names_keep_apart(names):
    assert tracking.watch_label(names[0]) != tracking.watch_label(names[1])


def test_a_copied_mark_does_not_make_an_object_ours():
    copied = {**stamped(SERVICE), "kind": "Endpoints"}
    assert not tracking.is_self_referenced(copied)
    assert tracking.is_self_referenced(stamped(SERVICE))
    assert tracking.is_self_referenced(stamped(ROLE))
    assert tracking.is_self_referenced(SERVICE)
    assert tracking.is_self_referenced(copied, method=TrackingMethod.LABEL)


def test_a_target_decides_instead_of_the_mark():
    other = stamped(SERVICE)
    other["metadata"]["annotations"][TRACKING_ID] = "other:/Service:default/else"
    assert tracking.is_self_referenced(other, stamped(SERVICE))


def test_moving_over_is_no_difference():
    target = stamped(SERVICE)
    live = {**SERVICE, "metadata": {**SERVICE["metadata"], "labels": {INSTANCE_LABEL: "guestbook", "team": "a"}}}
    before = copy.deepcopy(live)
    seen = tracking.normalise_migration(target, live)
    assert seen["metadata"]["annotations"] == target["metadata"]["annotations"]
    assert seen["metadata"]["labels"] == {WATCH_LABEL: "guestbook", "team": "a"}
    assert live == before


def test_another_applications_id_is_a_difference():
    live = stamped(SERVICE, instance="other")
    assert tracking.normalise_migration(stamped(SERVICE), live) is live


def test_the_shared_resource_sentence():
    key = ObjectKey("apps", "Deployment", "ns", "web")
    text = tracking.shared_resource_warning(key, "one", "team_two")
    assert text == "Deployment/web is part of applications one and team/two"
