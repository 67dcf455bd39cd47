"""Each directory of the conformance data gives the objects, or the error, that its name and specs section 2 say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import GitOpsError
from gitops.model.application import Source
from gitops.source import BuildEnv, Renderer, RenderRequest
from gitops.source.finishing import explode


@dataclass(frozen=True)
class Fails:
    """The error's text holds this."""

    text: str


#: Directory -> kind/name of each object, in order, or the error.
EXPECTED: dict[str, str | Fails] = {
    "cases/cluster-role": "ClusterRoleBinding/my-cluster-role-binding",
    "cases/cluster-role-hook": "ClusterRoleBinding/my-cluster-role-binding Pod/my-pod",
    "cases/config-map": "ConfigMap/my-map",
    "cases/crashing-guestbook": "Service/guestbook-ui Deployment/guestbook-ui",
    "cases/crd-creation": (
        "CustomResourceDefinition/clusterdummies.argoproj.io "
        "CustomResourceDefinition/dummies.argoproj.io ClusterDummy/cluster-dummy-crd-instance "
        "Dummy/dummy-crd-instance Dummy/dummy-crd-instance"
    ),
    "cases/crd-subresource": (
        "CustomResourceDefinition/nonstatussubresources.argoproj.io "
        "CustomResourceDefinition/statussubresources.argoproj.io "
        "NonStatusSubResource/non-status-subresource StatusSubResource/status-subresource"
    ),
    "cases/crd-validation": "Deployment/nginx-deployment",
    "cases/declarative-apps": Fails("map's key"),
    "cases/deployment": "Deployment/nginx-deployment",
    "cases/deprecated-extensions": (
        "Deployment/extensions-deployment Ingress/extensions-ingress NetworkPolicy/allow-default "
        "PodSecurityPolicy/pod-security-example"
    ),
    "cases/empty-dir": "",
    "cases/guestbook": "Service/guestbook-ui Deployment/guestbook-ui",
    "cases/guestbook-with-namespace": (
        "Service/guestbook-ui Service/guestbook-ui Deployment/guestbook-ui Deployment/guestbook-ui"
    ),
    "cases/helm": "ConfigMap/my-map",
    "cases/helm-api-versions": "ConfigMap/my-map",
    "cases/helm-glob-values": "ConfigMap/my-map",
    "cases/helm-guestbook": "Deployment/guestbook-ui Service/guestbook-ui",
    "cases/helm-kube-version": "ConfigMap/my-map",
    "cases/helm-namespace": "ConfigMap/my-map",
    "cases/helm-with-dependencies": Fails("dependency helm v1.0.0"),
    "cases/helm3-crd": "CustomResourceDefinition/crontabs.stable.example.com ConfigMap/my-map",
    "cases/hook": "Pod/hook Pod/pod",
    "cases/hook-resource-deleted-externally": "Job/hook Pod/pod",
    "cases/https-kustomize-base": "",
    "cases/invalid-kustomize": Fails("does-not-exist.yaml"),
    "cases/jsonnet-ext-var": Fails("undefined external variable"),
    "cases/jsonnet-tla": "Service/jsonnet-guestbook-ui Deployment/jsonnet-guestbook-ui",
    "cases/jsonnet-tla-cm": "ConfigMap/my-map",
    "cases/kustomize": "Pod/pod",
    "cases/kustomize-with-version-override": "Deployment/my-deployment",
    "cases/multi-namespace": "Deployment/helm-guestbook Deployment/helm-guestbook",
    "cases/multi-namespace-hook": (
        "Namespace/test-multi-ns-hook-second Deployment/nginx-deployment Pod/my-hook Pod/my-hook"
    ),
    "cases/one-deployment": "Deployment/main",
    "cases/pre-delete-hook": "Pod/hook ConfigMap/guestbook-ui",
    "cases/secrets": "Secret/test-secret Secret/test-secret2",
    "cases/service": "Service/my-service",
    "cases/sync-options-validate-false": "ConfigMap/invalid-cm",
    "cases/sync-waves": "ConfigMap/cm-1 ConfigMap/cm-2",
    "cases/syncwaves-prune-order": (
        "Pod/pod-with-finalizers ServiceAccount/modify-pods-sa Role/modify-pods-role "
        "RoleBinding/modify-pods-rolebinding"
    ),
    "cases/tracking-instance-label": "ConfigMap/my-map",
    "cases/two-nice-pods": "Pod/pod-1 Pod/pod-2",
    "example-apps/apps": (
        "Application/example.blue-green Application/example.guestbook "
        "Application/example.helm-dependency Application/example.helm-guestbook "
        "Application/example.helm-hooks Application/example.jsonnet-guestbook "
        "Application/example.jsonnet-guestbook-tla Application/example.kustomize-guestbook "
        "Application/example.plugin-kasane Application/example.plugin-kustomized-helm "
        "Application/example.plugin-nix Application/example.pre-post-sync Application/example.sock-shop "
        "Application/example.sync-waves"
    ),
    "example-apps/blue-green": (
        "Rollout/blue-green-helm-guestbook Service/blue-green-helm-guestbook "
        "Service/blue-green-helm-guestbook-preview"
    ),
    "example-apps/guestbook": "Deployment/guestbook-ui Service/guestbook-ui",
    "example-apps/helm-dependency": Fails("dependency wordpress 9.0.3"),
    "example-apps/helm-guestbook": "Deployment/helm-guestbook Service/helm-guestbook",
    "example-apps/helm-hooks": (
        "Job/upgrade-sql-schema* Job/maint-page-up ReplicaSet/frontend Service/frontend "
        "Job/maint-page-down"
    ),
    "example-apps/jsonnet-guestbook": "Service/jsonnet-guestbook-ui Deployment/jsonnet-guestbook-ui",
    "example-apps/jsonnet-guestbook-tla": "Service/jsonnet-guestbook-ui Deployment/jsonnet-guestbook-ui",
    "example-apps/kustomize-guestbook": "Service/kustomize-guestbook-ui Deployment/kustomize-guestbook-ui",
    "example-apps/pre-post-sync": (
        "Service/pre-post-sync-kustomize-guestbook-ui Deployment/pre-post-sync-kustomize-guestbook-ui "
        "Job/pre-post-sync-after Job/pre-post-sync-before"
    ),
    "example-apps/sock-shop": (
        "Service/carts Service/carts-db Service/catalogue Service/catalogue-db Service/front-end "
        "Service/orders Service/orders-db Service/payment Service/queue-master Service/rabbitmq "
        "Service/session-db Service/shipping Service/user Service/user-db Deployment/carts "
        "Deployment/carts-db Deployment/catalogue Deployment/catalogue-db Deployment/front-end "
        "Deployment/orders Deployment/orders-db Deployment/payment Deployment/queue-master "
        "Deployment/rabbitmq Deployment/session-db Deployment/shipping Deployment/user "
        "Deployment/user-db Ingress/front-end-ingress"
    ),
    "example-apps/sync-waves": (
        "Job/upgrade-sql-schema* ReplicaSet/backend Service/backend Job/maint-page-up "
        "ReplicaSet/frontend Service/frontend Job/maint-page-down"
    ),
    "cases/https-kustomize-base/local": Fails("remote base"),
    "cases/https-kustomize-base/remote": Fails("remote base"),
}  # fmt: skip

