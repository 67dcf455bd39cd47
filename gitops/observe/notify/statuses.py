"""The status of a commit at GitHub and GitLab: green, yellow or red beside what was deployed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from gitops.errors import RepositoryError
from gitops.observe.notify.outbound import Notification, NotificationError, request
from gitops.observe.scrub import hide

#: What each of the two calls the other's states.
_GITHUB_STATES = {"failed": "failure", "canceled": "error", "running": "pending"}
_GITLAB_STATES = {"failure": "failed", "error": "failed"}


def github(name: str, config: Mapping[str, Any], note: Notification) -> None:
    """As a GitHub App (`appID`, `installationID`, `privateKey`), as Argo CD has it, or with a `token`."""
    status = _status(name, "github", note)
    if not note.revision:
        return
    api = _github_api(config)
    repository = repository_of(note.repo_url)
    token = str(config["token"]) if config.get("token") else _installation_token(name, config, api, repository)
    state = str(status["state"])
    request(
        name,
        "POST",
        f"{api}/repos/{repository}/statuses/{quote(note.revision, safe='')}",
        headers=_github_headers(token),
        json={
            "state": _GITHUB_STATES.get(state, state),
            "context": status.get("label") or "gitops",
            "description": note.message[:140],
            **({"target_url": status["targetURL"]} if status.get("targetURL") else {}),
        },
    )


def gitlab(name: str, config: Mapping[str, Any], note: Notification) -> None:
    """With a `token` that may write statuses; `baseURL` names an instance of one's own."""
    status = _status(name, "gitlab", note)
    if not note.revision:
        return
    api = str(config.get("baseURL") or config.get("url") or "https://gitlab.com").rstrip("/").removesuffix("/api/v4")
    project = quote(repository_of(note.repo_url), safe="")
    state = str(status["state"])
    request(
        name,
        "POST",
        f"{api}/api/v4/projects/{project}/statuses/{quote(note.revision, safe='')}",
        headers={"PRIVATE-TOKEN": str(config["token"])},
        json={
            "state": _GITLAB_STATES.get(state, state),
            "name": status.get("label") or "gitops",
            "description": note.message[:255],
            **({"target_url": status["targetURL"]} if status.get("targetURL") else {}),
        },
        verify=not config.get("insecureSkipVerify"),
    )


def part_of(kind: str, parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The template's part for a service: its own, else GitHub's, as Argo CD's catalog has one; empty where none is."""
    for name in dict.fromkeys((kind, "github")):
        part = parts.get(name)
        if isinstance(part, dict) and part.get("status"):
            return part
    return {}


def repository_of(url: str) -> str:
    """`git@host:a/b.git` -> `a/b`."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return path.strip("/").removesuffix(".git")


def _status(name: str, kind: str, note: Notification) -> Mapping[str, Any]:
    """The template's commit status, as Argo CD has it or ours."""
    status = part_of(kind, note.parts).get("status") or note.parts.get("status")
    if not isinstance(status, dict) or not status.get("state"):
        raise NotificationError(f"Notification service {name} needs a template with a status and its state")
    return status


def _github_api(config: Mapping[str, Any]) -> str:
    if enterprise := str(config.get("enterpriseBaseURL") or "").rstrip("/"):
        return enterprise if enterprise.endswith("/api/v3") else f"{enterprise}/api/v3"
    return str(config.get("url") or "https://api.github.com").rstrip("/")


def _github_headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}


def _installation_token(name: str, config: Mapping[str, Any], api: str, repository: str) -> str:
    """A token of the App's installation, kept until shortly before its end."""
    from gitops.source.access import tokens

    app, key = str(config["appID"]), str(config["privateKey"])
    where = str(config.get("installationID") or repository)
    wanted = ("notification", api, app, where, hash(key))
    return tokens.kept(wanted, lambda: _buy(name, config, api, app, key, repository))


def _buy(name: str, config: Mapping[str, Any], api: str, app: str, key: str, repository: str) -> tuple[str, float]:
    from gitops.source.access.tokens import signed

    now = int(time.time())
    # A minute of clock difference on either side; GitHub takes at most ten.
    claims = {"iat": now - 60, "exp": now + 540, "iss": app}
    try:
        proof = signed(claims, key, what=f"notification service {name}", field="privateKey", headers={})
    except RepositoryError as error:
        raise NotificationError(str(error)) from None
    headers = _github_headers(proof)
    installation = config.get("installationID")
    try:
        if not installation:
            installation = request(name, "GET", f"{api}/repos/{repository}/installation", headers=headers).json()["id"]
        url = f"{api}/app/installations/{quote(str(installation), safe='')}/access_tokens"
        found = request(name, "POST", url, headers=headers).json()
        token, until = str(found["token"]), datetime.fromisoformat(found["expires_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        raise NotificationError(f"Notification service {name} answers with something that is no token") from None
    hide(token)
    return token, until
