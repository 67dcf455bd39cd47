"""A change of the configuration concerns the applications that it decides something about, and no others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gitops.model.objects import Object
from gitops.model.project import AppProject
from gitops.reconcile.changes import changed, concerned, parts
from gitops.reconcile.control import ControlConfig


def project(name: str, **spec: Any) -> AppProject:
    return AppProject.from_object({"metadata": {"name": name, "namespace": "argocd"}, "spec": spec})


def secret(kind: str, **data: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": "s", "labels": {"argocd.argoproj.io/secret-type": kind}}, "data": encoded}


def config(
    *projects: AppProject, secrets: tuple[Object, ...] = (), settings: dict[str, str] | None = None, **maps: Any
):
    held = {"argocd-cm": settings or {}, **{name.replace("_", "-"): data for name, data in maps.items()}}
    return ControlConfig("argocd", {p.name: p for p in projects}, {}, secrets, held)


WEB: Object = {
    "metadata": {"namespace": "argocd", "name": "web"},
    "spec": {
        "project": "shop",
        "source": {"repoURL": "https://git.example.com/Shop/web.git"},
        "destination": {"server": "https://kubernetes.default.svc"},
    },
    "status": {"resources": [{"group": "apps", "kind": "Deployment"}, {"kind": "Service"}]},
}
TOOLS: Object = {
    "metadata": {"namespace": "argocd", "name": "tools"},
    "spec": {"source": {"repoURL": "git@git.example.com:ops/tools"}, "destination": {"name": "far"}},
    "status": {
        "resources": [{"kind": "ConfigMap"}],
        "conditions": [{"type": "ComparisonError", "message": "the host key is not known"}],
    },
}


def told(before: ControlConfig, now: ControlConfig) -> set[str]:
    return set(concerned(changed(parts(before), parts(now)), now, [WEB, TOOLS]))


HEALTH = "resource.customizations.health"
IGNORED = "resource.customizations.ignoreDifferences"


@pytest.mark.parametrize(
    ("key", "apps"),
    [
        ("application.resourceTrackingMethod", {"web", "tools"}),
        ("application.instanceLabelKey", {"web", "tools"}),
        ("installationID", {"web", "tools"}),
        ("resource.exclusions", {"web", "tools"}),
        ("resource.compareoptions", {"web", "tools"}),
        ("kustomize.buildOptions", {"web", "tools"}),
        (f"{HEALTH}.apps_Deployment", {"web"}),
        (f"{HEALTH}.ConfigMap", {"tools"}),
        (f"{HEALTH}.batch_Job", set()),
        (f"{IGNORED}.apps_*", {"web"}),
        (f"{IGNORED}.all", {"web", "tools"}),
        ("resource.customizations.actions.apps_Deployment", set()),
        ("oidc.config", set()),
        ("url", set()),
        ("accounts.alice", set()),
    ],
)
def test_settings(key: str, apps: set[str]) -> None:
    expected = {f"argocd/{name}" for name in apps}
    assert told(config(), config(settings={key: "x: 1"})) == expected
    assert told(config(settings={key: "x: 1"}), config(settings={key: "x: 2"})) == expected
    assert told(config(settings={key: "x: 1"}), config(settings={key: "x: 1"})) == set()


def test_of_the_older_form_only_the_kinds_that_changed() -> None:
    key = "resource.customizations"
    before = config(settings={key: "apps/Deployment: {health.lua: a}\nConfigMap: {health.lua: a}\n"})
    now = config(settings={key: "apps/Deployment: {health.lua: a}\nConfigMap: {health.lua: b}\n"})
    assert told(before, now) == {"argocd/tools"}
    assert told(before, config(settings={key: "no: [yaml"})) == {"argocd/web", "argocd/tools"}


def test_projects() -> None:
    shop, default = project("shop", sourceRepos=["*"]), project("default", sourceRepos=["*"])
    assert told(config(), config(shop)) == {"argocd/web"}
    assert told(config(shop, default), config(shop, project("default"))) == {"argocd/tools"}
    assert told(config(shop, default), config(default)) == {"argocd/web"}
    assert told(config(shop), config(shop, project("other"))) == set()
    broken = ControlConfig("argocd", {}, {"shop": "AppProject shop is invalid"}, (), {"argocd-cm": {}})
    assert told(config(shop), broken) == {"argocd/web"}


def test_repositories_and_clusters() -> None:
    creds = secret("repo-creds", url="https://git.example.com/shop", password="p")
    now = config(secrets=(creds,))
    assert concerned(changed(parts(config()), parts(now)), now, [WEB, TOOLS]) == {
        "argocd/web": {"https://git.example.com/Shop/web.git"}
    }
    other = secret("repo-creds", url="https://git.example.com/shop", password="another")
    assert told(now, config(secrets=(other,))) == {"argocd/web"}
    assert told(config(), config(secrets=(secret("cluster", name="far", server="https://192.0.2.1"),))) == {
        "argocd/tools"
    }


def test_a_secret_that_is_changed_and_changed_back_was_used_meanwhile() -> None:
    before, now = (secret("cluster", name="far", server="https://192.0.2.1", config="{}") for _ in range(2))
    before["metadata"]["resourceVersion"], now["metadata"]["resourceVersion"] = "1", "3"
    assert told(config(secrets=(before,)), config(secrets=(now,))) == {"argocd/tools"}


def test_host_keys_matter_to_those_who_cannot_get_in() -> None:
    now = config(argocd_ssh_known_hosts_cm={"ssh_known_hosts": "git.example.com ssh-ed25519 AAAA"})
    assert told(config(), now) == {"argocd/tools"}


def test_keys_matter_to_projects_that_demand_signatures() -> None:
    shop = project("shop", signatureKeys=[{"keyID": "4AEE18F83AFDEB23"}])
    now = config(shop, argocd_gpg_keys_cm={"4AEE18F83AFDEB23": "key"})
    assert told(config(shop), now) == {"argocd/web"}


def test_what_is_kept_tells_no_secret() -> None:
    held = parts(config(secrets=(secret("repository", url="https://git.example.com/a", password="hunter2"),)))
    assert "hunter2" not in repr(held)