#: A file beside Chart.yaml or a kustomization decides the type; everything else is a plain directory.
TYPES = {"Chart.yaml": "Helm", "kustomization.yaml": "Kustomize", "kustomization.yml": "Kustomize"}


def render(renderer: Renderer, root: Path, path: str, **source: Any) -> list[dict[str, Any]]:
    request = RenderRequest(
        root=root,
        path=path,
        source=Source.model_validate({"repoURL": "https://git.example.com/apps.git", "path": path, **source}),
        env=BuildEnv(app_name=Path(path).name, namespace="default", revision="0123456789abcdef" * 2 + "01234567"),
        kube_version="v1.35.0",
    )
    return list(explode([renderer.render(request)]))


def names(objects: list[dict[str, Any]]) -> str:
    return " ".join(f"{o['kind']}/{o['metadata'].get('name') or o['metadata']['generateName'] + '*'}" for o in objects)


@pytest.mark.parametrize("path", EXPECTED)
@pytest.mark.parametrize("which", ["renderer", "warm_renderer"])
def test_directory(request: pytest.FixtureRequest, which: str, conformance: Path, path: str) -> None:
    renderer: Renderer = request.getfixturevalue(which)
    expected = EXPECTED[path]
    if isinstance(expected, Fails):
        with pytest.raises(GitOpsError) as caught:
            render(renderer, conformance, path)
        assert expected.text in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(conformance) not in str(caught.value)
    else:
        assert names(render(renderer, conformance, path)) == expected


