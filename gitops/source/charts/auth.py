"""Credentials of chart repositories and registries as HTTP headers."""

from __future__ import annotations

import base64

from gitops.model.credentials import Repository
from gitops.source.access.urls import Url


def user_and_password(repository: Repository, url: Url) -> tuple[str, str]:
    """From the Secret, else from the URL itself."""
    if repository.username or repository.password:
        return repository.username, repository.password
    return url.user, url.password


def basic_header(repository: Repository, url: Url) -> dict[str, str]:
    """The Authorization header for a repository: a bearer token, basic, or none."""
    if repository.bearerToken:
        return {"Authorization": f"Bearer {repository.bearerToken}"}
    username, password = user_and_password(repository, url)
    if not username and not password:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
