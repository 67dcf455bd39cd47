"""Keeps a Secret's values out of what the API server says about it."""

from __future__ import annotations

import orjson


def hide_secret_values(answer: bytes, sent: bytes) -> bytes:
    """The answer to a refused write of a Secret with every value of data and stringData blotted out.

    The server may quote what it cannot use ("expected string, got 12345"), and its sentence is shown to people.
    """
    try:
        body = orjson.loads(sent)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        return b'{"kind":"Status","message":"the Secret was refused; its content is not shown"}'
    for field in ("data", "stringData"):
        values = body.get(field)
        for value in values.values() if isinstance(values, dict) else ():
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            for shown in {text, text.strip('"')}:
                if shown:
                    answer = answer.replace(orjson.dumps(shown)[1:-1], b"***")
    return answer
