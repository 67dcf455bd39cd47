"""Serving /metrics from a thread of the process that it is about."""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, start_http_server

from gitops.observe.metrics import REGISTRY


def serve(port: int, host: str = "127.0.0.1", registry: CollectorRegistry = REGISTRY) -> Callable[[], None]:
    """Serve /metrics on `host:port` and return the function that stops it. In prefork: in the parent, once.

    Raises OSError where the port is taken.
    """
    server, thread = start_http_server(port, host, registry)
    # A child that outlives its parent would keep the port.
    os.register_at_fork(after_in_child=server.socket.close)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

    return stop
