"""Structured logs on the standard library: JSON for machines, one readable line for people.

Every line carries what is bound to the context (application, revision, operation, task id), and passes `scrub`.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from gitops.observe.scrub import scrub

Context = dict[str, Any]
_context: ContextVar[Context] = ContextVar("gitops_log_context", default={})  # noqa: B039 - never changed in place

#: No line is longer than this, whatever an exception's text brings with it.
_LONGEST = 8192
_OURS = "gitops_fields"


def bind(**fields: Any) -> Token[Context]:
    """Add fields (app, revision, operation, task_id, ...) to every line of this context; undo with `unbind`."""
    return _context.set({**_context.get(), **{key: value for key, value in fields.items() if value not in (None, "")}})


def unbind(token: Token[Context]) -> None:
    """Go back to the fields before the `bind` that gave the token."""
    _context.reset(token)


def clear() -> None:
    """Forget all bound fields: between two tasks of one process."""
    _context.set({})


@contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Bind fields for the length of a block."""
    token = bind(**fields)
    try:
        yield
    finally:
        unbind(token)


def event(logger: logging.Logger, message: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Log `message` with fields of its own."""
    logger.log(level, message, extra={_OURS: fields})


@contextmanager
def step(logger: logging.Logger, name: str, /, **fields: Any) -> Iterator[Context]:
    """Log one line when the block ends: its name, duration and outcome. The dict given takes further fields.

    An exception is named by its class and goes on its way.
    """
    begun = time.monotonic()
    found: Context = dict(fields)
    try:
        yield found
    except BaseException as error:
        found |= {"outcome": "failed", "reason": type(error).__name__, "error": str(error)}
        event(logger, name, logging.WARNING, **found, duration_ms=_ms(begun))
        raise
    found.setdefault("outcome", "succeeded")
    event(logger, name, **found, duration_ms=_ms(begun))


def _ms(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 1)


def _fields(record: logging.LogRecord) -> Context:
    fields = {**_context.get(), **getattr(record, _OURS, {})}
    return {key: scrub(value) if isinstance(value, str) else value for key, value in fields.items()}


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return scrub(formatter.formatException(record.exc_info))[-_LONGEST:] if record.exc_info else ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, event and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: Context = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": scrub(record.getMessage())[:_LONGEST],
            **_fields(record),
        }
        if trouble := _trouble(self, record):
            line["exception"] = trouble
        return orjson.dumps(line, default=str).decode()


class ConsoleFormatter(logging.Formatter):
    """`12:03:04 INFO  fetch app=argocd/payments duration_ms=12.1`."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        # A hostile commit message or path must not forge a second line.
        text = scrub(record.getMessage())[:_LONGEST].replace("\n", "\\n").replace("\r", "\\r")
        pairs = " ".join(f"{key}={_shown(value)}" for key, value in _fields(record).items())
        line = f"{clock} {record.levelname:<7} {text}{' ' + pairs if pairs else ''}"
        trouble = _trouble(self, record)
        return f"{line}\n{trouble}" if trouble else line


def _shown(value: Any) -> str:
    text = str(value)
    return orjson.dumps(text).decode() if not text or any(c in text for c in ' "\n\r=') else text


def setup(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Configure the root logger: `log_format` is `json` or `console`, `level` a standard level name.

    What it replaces is what was there before; called again, it starts over.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line for every HTTP request would say in a notification's log where secrets go.
    for chatty in ("httpx", "httpcore", "urllib3", "git.cmd"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
