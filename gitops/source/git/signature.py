"""Who signed a commit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """A good signature: `key_id` (16 hex digits for GPG, "SHA256:…" for SSH), the signer's name, "gpg" or "ssh"."""

    key_id: str
    signer: str
    kind: str
