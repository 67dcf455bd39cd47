"""The read API and the status page: closed by default, and without secrets."""

from __future__ import annotations

import pytest

from gitops.errors import ClusterError
from gitops.observe import AppSummary

TOKEN = {"Authorization": "Bearer the-token"}
SHOP = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {
        "namespace": "argocd",
        "name": "shop",
        "managedFields": [{"manager": "x"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "notified": "x"},
    },
    "spec": {
        "project": "default",
        "source": {
            "repoURL": "https://user:hunter2@git.example/shop",
            "helm": {
                "parameters": [{"name": "db.password", "value": "hunter2"}, {"name": "replicas", "value": "3"}],
                "valuesObject": {"apiKey": "hunter2", "image": "shop:1"},
                "values": "password: hunter2\nimage: shop:1",
            },
        },
    },
}


@pytest.mark.parametrize("path", ["/", "/api/v1/applications", "/api/v1/applications/argocd/shop"])
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !"}])
def test_nothing_is_shown_to_strangers(world, path, header):
    assert world.client().get(path, headers=header).status_code == 401


def test_with_neither_token_nor_password_configured_nobody_enters(world):
    client = world.client(token="", basic_auth="")
    assert client.get("/", headers={"Authorization": "Bearer "}).status_code == 401
    assert client.get("/", auth=("", "")).status_code == 401


def test_the_token_opens_also_as_a_browsers_password(world):
    assert world.client().get("/", auth=("anybody", "the-token")).status_code == 200
    assert world.client(token="", basic_auth="ada:engine").get("/", auth=("ada", "engine")).status_code == 200
    assert world.client(token="", basic_auth="ada:engine").get("/", auth=("eve", "engine")).status_code == 401


def test_applications_come_without_secrets(world):
    world.objects = [SHOP]
    listed = world.client().get("/api/v1/applications", headers=TOKEN)
    single = world.client().get("/api/v1/applications/argocd/shop", headers=TOKEN)
    for answer in (listed, single):
        assert "hunter2" not in answer.text
        assert "managedFields" not in answer.text
        assert "last-applied" not in answer.text
        assert "replicas" in answer.text
    assert single.json()["spec"]["source"]["helm"]["valuesObject"]["image"] == "shop:1"


def test_applications_are_found_by_project_and_namespace(world):
    world.objects = [SHOP]
    client = world.client()
    assert len(client.get("/api/v1/applications?project=default", headers=TOKEN).json()["items"]) == 1
    assert client.get("/api/v1/applications?project=other", headers=TOKEN).json()["items"] == []
    assert client.get("/api/v1/applications?namespace=other", headers=TOKEN).json()["items"] == []
    assert client.get("/api/v1/applications/argocd/none", headers=TOKEN).status_code == 404


def test_the_page_shows_trouble_first_and_escapes_what_it_shows(world):
    def app(name, health, error=""):
        return AppSummary(
            "argocd", name, "default", "r", "s", "d", "Synced", health, error=error, revision="0123456789abcdef"
        )

    world.summaries = [app("fine", "Healthy"), app("bad", "Degraded", "<script>alert(1)</script> token=hunter2")]
    world.queues = {"fetch": 7}
    text = world.client().get("/", headers=TOKEN).text
    assert text.index("argocd/bad") < text.index("argocd/fine")
    assert "<script>" not in text
    assert "hunter2" not in text
    assert "0123456789ab" in text
    assert "<th scope='row'>fetch</th><td>7</td>" in text
    found = world.client().get("/?q=fine", headers=TOKEN).text
    assert "argocd/bad" not in found
    assert "1 of 2 applications" in found


def test_readiness_says_what_is_missing_and_liveness_does_not_depend_on_it(world):
    def away() -> None:
        raise ClusterError("Redis at redis://:hunter2@r:6379 does not answer")

    world.ready = away
    client = world.client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "hunter2" not in answer.text
    assert client.get("/healthz").status_code == 200
    world.ready = lambda: None
    assert client.get("/readyz").status_code == 200


def test_every_answer_forbids_scripts_and_framing(world):
    policy = world.client().get("/healthz").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
