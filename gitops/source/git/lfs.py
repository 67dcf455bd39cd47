"""Git LFS: pointers in Git, content from the server's batch API, each object checked against its SHA-256."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from gitops.errors import RepositoryError
from gitops.source.access.bounds import MIB
from gitops.source.access.http import client, get, reason
from gitops.source.access.urls import parse_url

if TYPE_CHECKING:
    from gitops.source.git.mirrors import Mirrors
    from gitops.source.git.session import Session

#: No pointer is larger, by its specification.
_POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
_BATCH = 100
_TYPE = "application/vnd.git-lfs+json"


@dataclass(frozen=True, slots=True)
class Pointer:
    """What stands in Git for an LFS object: its SHA-256 and bytes."""

    oid: str
    size: int


def parse_pointer(content: bytes) -> Pointer | None:
    """The pointer that a file is, None if it is a file of its own."""
    match = _POINTER.match(content) if len(content) <= _POINTER_BYTES else None
    return Pointer(match[1].decode(), int(match[2])) if match else None


def download(session: Session, pointers: list[Pointer], folder: Path, mirrors: Mirrors) -> dict[str, Path]:
    """Fetch objects into `folder`; their files by SHA-256.

    Raises RepositoryError where the server has them not or gives something else.
    """
    where = f"LFS content of repository {session.url.text}"
    if session.address.scheme == "ssh":
        raise RepositoryError(f"{where} cannot be fetched over ssh; use the repository's https URL")
    base = session.address.text.rstrip("/")
    base = (base if base.endswith(".git") else base + ".git") + "/info/lfs/objects/batch"
    wanted = {pointer.oid: pointer for pointer in pointers}
    found: dict[str, Path] = {}
    with client(session.repository, mirrors.config, session.address, mirrors.bounds) as http:
        oids = list(wanted)
        for start in range(0, len(oids), _BATCH):
            batch = [wanted[oid] for oid in oids[start : start + _BATCH]]
            for answer in _ask(http, base, session, batch, where):
                oid = str(answer.get("oid"))
                action = (answer.get("actions") or {}).get("download") or {}
                if oid not in wanted or not action.get("href"):
                    raise RepositoryError(f"{where}: the server has no object {oid[:12]}")
                found[oid] = _fetch(http, action, wanted[oid], folder, where, mirrors)
    if missing := set(wanted) - set(found):
        raise RepositoryError(f"{where}: the server has no object {min(missing)[:12]}")
    return found


def _ask(http: httpx.Client, url: str, session: Session, batch: list[Pointer], where: str) -> list[dict[str, Any]]:
    body = {
        "operation": "download",
        "transfers": ["basic"],
        "objects": [{"oid": pointer.oid, "size": pointer.size} for pointer in batch],
    }
    headers = {"Accept": _TYPE, "Content-Type": _TYPE, **session.authorization()}
    try:
        answer = http.post(url, json=body, headers=headers)
        if answer.status_code in (401, 403):
            raise RepositoryError(f"{where}: the server refuses the credentials of the repository's Secret")
        if answer.status_code != 200:
            raise RepositoryError(f"{where}: the server answered {answer.status_code}")
        objects = answer.json()["objects"]
    except httpx.HTTPError as error:
        raise RepositoryError(f"{where} cannot be reached: {reason(error)}") from None
    except (ValueError, KeyError, TypeError):
        raise RepositoryError(f"{where}: the server's answer is no LFS batch") from None
    return [found for found in objects if isinstance(found, dict)]


def _fetch(
    http: httpx.Client, action: dict[str, Any], pointer: Pointer, folder: Path, where: str, mirrors: Mirrors
) -> Path:
    href = str(action["href"])
    parse_url(href, mirrors.bounds.protocols)
    headers = {str(name): str(value) for name, value in (action.get("header") or {}).items()}
    status, content, _ = get(http, href, headers=headers, bound_mib=pointer.size / MIB, what=where)
    if status != 200:
        raise RepositoryError(f"{where}: the server answered {status} for object {pointer.oid[:12]}")
    if len(content) != pointer.size or hashlib.sha256(content).hexdigest() != pointer.oid:
        raise RepositoryError(f"{where}: object {pointer.oid[:12]} is not what its pointer says")
    path = folder / f"lfs-{pointer.oid}"
    path.write_bytes(content)
    return path
