"""What the chart renders, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from gitops.settings import Settings
from gitops.state.queue import QUEUES

ROOT = Path(__file__).parents[3]


def of(objects, kind, ending=""):
    return [obj for obj in objects if obj["kind"] == kind and obj["metadata"]["name"].endswith(ending)]


def pods(objects):
    for obj in objects:
        if obj["kind"] in ("Deployment", "StatefulSet"):
            yield obj["metadata"]["name"], obj["spec"]["template"]["spec"]


def containers(objects):
    for name, spec in pods(objects):
        for container in spec["containers"]:
            yield name, container


def test_every_pod_meets_the_restricted_standard(defaults):
    found = list(pods(defaults))
    assert {name.removeprefix("engine-gitops-engine-") for name, _ in found} == {
        "worker-default",
        "beat",
        "web",
        "flower",
        "redis",
    }
    for name, spec in found:
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name


def test_every_container_has_bounds_and_probes(defaults):
    for name, container in containers(defaults):
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"]["cpu"], name
        assert "livenessProbe" in container, name
        assert "startupProbe" in container, name
    for name, spec in pods(defaults):
        for volume in spec.get("volumes", []):
            if "emptyDir" in volume:
                assert volume["emptyDir"].get("sizeLimit"), f"{name}: {volume['name']} may fill the node's disk"


def test_every_setting_that_the_chart_sets_exists(render):
    objects = render({"redis": {"internal": {"enabled": False}, "external": {"urlSecret": "mine"}}}) + render()
    known = {f"GITOPS_{name.upper()}" for name in Settings.model_fields}
    given = {entry["name"] for _, c in containers(objects) for entry in c.get("env", [])}
    given |= {key for obj in of(objects, "ConfigMap", "-settings") for key in obj["data"]}
    ours = {name for name in given if name.startswith("GITOPS_")}
    assert "GITOPS_REDIS_URL" in ours
    assert ours <= known


def test_no_secret_is_in_an_argument_or_a_plain_variable(defaults):
    secret = of(defaults, "Secret")[0]["data"]
    everything = yaml.safe_dump([obj for obj in defaults if obj["kind"] != "Secret"])
    for key, value in secret.items():
        assert value not in everything, key
    for name, container in containers(defaults):
        for entry in container.get("env", []):
            if re.search("PASSWORD|SEAL_KEY|TOKEN|COOKIE|BASIC_AUTH", entry["name"]):
                assert "secretKeyRef" in entry["valueFrom"], f"{name}: {entry['name']}"


def test_flower_and_redis_do_not_hold_the_seal_key(defaults):
    """The web server matches pushes against the paths that renders were seen to read, which rest sealed."""
    holders = {
        name for name, c in containers(defaults) if any(e["name"] == "GITOPS_SEAL_KEY" for e in c.get("env", []))
    }
    assert holders == {f"engine-gitops-engine-{name}" for name in ("beat", "web", "worker-default")}


def test_one_pool_for_each_queue(render):
    names = ["fetch", "diff", "apply"]
    pools = {"default": None} | {name: {"queues": [name, f"{name}-urgent"]} for name in names}
    objects = render({"workers": {"pools": pools}})
    for name in names:
        (deployment,) = of(objects, "Deployment", f"worker-{name}")
        assert f"--queues={name},{name}-urgent" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        assert of(objects, "PodDisruptionBudget", f"worker-{name}")


def test_a_pool_serves_its_queues_in_the_order_given_which_by_default_is_by_urgency(defaults):
    ((_, worker),) = [(name, c) for name, c in containers(defaults) if name.endswith("worker-default")]
    (queues,) = [word for word in worker["args"] if word.startswith("--queues=")]
    assert queues.removeprefix("--queues=").split(",") == list(QUEUES)


def test_beats_may_share_what_they_follow(render):
    (beat,) = [c for name, c in containers(render({"beat": {"watchShards": 3}})) if name.endswith("-beat")]
    assert {"name": "GITOPS_WATCH_SHARDS", "value": "3"} in beat["env"]


@pytest.mark.parametrize("level", ["cluster-admin", "namespaced", "impersonation"])
def test_three_levels_of_rights(render, level):
    objects = render({"rbac": {"level": level, "namespaces": ["team"], "impersonate": ["team/deployer"]}})
    wide = {
        obj["metadata"]["name"]: {verb for rule in obj["rules"] for verb in rule["verbs"]}
        for obj in of(objects, "ClusterRole")
    }
    writers = [name for name, verbs in wide.items() if verbs - {"get", "list", "watch"}]
    assert bool(writers) is (level == "cluster-admin")
    if level == "namespaced":
        assert wide == {}
        assert [o for o in of(objects, "Role", "managed-worker") if o["metadata"]["namespace"] == "team"]
    if level == "impersonation":
        (role,) = of(objects, "Role", "impersonate-deployer")
        assert role["rules"][0]["verbs"] == ["impersonate"]
        assert role["rules"][0]["resourceNames"] == ["deployer"]


def test_the_web_server_reads_one_secret_and_flower_has_no_token(defaults):
    (role,) = of(defaults, "Role", "-web")
    (rule,) = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
    assert (rule["verbs"], rule["resourceNames"]) == (["get"], ["argocd-secret"])
    flower = dict(pods(defaults))["engine-gitops-engine-flower"]
    assert flower["automountServiceAccountToken"] is False


def test_an_external_redis_with_tls(render):
    external = {"address": "redis.example:6380", "username": "engine", "tls": True, "caSecret": "ca", "database": 3}
    objects = render({"redis": {"internal": {"enabled": False}, "external": external}})
    assert not of(objects, "StatefulSet")
    url = next(e["value"] for _, c in containers(objects) for e in c["env"] if e["name"] == "GITOPS_REDIS_URL")
    assert url == "rediss://engine:$(REDIS_PASSWORD)@redis.example:6380/3?ssl_ca_certs=/etc/redis-ca/ca.crt"


def test_keda_counts_the_prefixed_lists_that_the_pool_serves(render):
    pool = {"queues": ["fetch", "fetch-urgent"], "autoscaling": {"mode": "keda"}}
    objects = render({"workers": {"pools": {"default": pool}}})
    (scaled,) = of(objects, "ScaledObject")
    assert [t["metadata"]["listName"] for t in scaled["spec"]["triggers"]] == ["gitops:fetch", "gitops:fetch-urgent"]
    (deployment,) = of(objects, "Deployment", scaled["spec"]["scaleTargetRef"]["name"])
    assert "replicas" not in deployment["spec"], "a fixed number would fight the autoscaler"


def test_alerts_carry_runbooks_that_exist(render):
    (rule,) = of(render({"monitoring": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    assert alerts
    for alert in alerts:
        assert (ROOT / alert["annotations"]["runbook_url"]).is_file(), alert["alert"]
    (moved,) = of(
        render({"monitoring": {"prometheusRule": {"enabled": True, "runbookBaseURL": "https://wiki.example/"}}}),
        "PrometheusRule",
    )
    urls = [a["annotations"]["runbook_url"] for g in moved["spec"]["groups"] for a in g["rules"]]
    assert all(url.startswith("https://wiki.example/") for url in urls)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"rbac": {"level": "everything"}}, "level"),
        ({"rbac": {"level": "namespaced"}}, "rbac.namespaces"),
        ({"workers": {"pools": {"default": {"queues": ["fetsch"]}}}}, "queues"),
        ({"redis": {"internal": {"enabled": False}}}, "redis.external"),
        ({"settings": {"SEAL_KEY": "x"}}, "SEAL_KEY"),
        ({"replicas": 3}, "replicas"),
        ({"flower": {"oauth": {"provider": "github"}}}, "flower.oauth"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(render, values, word):
    with pytest.raises(Exception, match=re.escape(word)):
        render(values)


def test_the_readme_names_every_value_with_its_default():
    readme = (ROOT / "helm/README.md").read_text()
    rows = dict(re.findall(r"^\| (\S+) \| \w+ \| `(.*?)` \|", readme, re.M))
    values = yaml.safe_load((ROOT / "helm/values.yaml").read_text())
    for key, default in rows.items():
        value = values
        for part in key.split("."):
            value = value[part]
        assert json.loads(default) == value, key

    def leaves(value, path):
        if isinstance(value, dict) and value and path not in rows:
            for key, inner in value.items():
                yield from leaves(inner, f"{path}.{key}".strip("."))
        else:
            yield path

    assert set(leaves(values, "")) == set(rows)
