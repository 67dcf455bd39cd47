"""TLS before a server that speaks none, such as the Valkey of a wheel.

with TlsFront(redis.port) as front:
    Redis(port=front.port, ssl=True, ssl_ca_certs=front.ca_file)
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import tempfile
import threading
from pathlib import Path

from testbed.certificates import Authority
from testbed.closing import Closing


class TlsFront(Closing):
    """Listens on a free loopback port and hands on what comes, decrypted; `ca_file` vouches for it."""

    def __init__(self, port: int) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="gitops-tls-"))
        authority = Authority(self._directory / "pki")
        self.ca_file = authority.ca_file
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.server_cert, authority.server_key)
        self._behind = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port: int = server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """End it, and every connection through it."""
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        await asyncio.gather(_pass(reader, behind_writer), _pass(behind_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, ssl.SSLError):
        writer.close()
