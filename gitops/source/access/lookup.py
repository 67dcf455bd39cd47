"""Which credentials belong to a repository (specs section 10)."""

from __future__ import annotations

from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access.urls import Url, normalise

_CREDENTIALS = (
    "username",
    "password",
    "bearerToken",
    "sshPrivateKey",
    "tlsClientCertData",
    "githubAppPrivateKey",
    "gcpServiceAccountKey",
    "useAzureWorkloadIdentity",
    "azureServicePrincipalClientId",
)
#: What a template lends to an entry, beside its credentials.
_LENT = (
    *_CREDENTIALS,
    "tlsClientCertKey",
    "githubAppID",
    "githubAppInstallationID",
    "githubAppEnterpriseBaseUrl",
    "azureServicePrincipalClientSecret",
    "azureServicePrincipalTenantId",
    "azureActiveDirectoryEndpoint",
    "forceHttpBasicAuth",
    "proxy",
    "noProxy",
)


def repository_for(config: RepositoryConfig, url: str, project: str = "") -> Repository:
    """The repository entry of a URL, with a template's credentials where it carries none of its own.

    An entry of the project comes before one of no project; another project's entry is nobody else's. Among the
    templates the longest prefix wins. Without any entry this is a repository without credentials.
    """
    wanted = normalise(url)
    own = [r for r in config.repositories if r.url and normalise(r.url) == wanted and r.project in ("", project)]
    found = max(own, key=lambda r: bool(r.project)) if own else Repository(url=url)
    if carries_credentials(found):
        return found
    templates = [t for t in config.templates if t.url and t.project in ("", project) and _covers(t.url, wanted)]
    if not templates:
        return found
    template = max(templates, key=lambda t: len(normalise(t.url)))
    lent = {name: getattr(template, name) for name in _LENT if not getattr(found, name)}
    flags = {
        name: getattr(found, name) or getattr(template, name)
        for name in ("insecure", "insecureIgnoreHostKey", "enableOCI", "insecureOCIForceHttp")
    }
    return found.model_copy(update={**lent, **flags})


def carries_credentials(repository: Repository) -> bool:
    """Whether an entry has credentials of its own, so that no template is looked for."""
    return any(getattr(repository, name) for name in _CREDENTIALS)


def secrets_of(repository: Repository, *urls: Url) -> tuple[str, ...]:
    """What must not be shown: the secret values of an entry, and of URLs with a password in them."""
    values = [repository.password, repository.bearerToken, repository.proxy, *(u.password for u in urls)]
    return tuple(v for v in values if v)


def _covers(template: str, url: str) -> bool:
    """Whether a template's URL is a prefix, never one that ends inside a host name: that would be another host."""
    prefix = normalise(template)
    if not url.startswith(prefix):
        return False
    rest = url[len(prefix) :]
    if not rest or rest[0] in "/:":
        return True
    return "/" in prefix.partition("://")[2 if "://" in prefix else 0] and not template.strip().endswith("/")
