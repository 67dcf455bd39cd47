"""TLS contexts from certificate data that is never left on a disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitops.errors import InvalidSpecError


def tls_context(
    where: str, *, ca: bytes | None = None, cert: bytes | None = None, key: bytes | None = None, insecure: bool = False
) -> ssl.SSLContext:
    """A context for one cluster.

    Takes PEM bytes: the CA (None: the system's), the client certificate and its key; `where` names the cluster.
    Raises InvalidSpecError where the data is not usable, and for insecure together with a CA (specs section 10).
    """
    if insecure and ca:
        raise InvalidSpecError(f"{where}: insecure=true together with a CA is contradictory; drop one of the two")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        try:
            context.load_verify_locations(cadata=ca.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise InvalidSpecError(f"{where}: the CA certificate is not readable PEM; correct caData") from None
    else:
        context.load_default_certs()
    if cert or key:
        if not (cert and key):
            raise InvalidSpecError(f"{where}: a client certificate needs both certData and keyData")
        with _readable(cert + b"\n" + key) as path:
            try:
                context.load_cert_chain(path, password=_no_password)
            except (ssl.SSLError, ValueError):
                raise InvalidSpecError(
                    f"{where}: the client certificate and key are not readable PEM or do not belong together"
                ) from None
    return context


def _no_password() -> str:
    """An encrypted key must fail, not ask on the terminal."""
    return ""


@contextmanager
def _readable(data: bytes) -> Iterator[str]:
    """A path from which OpenSSL can read `data`: anonymous memory, or a private file where there is no memfd."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
    try:
        yield file.name
    finally:
        Path(file.name).unlink()
