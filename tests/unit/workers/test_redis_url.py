"""The Redis URL as Celery gets it."""

from __future__ import annotations

import pytest

from workers.config import verified


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("rediss://u:p@h:6380/0", "rediss://u:p@h:6380/0?ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_ca_certs=/ca.crt", "rediss://h/0?ssl_ca_certs=/ca.crt&ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
    ],
)
def test_a_certificate_is_verified_unless_the_url_says_else(given, taken):
    assert verified(given) == taken
