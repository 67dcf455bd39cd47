"""Webhooks: who is believed, and what is turned away."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from gitops.errors import ClusterError


def sign(body: bytes, secret: str, prefix: str = "") -> str:
    return prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def github(body: bytes, secret: str = "github-secret", event: str = "push") -> dict[str, str]:
    return {"X-GitHub-Event": event, "X-Hub-Signature-256": sign(body, secret, "sha256=")}


def push(repo: str = "https://github.com/acme/shop", ref: str = "refs/heads/main", **more) -> bytes:
    repository = {"html_url": repo, "default_branch": "main"}
    return json.dumps({"ref": ref, "after": "a" * 40, "repository": repository, "commits": [], **more}).encode()


AZURE = "Basic " + base64.b64encode(b"azure:azure-secret").decode()

#: payload, headers for its body, a repository that it is about, and a revision that it moves
PROVIDERS = {
    "github-commit-event": (github, "git@github.com:jessesuen/test-repo.git", "master"),
    "github-tag-event": (github, "https://github.com/jessesuen/test-repo", "v1.0"),
    "gitlab-event": (
        lambda _b: {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "gitlab-secret"},
        "https://gitlab.com/group/name.git",
        "master",
    ),
    "gogs-event": (
        lambda b: {"X-Gogs-Event": "push", "X-Gogs-Signature": sign(b, "gogs-secret")},
        "http://gogs-server/john/repo-test",
        "master",
    ),
    "bitbucket-server-event": (
        lambda b: {"X-Event-Key": "repo:refs_changed", "X-Hub-Signature": sign(b, "bitbucket-secret", "sha256=")},
        "ssh://git@bitbucketserver:7999/myproject/test-repo.git",
        "master",
    ),
    "azuredevops-git-push-event": (
        lambda _b: {"X-Vss-Activityid": "1", "Authorization": AZURE},
        "https://dev.azure.com/alexander0053/alex-test/_git/alex-test",
        "master",
    ),
    "ghcr-package-event": (
        lambda b: github(b, event="package"),
        "oci://ghcr.io/user/guestbook",
        "5.5.9",
    ),
}


@pytest.mark.parametrize("payload", PROVIDERS)
def test_a_genuine_push_refreshes_the_applications_of_its_repository_and_revision(world, conformance, payload):
    headers, repo, revision = PROVIDERS[payload]
    body = (conformance / "webhook" / f"{payload}.json").read_bytes()
    world.watch("same", repo, revision, path="elsewhere", inputs=None)
    world.watch("other-repository", repo + "-2", revision)
    world.watch("other-revision", repo, "release")

    answer = world.client().post("/api/webhook", content=body, headers=headers(body))

    assert (answer.status_code, answer.json()) == (200, {"applications": 1})
    assert world.enqueued == ["argocd/same"]


@pytest.mark.parametrize("payload", PROVIDERS)
def test_a_push_that_is_not_proven_is_refused(world, conformance, payload):
    headers, repo, revision = PROVIDERS[payload]
    body = (conformance / "webhook" / f"{payload}.json").read_bytes()
    world.watch("app", repo, revision)
    forged = {
        name: value if "Event" in name or "Activity" in name else value[:-1] + "x"
        for name, value in headers(body).items()
    }

    assert world.client().post("/api/webhook", content=body, headers=forged).status_code == 401
    assert world.enqueued == []


def test_a_signature_is_of_the_body_that_it_came_with(world):
    world.watch("app", "https://github.com/acme/shop")
    signed_other = github(push(ref="refs/heads/other"))
    assert world.client().post("/api/webhook", content=push(), headers=signed_other).status_code == 401


def test_bitbucket_cloud_is_known_by_its_uuid(world):
    world.watch("app", "https://bitbucket.org/acme/shop.git", "main")
    body = {
        "repository": {"links": {"html": {"href": "https://bitbucket.org/acme/shop"}}},
        "push": {"changes": [{"new": {"name": "main", "target": {"hash": "a" * 40}}}, {"new": None}]},
    }
    headers = {"X-Event-Key": "repo:push", "X-Hook-UUID": "{uuid-of-the-hook}"}
    assert world.client().post("/api/webhook", json=body, headers=headers).json() == {"applications": 1}
    assert world.client().post("/api/webhook", json=body, headers=headers | {"X-Hook-UUID": "{x}"}).status_code == 401


def test_harbor_tells_of_a_chart(world):
    world.watch("app", "oci://harbor.example/charts/shop", "1.2.0")
    body = {
        "type": "PUSH_ARTIFACT",
        "event_data": {"resources": [{"tag": "1.2.0", "resource_url": "harbor.example/charts/shop:1.2.0"}]},
    }
    headers = {"Authorization": "harbor-secret"}
    assert world.client().post("/api/webhook", json=body, headers=headers).json() == {"applications": 1}


def test_without_a_secret_it_is_closed_unless_opened_on_purpose(world):
    world.watch("app", "https://github.com/acme/shop")
    world.secrets.clear()
    refused = world.client().post("/api/webhook", content=push(), headers=github(push(), "anything"))
    assert refused.status_code == 401
    assert "webhook.github.secret" in refused.json()["error"]

    opened = world.client(allow_unauthenticated=True)
    assert opened.post("/api/webhook", content=push(), headers=github(push(), "anything")).status_code == 200
    assert world.enqueued == ["argocd/app"]


def test_a_ping_is_answered_and_starts_nothing(world, conformance):
    body = (conformance / "webhook" / "github-ping-event.json").read_bytes()
    answer = world.client().post("/api/webhook", content=body, headers=github(body, event="ping"))
    assert (answer.status_code, answer.json()["applications"]) == (200, 0)


def test_unknown_senders_and_broken_bodies_are_told_so(world):
    client = world.client()
    assert client.post("/api/webhook", content=b"{}").status_code == 400
    assert client.get("/api/webhook").status_code == 405
    for body in (b"", b"[]", b"null", b'{"ref": 1}', b"\xff", b'{"ref":"refs/heads/main","repository":{}}'):
        assert client.post("/api/webhook", content=body, headers=github(body)).status_code == 400, body


def test_a_replay_is_refused(world):
    world.watch("app", "https://github.com/acme/shop")
    client = world.client()
    body = push()
    assert client.post("/api/webhook", content=body, headers=github(body)).status_code == 200
    again = client.post("/api/webhook", content=body, headers=github(body) | {"X-GitHub-Delivery": "made-up"})
    assert again.status_code == 409
    assert world.enqueued == ["argocd/app"]


def test_what_could_not_be_enqueued_may_be_sent_again(world):
    world.watch("app", "https://github.com/acme/shop")
    client = world.client()
    world.fault = ClusterError("Redis is away")
    assert client.post("/api/webhook", content=push(), headers=github(push())).status_code == 503
    world.fault = None
    assert client.post("/api/webhook", content=push(), headers=github(push())).status_code == 200


def test_a_flood_is_refused(world):
    client = world.client(rate=0.001)  # bursts may hold ten times as many: none
    assert client.post("/api/webhook", content=push(), headers=github(push())).status_code == 429


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused_with_or_without_its_length_told(world, chunked):
    client = world.client(max_bytes=1000)
    body = push(padding="x" * 2000)
    content = (body[i : i + 100] for i in range(0, len(body), 100)) if chunked else body
    assert client.post("/api/webhook", content=content, headers=github(body)).status_code == 413
