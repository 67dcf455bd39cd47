"""Removing what must not be read by people from text that they will read."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict

MASK = "***"
#: Shorter values would mask ordinary words.
_SHORTEST_SECRET = 6
_MOST_SECRETS = 4096

_URL_USERINFO = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s\"'<>]+@")
_URL_QUERY_SECRET = re.compile(
    r"([?&](?:access_token|private_token|token|key|sig|signature|password|secret|X-Amz-[A-Za-z]+)=)[^&\s\"'<>]+", re.I
)
_HEADER = re.compile(r"((?:authorization|private-token|x-api-key|cookie)['\"]?\s*[:=]\s*['\"]?)[^'\"\r\n,}]+", re.I)
_ASSIGNED = re.compile(
    r"\b((?:password|passwd|secret|token|api[_-]?key|sshPrivateKey)['\"]?\s*[:=]\s*['\"]?)[^\s'\",;}]+", re.I
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.S), MASK),
    (_URL_USERINFO, rf"\1{MASK}@"),
    (_URL_QUERY_SECRET, rf"\1{MASK}"),
    (_HEADER, rf"\1{MASK}"),
    (re.compile(r"\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.I), rf"\1{MASK}"),
    (_ASSIGNED, rf"\1{MASK}"),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{10,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), MASK),
)

_known: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def hide(secret: str) -> None:
    """Mask this very value wherever it would be logged from now on; the latest 4096 are remembered."""
    if len(secret) < _SHORTEST_SECRET:
        return
    with _lock:
        _known[secret] = None
        _known.move_to_end(secret)
        while len(_known) > _MOST_SECRETS:
            _known.popitem(last=False)


def scrub(text: str) -> str:
    """`text` without URL credentials, keys, tokens and values given to `hide`."""
    if _known:
        with _lock:
            secrets = sorted((secret for secret in _known if secret in text), key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def scrub_url(url: str) -> str:
    """A repository URL without user, password and query."""
    return _URL_USERINFO.sub(r"\1", url).partition("?")[0]
