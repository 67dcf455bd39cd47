"""OpenTelemetry traces from beat to the API call, when the extra `trace` is installed and an endpoint is set.

One trace is what one publish of beat's, one webhook or one person's wish brought about: the task, what it asked of Git,
what it rendered, each request to an API server, and the tasks that it published in turn. Without an endpoint every
function here does nothing, costs next to nothing and imports nothing.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gitops.observe.scrub import scrub

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Envelope = Callable[..., bytes]

_tracer: Tracer | None = None
_provider: Any = None

#: Seconds that one export may take, and the spans that wait for it in one process; beyond it the newest are dropped.
_EXPORT_SECONDS, _WAITING = 5, 2048


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

    stop()
    _provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    url = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, timeout=_EXPORT_SECONDS)
    _provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_WAITING, schedule_delay_millis=1000))
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


@contextmanager
def publishing(task: str, app: str) -> Iterator[Callable[[], None]]:
    """A span for a publish that may turn out not to be needed: it is told only if the function given is called.

    Messages made inside carry it, so that the task which one of them starts is its child.
    """
    if _tracer is None:
        yield _nothing
        return
    from opentelemetry.trace import use_span

    held = _tracer.start_span(f"publish {task}", attributes={"app": app})
    with use_span(held, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield held.end


def happened(name: str, seconds: float, *, failed: bool = False, **attributes: str | float | bool) -> None:
    """A span for what has just ended after `seconds`, within the present span; nothing where there is none."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    if not get_current_span().get_span_context().is_valid:
        # What nobody's task asked for (a watch, the Events' own thread) would be a trace of one span.
        return
    ended = time.time_ns()
    done = _tracer.start_span(name, start_time=ended - int(seconds * 1e9), attributes=attributes)
    if failed:
        done.set_status(Status(StatusCode.ERROR))
    done.end(ended)


def inject() -> dict[str, str]:
    """The headers that carry the present span to the next task; empty when traces are off."""
    if _tracer is None:
        return {}
    from opentelemetry.propagate import inject as write

    headers: dict[str, str] = {}
    write(headers)
    return headers


def carrying(envelope: Envelope) -> Envelope:
    """`envelope` with the present span in each message's headers; the very same function when traces are off.

    To be called after `start`.
    """
    if _tracer is None:
        return envelope
    return lambda *message: envelope(*message, headers=inject())


def _nothing() -> None:
    """No trace is kept."""
