"""What stops a render, inside its process; the client raises the error of the same name in the caller's."""

from __future__ import annotations


class Refused(Exception):
    """The repository's content, or the render's bounds: becomes a RenderError. The text is one sentence for people."""


class WrongSpec(Refused):
    """The source spec itself: becomes an InvalidSpecError."""


class Retry(Exception):
    """Something must be brought in from elsewhere before this can be rendered; the client does it and starts again."""

    def __init__(self, kind: str, items: list[object]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.items = items
