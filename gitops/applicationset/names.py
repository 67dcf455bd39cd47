"""Names made of what people wrote."""

from __future__ import annotations

import re


def sanitize(name: str) -> str:
    """A DNS-1123 subdomain of any text: lower case, other characters become `-`, at most 253 of them."""
    return re.sub(r"[^-a-z0-9.]", "-", name.lower())[:253].strip("-.")
