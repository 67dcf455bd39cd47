"""The yardstick: a bare client that server-side applies objects over keep-alive connections, and nothing else."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import BenchError

THREADS = 16
MANAGER = "bench"


class Request(NamedTuple):
    """One request; `content_type` is its body's."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = ""

    @classmethod
    def apply(cls, path: str, body: bytes) -> Request:
        """A server-side apply."""
        return cls("PATCH", f"{path}?fieldManager={MANAGER}&force=true", body, "application/apply-patch+yaml")


class RawClient:
    """16 threads, each with one connection; each takes the next object as soon as it has an answer."""

    def __init__(self, port: int, ca_file: Path, token: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
        }

    def apply(self, requests: Sequence[tuple[str, bytes]], threads: int = THREADS) -> float:
        """Apply (path, body) of each object; returns the seconds from the first request to the last answer.

        Raises BenchError where the API server refuses one.
        """
        return self.run([[Request.apply(path, body)] for path, body in requests], threads)

    def run(self, jobs: Sequence[Sequence[Request]], threads: int = THREADS) -> float:
        """Make the requests of each job one after another; returns the seconds as `apply` does.

        Raises BenchError where the API server refuses one. What is not there may be read.
        """
        waiting = deque(jobs)
        problems: list[str] = []
        workers = [
            threading.Thread(target=self._work, args=(waiting, problems), daemon=True)
            for _ in range(min(threads, len(waiting)))
        ]
        begun = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - begun
        if problems:
            raise BenchError(f"the bare client failed: {problems[0]}")
        return seconds

    def _work(self, waiting: deque[Sequence[Request]], problems: list[str]) -> None:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=60)
        try:
            while not problems:
                try:
                    job = waiting.popleft()
                except IndexError:
                    return
                for method, path, body, content_type in job:
                    headers = {**self._headers, "Content-Type": content_type} if content_type else self._headers
                    connection.request(method, path, body, headers)
                    response = connection.getresponse()
                    answer = response.read()
                    if response.status >= 400 and not (method == "GET" and response.status == 404):
                        problems.append(f"{path}: {response.status} {answer[:300].decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as error:
            problems.append(str(error))
        finally:
            connection.close()
