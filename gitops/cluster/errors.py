"""What an API server answers when it does not do what was asked, as errors people can read."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from gitops.errors import ClusterError


class Cause(NamedTuple):
    """One entry of a Status' `details.causes`."""

    reason: str
    field: str
    message: str


class ApiError(ClusterError):
    """The API server answered with an error.

    `message` is the server's own sentence; `str()` puts what was asked for in front of it.
    """

    def __init__(
        self,
        what: str,
        status: int,
        reason: str,
        message: str,
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{what}: {' '.join(message.split())}")  # the server lists conflicts line by line
        self.what = what
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        #: Seconds that the server asks us to wait, where it does.
        self.retry_after = retry_after

    @property
    def conflict(self) -> bool:
        """409: another field manager owns a field, the resourceVersion or UID is not the one given, or it exists."""
        return self.status == 409

    @property
    def exists(self) -> bool:
        """409 of a create: there is an object of this name."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def not_found(self) -> bool:
        """404: the object, or the namespace that it should go to, is not there."""
        return self.status == 404

    @property
    def invalid(self) -> bool:
        """The object itself is wrong; trying again does not help."""
        return self.status in (400, 422) or _is_schema_error(self.status, self.message)

    @property
    def immutable(self) -> bool:
        """422: a field cannot be changed; only deleting and creating again helps (performance spec section 12)."""
        return self.status == 422 and any("immutable" in cause.message for cause in self.causes)

    @property
    def forbidden(self) -> bool:
        """401 or 403: our credentials do not allow it."""
        return self.status in (401, 403)

    @property
    def gone(self) -> bool:
        """410: the resourceVersion or continue token is too old; list again."""
        return self.status == 410

    @property
    def too_many(self) -> bool:
        """429: the server is busy; come back after `retry_after` seconds."""
        return self.status == 429


class ApiRefused(ApiError):
    """The server will refuse the same request again: the object is invalid, or forbidden, or there is no such thing."""

    transient = False


class UnknownKind(ClusterError):
    """The cluster does not serve this kind (yet): its CustomResourceDefinition is missing, or not established."""

    def __init__(self, group: str, version: str, kind: str) -> None:
        api_version = "/".join(part for part in (group, version) if part) or "v1"
        super().__init__(
            f"the cluster does not know the kind {kind} of {api_version}; "
            "install its CustomResourceDefinition or correct apiVersion and kind"
        )
        self.group = group
        self.version = version
        self.kind = kind


class InvalidObject(ClusterError):
    """An object that cannot even be sent: it has no name, or lacks the namespace that its kind needs."""

    transient = False


#: Refusals that are the same next time.
_PERMANENT = frozenset({400, 401, 403, 404, 405, 406, 413, 415, 422})


def api_error(what: str, status: int, body: bytes, retry_after: float | None = None) -> ApiError:
    """Make the error for an answer with a status of 400 or more.

    Takes what was asked for in words, the HTTP status, the body (a Status object, or plain text from a proxy) and
    Retry-After in seconds.
    """
    reason, message, causes = "", "", ()
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        return status_error(what, answer, status, retry_after)
    # Not from the API server's own mouth: a proxy, or a path that nobody serves. The first line says enough.
    message = body[:200].decode("utf-8", "replace").strip().split("\n", 1)[0] or f"the server answered {status}"
    return _of(status, message)(what, status, reason, message, causes, retry_after)


def status_error(what: str, status: dict[str, Any], code: int = 0, retry_after: float | None = None) -> ApiError:
    """Make the error for a Status object, as in an answer's body or a watch's ERROR event."""
    details = status.get("details") or {}
    causes = tuple(
        Cause(str(cause.get("reason") or ""), str(cause.get("field") or ""), str(cause.get("message") or ""))
        for cause in details.get("causes") or []
    )
    code = int(status.get("code") or code)
    if retry_after is None and details.get("retryAfterSeconds"):
        retry_after = float(details["retryAfterSeconds"])
    message = str(status.get("message") or f"the server answered {code}")
    return _of(code, message)(what, code, str(status.get("reason") or ""), message, causes, retry_after)


def _of(status: int, message: str) -> type[ApiError]:
    return ApiRefused if status in _PERMANENT or _is_schema_error(status, message) else ApiError


def _is_schema_error(status: int, message: str) -> bool:
    """Server-side apply of a built-in kind answers 500, without a reason, to a field that the schema does not have."""
    return status == 500 and message.startswith("failed to create typed patch object")
