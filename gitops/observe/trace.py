"""OpenTelemetry traces from beat to the API call, when the extra `trace` is installed and an endpoint is set.

Without either, every function here does nothing and costs next to nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gitops.observe.scrub import scrub

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_tracer: Tracer | None = None
_provider: Any = None


def start(service: str, endpoint: str) -> bool:
    """Begin to export to the OTLP/HTTP `endpoint` (empty: stay off); whether traces are on.

    In prefork: in each child, after the fork, since the exporter has a thread.
    """
    global _tracer, _provider  # noqa: PLW0603 - one exporter a process
    if not endpoint or importlib.util.find_spec("opentelemetry.sdk") is None:
        return False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    _provider = TracerProvider(resource=Resource.create({"service.name": service}))
    url = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    _tracer = _provider.get_tracer("gitops")
    return True


def stop() -> None:
    """Send what is still held, and end; for a child's shutdown."""
    global _tracer, _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


@contextmanager
def span(name: str, headers: Mapping[str, Any] | None = None, **attributes: str | float | bool) -> Iterator[None]:
    """A span for the block; `headers` are those of the message that caused it (W3C `traceparent`)."""
    if _tracer is None:
        yield
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import Status, StatusCode

    parent = (
        extract({key: value for key, value in (headers or {}).items() if isinstance(value, str)}) if headers else None
    )
    with _tracer.start_as_current_span(
        name, context=parent, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            # The text may hold a URL with credentials; record_exception would send it as it is.
            current.set_status(Status(StatusCode.ERROR, scrub(f"{type(error).__name__}: {error}")))
            raise


def inject() -> dict[str, str]:
    """The headers that carry the present span to the next task; empty when traces are off."""
    if _tracer is None:
        return {}
    from opentelemetry.propagate import inject as write

    headers: dict[str, str] = {}
    write(headers)
    return headers
