"""Who signed a commit or tag: GPG and SSH signatures, checked against nothing but the keys that are given."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from subprocess import DEVNULL, PIPE, SubprocessError, run
from typing import Literal

from gitops.errors import ComparisonError
from gitops.source.disk import scratch
from gitops.source.git.command import CONFIG
from gitops.source.git.mirror import Mirror

_SSH_KEY = re.compile(r"(?:sk-)?(?:ssh-[a-z0-9-]+|ecdsa-sha2-[a-z0-9-]+)(?:@openssh\.com)? ([A-Za-z0-9+/=]+)")
_STALE = 3600.0
_COMMIT_BYTES = 16 << 20
#: gpg's words for signatures that are not good, and ours.
_NOT_GOOD = {
    "BADSIG": "its signature is bad",
    "EXPSIG": "its signature has expired",
    "EXPKEYSIG": "the key of its signature has expired",
    "REVKEYSIG": "the key of its signature is revoked",
    "ERRSIG": "it is signed with a key that is not in argocd-gpg-keys-cm or not among the project's signatureKeys",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """A good signature:

    `key_id` (16 hex digits for GPG, "SHA256:…" for SSH) and the signer's name as the key has it.
    """

    key_id: str
    signer: str
    kind: Literal["gpg", "ssh"]


def verify(mirror: Mirror, sha: str, key_ids: Sequence[str], keys: Mapping[str, str], temp: Path) -> Signature:
    """The signature of a commit or annotated tag by one of `key_ids`, whose public keys are among `keys` (specs
    section 7, signatureKeys).

    Raises ComparisonError where it is not signed, or not by one of them.
    """
    what, signature = _signed(mirror, sha)
    if b"SIGNATURE-----" not in signature:
        raise ComparisonError(f"{what} is not signed, and its project demands a signature (signatureKeys)")
    with scratch(temp, _STALE) as folder:
        if b"BEGIN SSH SIGNATURE" in signature:
            return _verify_ssh(mirror, sha, key_ids, keys, folder, what)
        return _verify_gpg(mirror, sha, key_ids, keys, folder, what)


def _signed(mirror: Mirror, sha: str) -> tuple[str, bytes]:
    """What errors call the object, and the part of it where a signature would be."""
    tag = mirror.runner.run(["cat-file", "tag", sha], git_dir=mirror.git_dir, max_out=_COMMIT_BYTES)
    if tag.status == 0:
        header, _, message = tag.out.partition(b"\n\n")
        found = re.search(rb"^tag (.*)$", header, re.M)
        name = found[1].decode("utf-8", "replace")[:200] if found else sha[:7]
        return f"tag {name!r} of {mirror.where}", _last_block(b"\n" + message)
    commit = mirror.runner.run(["cat-file", "commit", sha], git_dir=mirror.git_dir, max_out=_COMMIT_BYTES)
    header = commit.out.partition(b"\n\n")[0]
    return f"commit {sha[:7]} of {mirror.where}", header[header.find(b"\ngpgsig") :] if b"\ngpgsig" in header else b""


def _last_block(text: bytes) -> bytes:
    """What follows the last line of dashes that begins a block, where the signature of a tag is."""
    return text[text.rfind(b"\n-----BEGIN ") :] if b"\n-----BEGIN " in text else b""


def _verify_gpg(
    mirror: Mirror, sha: str, key_ids: Sequence[str], keys: Mapping[str, str], folder: Path, what: str
) -> Signature:
    wanted = {_long_id(key_id) for key_id in key_ids}
    armored = [text for name, text in keys.items() if _long_id(name) in wanted and "PGP PUBLIC KEY" in text]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "GNUPGHOME": str(folder)}
    try:
        run(
            ["gpg", "--batch", "--quiet", "--no-autostart", "--import"],
            input="\n".join(armored).encode(), env=environment, stdout=DEVNULL, stderr=PIPE, timeout=30, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise ComparisonError(f"{what} cannot be verified: gpg is not installed where this worker runs") from None
    except SubprocessError:
        raise ComparisonError(f"{what} cannot be verified: the keys of argocd-gpg-keys-cm cannot be imported") from None
    status = _git_verify(mirror, sha, folder, "", {"GNUPGHOME": str(folder)})
    found = dict(re.findall(r"^\[GNUPG:\] (\w+) ?(.*)$", status, re.M))
    for word, sentence in _NOT_GOOD.items():
        if word in found:
            raise ComparisonError(f"{what} is refused: {sentence}")
    good, valid = found.get("GOODSIG", ""), found.get("VALIDSIG", "").split()
    if not good or not valid:
        raise ComparisonError(f"{what} is refused: its signature cannot be verified")
    key_id, _, signer = good.partition(" ")
    # A subkey signs for its primary key, which is what a project names.
    ids = {_long_id(key_id), _long_id(valid[0]), _long_id(valid[-1])}
    if not ids & wanted:
        raise ComparisonError(f"{what} is signed with key {key_id}, which is not among the project's signatureKeys")
    return Signature(sorted(ids & wanted)[0], signer, "gpg")


def _verify_ssh(
    mirror: Mirror, sha: str, key_ids: Sequence[str], keys: Mapping[str, str], folder: Path, what: str
) -> Signature:
    wanted = {key_id.strip() for key_id in key_ids}
    lines = []
    for text in keys.values():
        for line in text.splitlines():
            match = _SSH_KEY.match(line.strip())
            if match and fingerprint(match[1]) in wanted:
                lines.append(f'"{_principal(line)}" namespaces="git" {match[0]}')
    signers = folder / "allowed_signers"
    signers.write_text("\n".join(lines) + "\n")
    said = _git_verify(mirror, sha, folder, f'[gpg "ssh"]\n\tallowedSignersFile = {signers}\n', {})
    match = re.search(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)', said, re.M)
    if not match or match[2] not in wanted:
        raise ComparisonError(f"{what} is refused: it is not signed with an SSH key of the project's signatureKeys")
    return Signature(match[2], match[1], "ssh")


def fingerprint(key: str) -> str:
    """`SHA256:…` of a base64 public key, as ssh-keygen -l shows it; "" for what is none."""
    try:
        return "SHA256:" + b64encode(sha256(b64decode(key, validate=True)).digest()).decode().rstrip("=")
    except ValueError:
        return ""


def _git_verify(mirror: Mirror, sha: str, folder: Path, config: str, extra: dict[str, str]) -> str:
    path = folder / "gitconfig"
    path.write_text(CONFIG + config)
    runner = replace(mirror.runner, config=path, extra=extra)
    kind = mirror.runner.run(["cat-file", "-t", sha], git_dir=mirror.git_dir).out.decode().strip()
    result = runner.run([f"verify-{kind}", "--raw", sha], git_dir=mirror.git_dir)
    return result.err


def _principal(line: str) -> str:
    """The comment of a public key: who it belongs to."""
    comment = line.strip().split(None, 2)[2:]
    return re.sub(r'["\s,*?!]', "_", comment[0]) if comment else "signer"


def _long_id(key_id: str) -> str:
    return key_id.strip().upper().removeprefix("0X")[-16:]
