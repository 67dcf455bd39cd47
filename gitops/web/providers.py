"""What the providers send (specs section 8): who it is from, whether it is genuine, what was pushed.

Detection is by header, in Argo CD's order. Signatures and shared secrets are compared in constant time, over the raw
body, before the body is parsed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gitops.web.errors import WebhookRefused

#: Keys of argocd-secret.
Secrets = Mapping[str, str]
#: Header names in lower case.
Headers = Mapping[str, str]

#: Changed paths taken from one push; with more, everything counts as touched.
_MOST_FILES = 50_000


@dataclass(frozen=True, slots=True)
class Push:
    """One ref that moved in a repository."""

    #: Web URLs of the repository, as the provider gives them (https, ssh).
    urls: tuple[str, ...]
    #: `main`, `v1.0`, without `refs/heads/` or `refs/tags/`.
    revision: str
    #: Whether it is the default branch that moved, so that sources without a revision are touched.
    default_branch: bool
    #: The commit it moved to; empty: not told.
    after: str
    #: Paths that changed; None: not told, anything may have.
    files: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Provider:
    """One sender of webhooks."""

    name: str
    #: Whether these headers are this provider's.
    detect: Callable[[Headers], bool]
    #: Keys of argocd-secret that it needs for a signature.
    secret_keys: tuple[str, ...]
    #: Whether headers and body are genuine under the secrets.
    genuine: Callable[[Headers, bytes, Secrets], bool]
    #: What was pushed; an empty list for pings and the like.
    pushes: Callable[[Headers, Any], list[Push]]


def detect(headers: Headers) -> Provider:
    """The provider that these headers are of.

    Raises WebhookRefused (400) for an unknown one.
    """
    for provider in PROVIDERS:
        if provider.detect(headers):
            return provider
    raise WebhookRefused(
        "No provider sends such headers: of GitHub, GitLab, Gitea, Gogs, Bitbucket, Azure DevOps, GHCR and Harbor",
        status=400,
        reason="unknown",
    )


def authenticate(
    provider: Provider, headers: Headers, body: bytes, secrets: Secrets, *, allow_unauthenticated: bool
) -> bool:
    """Whether the sender proved itself; False only where `allow_unauthenticated` let it pass without a secret.

    Raises WebhookRefused (401) where it is not genuine, or no secret is configured and that is not allowed.
    """
    if not all(secrets.get(key) for key in provider.secret_keys):
        if allow_unauthenticated:
            return False
        keys = " and ".join(provider.secret_keys)
        raise WebhookRefused(
            f"Webhooks of {provider.name} are refused until Secret argocd-secret holds {keys}",
            status=401,
            reason="no-secret",
        )
    if not provider.genuine(headers, body, secrets):
        raise WebhookRefused(f"The {provider.name} webhook's secret is wrong", status=401, reason="signature")
    return True


def read(provider: Provider, headers: Headers, body: bytes) -> list[Push]:
    """What the body tells was pushed.

    Raises WebhookRefused (400) where it is not the provider's JSON.
    """
    try:
        return provider.pushes(headers, orjson.loads(body))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise WebhookRefused(
            f"The {provider.name} webhook's body is not what {provider.name} sends", status=400, reason="body"
        ) from error


# --- proofs ---------------------------------------------------------


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _hmac(header: str, key: str, prefix: str = "") -> Callable[[Headers, bytes, Secrets], bool]:
    def genuine(headers: Headers, body: bytes, secrets: Secrets) -> bool:
        wanted = hmac.new(secrets[key].encode(), body, hashlib.sha256).hexdigest()
        return _equal(headers.get(header, ""), prefix + wanted)

    return genuine


def _shared(header: str, key: str) -> Callable[[Headers, bytes, Secrets], bool]:
    return lambda headers, _body, secrets: _equal(headers.get(header, ""), secrets[key])


def _azure_genuine(headers: Headers, _body: bytes, secrets: Secrets) -> bool:
    pair = f"{secrets['webhook.azuredevops.username']}:{secrets['webhook.azuredevops.password']}"
    return _equal(headers.get("authorization", ""), "Basic " + base64.b64encode(pair.encode()).decode())


# --- bodies ---------------------------------------------------------


def _short(ref: str) -> str:
    """`refs/heads/feature/x` -> `feature/x`."""
    return ref.split("/", 2)[2] if ref.startswith("refs/") and ref.count("/") >= 2 else ref


def _files(commits: list[dict[str, Any]] | None) -> frozenset[str] | None:
    if commits is None:
        return None
    found: set[str] = set()
    for commit in commits:
        for kind in ("added", "modified", "removed"):
            found.update(str(path) for path in commit.get(kind) or [])
        if len(found) > _MOST_FILES:
            return None
    return frozenset(found)


def _commits(body: Any, total: int | None = None) -> frozenset[str] | None:
    """The paths of a push's commits; None for a new ref, a forced one, or a list that the provider cut short."""
    commits = body.get("commits") or []
    if not commits or body.get("forced") or (total is not None and total > len(commits)):
        return None
    return _files(commits)


def _github(headers: Headers, body: Any) -> list[Push]:
    if headers["x-github-event"] != "push":
        return []
    repo = body["repository"]
    revision = _short(body["ref"])
    # GitHub lists at most 2048 commits and cannot say that there were more.
    files = _commits(body) if len(body.get("commits") or []) < 2048 else None
    return [
        Push(
            urls=_urls(repo.get("html_url"), repo.get("clone_url"), repo.get("ssh_url")),
            revision=revision,
            default_branch=body["ref"] == f"refs/heads/{repo.get('default_branch')}",
            after=str(body.get("after") or ""),
            files=files,
        )
    ]


