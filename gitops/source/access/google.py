"""Access tokens of Google Cloud service accounts (the Secret's gcpServiceAccountKey), for Source Repositories."""

from __future__ import annotations

import json
import time

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import tokens
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client
from gitops.source.access.urls import Url, parse_url

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


def service_account_login(
    repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds
) -> tuple[str, str]:
    """The account's e-mail address and an access token, which Git servers of Google take as user name and password.

    Raises RepositoryError where the key cannot be read, or Google refuses it.
    """
    what = f"gcpServiceAccountKey for {url.text}"
    try:
        key = json.loads(repository.gcpServiceAccountKey)
        email, pem = str(key["client_email"]), str(key["private_key"])
    except (ValueError, KeyError, TypeError):
        raise RepositoryError(f"{what} is not the JSON key of a service account") from None
    address = parse_url(str(key.get("token_uri") or _TOKEN_URI), bounds.protocols)

    def buy() -> tuple[str, float]:
        now = int(time.time())
        claims = {"iss": email, "scope": _SCOPE, "aud": address.text, "iat": now, "exp": now + 3600}
        headers = {"kid": str(key["private_key_id"])} if key.get("private_key_id") else {}
        assertion = tokens.signed(claims, pem, what=what, field="its private_key", headers=headers)
        form = {"grant_type": _GRANT, "assertion": assertion}
        with client(repository, config, address, bounds) as http:
            return tokens.bought(tokens.oauth(http, address.text, form, what=what, check="gcpServiceAccountKey"), what)

    return email, tokens.kept(("google", address.text, email, hash(pem)), buy)
