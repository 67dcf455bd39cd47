"""The chart as `helm template` prints it and as our own Helm source renders it: the same, object for object."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gitops.model.application import Source
from gitops.source import BuildEnv, Renderer, RenderRequest
from testbed import build

CHART = Path(__file__).parents[3] / "helm"
KUBE_VERSION = "1.33.0"
SECRET = {"secrets": {"existingSecret": "mine"}}
EXTERNAL = {
    "internal": {"enabled": False},
    "external": {"address": "redis.example:6380", "username": "engine", "tls": True, "caSecret": "ca", "database": 2},
}
INGRESS = {"enabled": True, "host": "gitops.example", "tlsSecret": "tls", "className": "nginx"}
MONITORING = {
    "podMonitor": {"enabled": True, "labels": {"team": "platform"}},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True, "runbookBaseURL": "https://wiki.example/"},
    "traceEndpoint": "http://collector.tracing:4318",
}
OAUTH = {"provider": "github", "allow": ".*@x[.]example", "redirectURI": "https://x/", "existingSecret": "o"}
FURTHER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-x"}, "data": {"a": "b"}}
POOLS = {
    "default": {"queues": ["diff", "diff-urgent", "generate", "generate-urgent"], "autoscaling": {"mode": "keda"}},
    "fetch": {"queues": ["fetch", "fetch-urgent"], "autoscaling": {"mode": "hpa"}, "concurrency": 2},
    "apply": {"queues": ["apply", "apply-urgent"], "extraEnv": [{"name": "A", "value": "b: c"}]},
}
VALUES = {
    "defaults": {},
    "external redis": {"redis": EXTERNAL},
    "redis by a secret": {"redis": {"internal": {"enabled": False}, "external": {"urlSecret": "url"}}},
    "pools and autoscaling": {"workers": {"pools": POOLS}, "nameOverride": "engine"},
    "monitoring": {"monitoring": MONITORING},
    "namespaced": {"rbac": {"level": "namespaced", "namespaces": ["team-a", "team-b"]}},
    "impersonation": {
        "rbac": {"level": "impersonation", "impersonate": ["team/deployer"], "applicationNamespaces": ["apps"]}
    },
    "ingresses and oauth": {
        "web": {"ingress": INGRESS},
        "flower": {
            "ingress": INGRESS,
            "persistence": {"enabled": False},
            "oauth": {
                "provider": "github",
                "allow": ".*@x[.]example",
                "redirectURI": "https://x/",
                "existingSecret": "o",
            },
        },
    },
    "further objects": {
        "commonLabels": {"team": "platform"},
        "podAnnotations": {"number": "1"},
        "imagePullSecrets": ["pull"],
        "image": {"digest": "sha256:" + "0" * 64},
        "extraObjects": [FURTHER],
    },
    "little": {
        "networkPolicy": {"enabled": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False},
        "topologySpread": {"enabled": False},
        "web": {"enabled": False},
        "flower": {"enabled": False},
        "monitoring": {"dashboards": {"enabled": False}},
    },
}


@pytest.fixture(scope="module")
def helm() -> Path:
    try:
        return build.tool("helm")
    except build.GoMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def renderer():
    found = Renderer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(CHART, root / "helm")
    return root


@pytest.mark.parametrize("name", VALUES)
def test_the_binary_and_our_source_render_the_same_objects(helm, renderer, checkout, tmp_path, name):
    values = SECRET | VALUES[name]
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [helm, "template", "gitops", CHART, "--namespace", "argocd", "--values", file, "--include-crds"]
    command += ["--kube-version", KUBE_VERSION]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr

    request = RenderRequest(
        root=checkout,
        path="helm",
        source=Source.model_validate(
            {
                "repoURL": "https://git.example/engine.git",
                "path": "helm",
                "helm": {"releaseName": "gitops", "valuesObject": values},
            }
        ),
        env=BuildEnv(app_name="gitops", namespace="argocd"),
        kube_version=KUBE_VERSION,
    )
    ours = by_identity(renderer.render(request).objects)
    theirs = by_identity(obj for obj in yaml.safe_load_all(printed.stdout) if obj)

    assert ours.keys() == theirs.keys()
    for identity, obj in theirs.items():
        assert ours[identity] == obj, identity


def test_the_binary_finds_nothing_to_blame(helm):
    said = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def by_identity(objects):
    found = {}
    for obj in objects:
        meta = obj["metadata"]
        identity = obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"]
        assert identity not in found, identity
        found[identity] = obj
    assert found
    return found