def _gitlab(headers: Headers, body: Any) -> list[Push]:
    if body.get("object_kind", body.get("event_name")) not in ("push", "tag_push"):
        return []
    project = body["project"]
    return [
        Push(
            urls=_urls(project.get("web_url"), project.get("git_http_url"), project.get("git_ssh_url")),
            revision=_short(body["ref"]),
            default_branch=body["ref"] == f"refs/heads/{project.get('default_branch')}",
            after=str(body.get("after") or ""),
            files=_commits(body, int(body.get("total_commits_count") or 0)),
        )
    ]


def _gogs(headers: Headers, body: Any) -> list[Push]:
    if (headers.get("x-gogs-event") or headers.get("x-gitea-event")) != "push":
        return []
    repo = body["repository"]
    return [
        Push(
            urls=_urls(repo.get("html_url"), repo.get("clone_url"), repo.get("ssh_url")),
            revision=_short(body["ref"]),
            default_branch=body["ref"] == f"refs/heads/{repo.get('default_branch')}",
            after=str(body.get("after") or ""),
            files=_commits(body, body.get("total_commits")),
        )
    ]


def _bitbucket(headers: Headers, body: Any) -> list[Push]:
    urls = _urls(body["repository"]["links"]["html"]["href"])
    moved = [change["new"] for change in body["push"]["changes"] if change.get("new")]
    return [
        # The default branch is not told: each branch may be it.
        Push(urls=urls, revision=str(ref["name"]), default_branch=True, after=_hash(ref), files=None)
        for ref in moved
    ]


def _hash(ref: dict[str, Any]) -> str:
    return str((ref.get("target") or {}).get("hash") or "")


def _bitbucket_server(headers: Headers, body: Any) -> list[Push]:
    links = body["repository"]["links"]["clone"]
    urls = _urls(*(link["href"] for link in links))
    return [
        Push(
            urls=urls,
            revision=_short(change["ref"]["id"]),
            default_branch=True,
            after=str(change.get("toHash") or ""),
            files=None,
        )
        for change in body["changes"]
    ]


def _azure(headers: Headers, body: Any) -> list[Push]:
    if body["eventType"] != "git.push":
        return []
    resource = body["resource"]
    repo = resource["repository"]
    return [
        Push(
            urls=_urls(repo["remoteUrl"]),
            revision=_short(update["name"]),
            default_branch=update["name"] == repo.get("defaultBranch"),
            after=str(update.get("newObjectId") or ""),
            files=None,
        )
        for update in resource["refUpdates"]
    ]


def _registry_package(headers: Headers, body: Any) -> list[Push]:
    """A chart or image was published: an OCI source's URL and tag."""
    package = body["package"]
    if body.get("action") not in ("published", "updated") or str(package.get("package_type")).lower() != "container":
        return []
    tag = ((package.get("package_version") or {}).get("container_metadata") or {}).get("tag") or {}
    if not tag.get("name"):
        return []
    owners = dict.fromkeys(filter(None, (package["owner"]["login"], package.get("namespace"))))
    urls = tuple(f"oci://ghcr.io/{owner}/{package['name']}" for owner in owners)
    return [Push(urls=urls, revision=str(tag["name"]), default_branch=False, after="", files=None)]


def _harbor(headers: Headers, body: Any) -> list[Push]:
    if body.get("type") != "PUSH_ARTIFACT":
        return []
    return [
        Push(
            urls=(f"oci://{resource['resource_url'].rpartition(':')[0]}",),
            revision=str(resource.get("tag") or ""),
            default_branch=False,
            after="",
            files=None,
        )
        for resource in body["event_data"]["resources"]
    ]


def _urls(*urls: str | None) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(url for url in urls if url))
    if not found:
        raise ValueError("no repository URL")
    return found


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "azuredevops",
        lambda h: "x-vss-activityid" in h,
        ("webhook.azuredevops.username", "webhook.azuredevops.password"),
        _azure_genuine,
        _azure,
    ),
    Provider(
        "gogs",
        lambda h: "x-gogs-event" in h or "x-gitea-event" in h,
        ("webhook.gogs.secret",),
        _hmac("x-gogs-signature", "webhook.gogs.secret"),
        _gogs,
    ),
    Provider(
        "ghcr",
        lambda h: h.get("x-github-event") == "package",
        ("webhook.github.secret",),
        _hmac("x-hub-signature-256", "webhook.github.secret", "sha256="),
        _registry_package,
    ),
    Provider(
        "github",
        lambda h: "x-github-event" in h,
        ("webhook.github.secret",),
        _hmac("x-hub-signature-256", "webhook.github.secret", "sha256="),
        _github,
    ),
    Provider(
        "gitlab",
        lambda h: "x-gitlab-event" in h,
        ("webhook.gitlab.secret",),
        _shared("x-gitlab-token", "webhook.gitlab.secret"),
        _gitlab,
    ),
    Provider(
        "bitbucket",
        lambda h: "x-hook-uuid" in h and h.get("x-event-key") == "repo:push",
        ("webhook.bitbucket.uuid",),
        _shared("x-hook-uuid", "webhook.bitbucket.uuid"),
        _bitbucket,
    ),
    Provider(
        "bitbucketserver",
        lambda h: h.get("x-event-key") == "repo:refs_changed",
        ("webhook.bitbucketserver.secret",),
        _hmac("x-hub-signature", "webhook.bitbucketserver.secret", "sha256="),
        _bitbucket_server,
    ),
    # Harbor has no header of its own: whoever knows the secret is Harbor.
    Provider(
        "harbor",
        lambda h: "authorization" in h,
        ("webhook.harbor.secret",),
        _shared("authorization", "webhook.harbor.secret"),
        _harbor,
    ),
)