def test_every_directory_is_in_the_table(conformance: Path) -> None:
    found = {f"{group}/{p.name}" for group in ("cases", "example-apps") for p in (conformance / group).iterdir()}
    assert found == {path for path in EXPECTED if path.count("/") == 1}


def test_the_type_is_detected(renderer: Renderer, conformance: Path) -> None:
    for path, expected in EXPECTED.items():
        if isinstance(expected, Fails):
            continue
        kinds = [kind for name, kind in TYPES.items() if (conformance / path / name).exists()]
        request = RenderRequest(root=conformance, path=path, source=Source(repoURL="x", path=path))
        assert renderer.render(request).source_type == (kinds or ["Directory"])[0], path


def data(objects: list[dict[str, Any]]) -> Any:
    return objects[0].get("data")


def test_jsonnet_takes_external_variables(renderer: Renderer, conformance: Path) -> None:
    variables = [{"name": "foo", "value": "$ARGOCD_APP_NAME"}, {"name": "bar", "value": "1 + 1", "code": True}]
    objects = render(renderer, conformance, "cases/jsonnet-ext-var", directory={"jsonnet": {"extVars": variables}})
    assert data(objects) == {"foo": "jsonnet-ext-var", "bar": 2}


def test_jsonnet_takes_arguments(renderer: Renderer, conformance: Path) -> None:
    objects = render(
        renderer, conformance, "cases/jsonnet-tla-cm",
        directory={"jsonnet": {"tlas": [{"name": "foo", "value": "a"}, {"name": "bar", "value": "[1]", "code": True}]}},
    )  # fmt: skip
    assert data(objects) == {"foo": "a", "bar": [1]}


def test_helm_sees_the_clusters_version(renderer: Renderer, conformance: Path) -> None:
    assert data(render(renderer, conformance, "cases/helm-kube-version")) == {"kubeVersion": "v1.35.0"}
    older = render(renderer, conformance, "cases/helm-kube-version", helm={"kubeVersion": "v1.30.1"})
    assert data(older) == {"kubeVersion": "v1.30.1"}


def test_helm_sees_the_clusters_api_versions(renderer: Renderer, conformance: Path) -> None:
    objects = render(
        renderer, conformance, "cases/helm-api-versions", helm={"apiVersions": ["sample/v1", "two/v2/Kind"]}
    )
    assert "sample/v1" in data(objects)["apiVersions"]
    assert "two/v2/Kind" in data(objects)["apiVersions"]


@pytest.mark.parametrize(
    ("files", "foo"),
    [
        (["envs/*.yaml"], "b-value"),  # a, b in lexical order: b wins
        (["envs/**/*.yaml"], "c-value"),
        (["envs/b.yaml", "envs/*.yaml"], "a-value"),  # listed by itself, b keeps that place
        (["envs/*.yaml", "envs/a.yaml"], "a-value"),
    ],
)
def test_value_file_globs(renderer: Renderer, conformance: Path, files: list[str], foo: str) -> None:
    assert data(render(renderer, conformance, "cases/helm-glob-values", helm={"valueFiles": files}))["foo"] == foo


def test_helm_without_crds(renderer: Renderer, conformance: Path) -> None:
    assert names(render(renderer, conformance, "cases/helm3-crd", helm={"skipCrds": True})) == "ConfigMap/my-map"


def test_a_base_outside_of_the_path_is_an_input(renderer: Renderer, conformance: Path) -> None:
    path = "cases/crashing-guestbook"
    inputs = renderer.render(RenderRequest(root=conformance, path=path, source=Source(repoURL="x", path=path))).inputs
    assert "cases/guestbook/kustomization.yaml" in inputs
    assert "cases/guestbook/guestbook-ui-svc.yaml" in inputs
    assert all(i == path or i.startswith("cases/guestbook/") for i in inputs)
