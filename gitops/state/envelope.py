"""A task's message as Celery and kombu carry it on Redis, made without a connection.

The state room pushes messages from inside its scripts, so that marking a wish and publishing it are one step. What
is pushed must be what kombu would have written: message protocol 2, body in base64 (kombu's virtual transport).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson

_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_STATIC: dict[str, Any] = {
    "lang": "py",
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "parent_id": None,
    "kwargsrepr": "{}",
    "origin": "gitops",
    "ignore_result": True,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}


def told_of(message: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """(task, application, message id) of a message as the broker carries it; None for one that is not ours."""
    try:
        headers = message["headers"]
        ((app, *_), *_) = orjson.loads(base64.b64decode(message["body"]))
        return headers["task"].removeprefix("gitops."), str(app), str(headers["id"])
    except (KeyError, TypeError, ValueError):
        return None


def envelope(task: str, app: str, message_id: str, queue: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The message that runs `gitops.<task>(app)`.

    The header `enqueued_at` (unix seconds) tells how long it waited; nothing but the application's name is in it.
    `headers` are further ones (which trace it belongs to).
    """
    body = base64.b64encode(orjson.dumps([[app], {}, _EMBED])).decode()
    return orjson.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                **_STATIC,
                **(headers or {}),
                "task": f"gitops.{task}",
                "id": message_id,
                "root_id": message_id,
                "argsrepr": repr((app,)),
                "enqueued_at": time.time(),
            },
            "properties": {
                "correlation_id": message_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": uuid4().hex,
            },
        }
    )
