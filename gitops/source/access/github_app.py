"""Installation tokens of GitHub Apps: an RS256 JWT of the app buys one for an hour."""

from __future__ import annotations

import time
from datetime import datetime

import httpx

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import tokens
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client
from gitops.source.access.urls import Url, parse_url


def installation_token(repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds) -> str:
    """A token for the repository, kept in this process's memory until shortly before its end.

    Raises RepositoryError where the key is none, or GitHub refuses it.
    """
    base = (repository.githubAppEnterpriseBaseUrl or "https://api.github.com").rstrip("/")
    where = repository.githubAppInstallationID or url.path
    key = ("github", base, repository.githubAppID, where, hash(repository.githubAppPrivateKey))
    return tokens.kept(key, lambda: _buy(repository, url, base, config, bounds))


def _buy(repository: Repository, url: Url, base: str, config: RepositoryConfig, bounds: Bounds) -> tuple[str, float]:
    what = f"GitHub App {repository.githubAppID} for {url.text}"
    headers = {"Authorization": f"Bearer {_jwt(repository, what)}", "Accept": "application/vnd.github+json"}
    api = parse_url(base, bounds.protocols)
    try:
        with client(repository.model_copy(update={"username": "", "password": ""}), config, api, bounds) as http:
            installation = repository.githubAppInstallationID
            if not installation:
                owner_and_name = url.path.strip("/").removesuffix(".git")
                answer = http.get(f"{base}/repos/{owner_and_name}/installation", headers=headers)
                installation = str(_json(answer, what).get("id", ""))
            answer = http.post(f"{base}/app/installations/{installation}/access_tokens", headers=headers)
            found = _json(answer, what)
            return str(found["token"]), datetime.fromisoformat(found["expires_at"]).timestamp()
    except httpx.HTTPError as error:
        raise RepositoryError(f"{what}: {base} cannot be reached ({type(error).__name__})") from None
    except (KeyError, ValueError):
        raise RepositoryError(f"{what}: {base} answered with something that is no token") from None


def _json(answer: httpx.Response, what: str) -> dict[str, str]:
    if answer.status_code >= 400:
        raise RepositoryError(
            f"{what}: GitHub answered {answer.status_code}; "
            "check githubAppID, githubAppInstallationID and githubAppPrivateKey"
        )
    found: dict[str, str] = answer.json()
    return found


def _jwt(repository: Repository, what: str) -> str:
    now = int(time.time())
    # A minute of clock difference on either side; GitHub takes at most ten.
    claims = {"iat": now - 60, "exp": now + 540, "iss": repository.githubAppID}
    return tokens.signed(claims, repository.githubAppPrivateKey, what=what, field="githubAppPrivateKey", headers={})
