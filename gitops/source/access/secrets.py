"""Reading repository Secrets and the known-hosts, TLS and GPG ConfigMaps (specs section 10)."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from gitops.model.credentials import SECRET_TYPE, Repository, RepositoryConfig

log = logging.getLogger(__name__)

KNOWN_HOSTS_MAP, TLS_MAP, GPG_MAP = "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm", "argocd-gpg-keys-cm"
_FLAGS = frozenset(
    name for name, field in Repository.model_fields.items() if field.annotation is bool
)  # Secrets hold strings


def load_repository_config(
    secrets: Iterable[Mapping[str, Any]], configmaps: Iterable[Mapping[str, Any]]
) -> RepositoryConfig:
    """Gather everything that is needed to reach repositories.

    Takes raw Secrets (base64 `data`, `stringData` too) and ConfigMaps of any kind: those that do not matter are passed
    over. A Secret that cannot be read is left out with a warning in the log that names it: it costs its repository
    only.
    """
    repositories: list[Repository] = []
    templates: list[Repository] = []
    for secret in secrets:
        kind = (secret.get("metadata", {}).get("labels") or {}).get(SECRET_TYPE)
        if kind in ("repository", "repo-creds") and (entry := _repository(secret)) is not None:
            (repositories if kind == "repository" else templates).append(entry)
    maps = {m.get("metadata", {}).get("name"): m.get("data") or {} for m in configmaps}
    return RepositoryConfig(
        repositories=tuple(repositories),
        templates=tuple(templates),
        known_hosts=str(maps.get(KNOWN_HOSTS_MAP, {}).get("ssh_known_hosts", "")),
        tls_certs={str(host).lower(): str(pem) for host, pem in maps.get(TLS_MAP, {}).items()},
        gpg_keys={str(key): str(text) for key, text in maps.get(GPG_MAP, {}).items()},
    )


def _repository(secret: Mapping[str, Any]) -> Repository | None:
    meta = secret.get("metadata", {})
    try:
        values: dict[str, Any] = {
            key: base64.b64decode(value or "", validate=True).decode()
            for key, value in (secret.get("data") or {}).items()
            if key in Repository.model_fields
        }
        values.update({k: str(v) for k, v in (secret.get("stringData") or {}).items() if k in Repository.model_fields})
        for key, text in values.items():
            if key in _FLAGS:
                values[key] = text.strip().lower() in ("true", "1", "t")
            elif key == "depth":
                values[key] = int(text.strip() or 0)
            elif "Key" not in key and "Data" not in key:
                values[key] = text.strip() if key not in ("username", "password") else text.rstrip("\r\n")
        return Repository.model_validate(values)
    except (ValidationError, ValueError, binascii.Error):
        log.warning(
            "Secret %s/%s is not a readable repository entry and is left out", meta.get("namespace"), meta.get("name")
        )
        return None
