"""The `when` expressions of triggers: the part of expr-lang that argocd-notifications' configurations use.

    app.status.operationState.phase in ['Error', 'Failed']
    app.status.operationState != nil and app.status.health.status == 'Healthy'
    time.Now().Sub(time.Parse(app.status.operationState.startedAt)).Minutes() >= 5

Nothing is executed: the text is read into a small tree over literals, paths, comparisons and a handful of functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from gitops.errors import GitOpsError

_LONGEST = 4096
_DEEPEST = 50

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:\.\d+)?)
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<op>\?\.|\?\?|==|!=|<=|>=|&&|\|\||[<>!?:.,()\[\]+-])
    )""",
    re.X,
)

Scope = Mapping[str, Any]
_Node = Callable[[Scope], Any]


class ExpressionError(GitOpsError):
    """An expression cannot be read or evaluated; the text quotes it."""


def evaluate(text: str, scope: Scope) -> Any:
    """The value of an expression; a path that leads nowhere is None.

    Raises ExpressionError where it cannot be read, or asks for something that values of these types do not do.
    """
    try:
        return _parsed(text)(scope)
    except (TypeError, ValueError, AttributeError, re.error) as error:
        raise ExpressionError(f"The expression {text!r} cannot be evaluated: {error}") from error


@lru_cache(maxsize=512)
def _parsed(text: str) -> _Node:
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        node = self._conditional()
        if self._at < len(self._tokens):
            raise self._wrong()
        return node

    def _split(self, text: str) -> list[tuple[str, str]]:
        if len(text) > _LONGEST:
            raise ExpressionError(f"An expression may have {_LONGEST} characters at most")
        found, at = [], 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match or not match.lastgroup:
                raise ExpressionError(f"The expression {text!r} cannot be read at {text[at : at + 20]!r}")
            found.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return found

    def _wrong(self) -> ExpressionError:
        what = self._tokens[self._at][1] if self._at < len(self._tokens) else "its end"
        return ExpressionError(f"The expression {self._text!r} cannot be read at {what!r}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _take(self, *words: str) -> str:
        kind, value = self._peek()
        if kind in ("op", "name") and value in words:
            self._at += 1
            return value
        return ""

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._wrong()

    # From the loosest binding to the tightest.

    def _conditional(self) -> _Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ExpressionError("The expression is nested too deeply")
        test = self._or()
        if self._take("?"):
            then = self._conditional()
            self._expect(":")
            other = self._conditional()
            self._depth -= 1
            return lambda s: then(s) if test(s) else other(s)
        self._depth -= 1
        return test

    def _or(self) -> _Node:
        left = self._and()
        while self._take("or", "||"):
            left = _either(left, self._and())
        return left

    def _and(self) -> _Node:
        left = self._not()
        while self._take("and", "&&"):
            left = _both(left, self._not())
        return left

    def _not(self) -> _Node:
        if self._take("not", "!"):
            inner = self._not()
            return lambda s: not inner(s)
        return self._comparison()

    def _comparison(self) -> _Node:
        left = self._sum()
        while True:
            if word := self._take(
                "==", "!=", "<=", ">=", "<", ">", "in", "contains", "startsWith", "endsWith", "matches"
            ):
                left = _compared(word, left, self._sum())
            elif self._peek() == ("name", "not") and self._tokens[self._at + 1 : self._at + 2] == [("name", "in")]:
                self._at += 2
                inside = _compared("in", left, self._sum())
                left = _negated(inside)
            else:
                return left

    def _sum(self) -> _Node:
        left = self._unary()
        while word := self._take("+", "-", "??"):
            left = _summed(word, left, self._unary())
        return left

    def _unary(self) -> _Node:
        if self._take("-"):
            inner = self._unary()
            return lambda s: -inner(s)
        return self._postfix()

    def _postfix(self) -> _Node:
        node = self._primary()
        while True:
            if self._take(".", "?."):
                kind, name = self._peek()
                if kind != "name":
                    raise self._wrong()
                self._at += 1
                node = _called(node, name, self._arguments()) if self._take("(") else _member(node, name)
            elif self._take("["):
                index = self._conditional()
                self._expect("]")
                node = _indexed(node, index)
            else:
                return node

    def _primary(self) -> _Node:
        kind, value = self._peek()
        if kind:
            self._at += 1
        if kind == "number":
            number = float(value) if "." in value else int(value)
            return lambda _s: number
        if kind == "string":
            text = re.sub(r"\\(.)", r"\1", value[1:-1])
            return lambda _s: text
        if kind == "name":
            return self._name(value)
        if value == "(":
            inner = self._conditional()
            self._expect(")")
            return inner
        if value == "[":
            items = self._list("]")
            return lambda s: [item(s) for item in items]
        self._at -= 1 if kind else 0
        raise self._wrong()

    def _name(self, value: str) -> _Node:
        constants = {"true": True, "false": False, "nil": None, "null": None}
        if value in constants:
            return lambda _s: constants[value]
        if value == "len" and self._take("("):
            (inner,) = self._arguments()
            return lambda s: len(inner(s) or ())
        return lambda s: s.get(value)

    def _arguments(self) -> list[_Node]:
        return self._list(")")

    def _list(self, end: str) -> list[_Node]:
        items: list[_Node] = []
        while not self._take(end):
            if items:
                self._expect(",")
            items.append(self._conditional())
        return items


def _either(left: _Node, right: _Node) -> _Node:
    return lambda s: left(s) or right(s)


def _both(left: _Node, right: _Node) -> _Node:
    return lambda s: left(s) and right(s)


def _negated(inner: _Node) -> _Node:
    return lambda s: not inner(s)


def _compared(word: str, left: _Node, right: _Node) -> _Node:
    actions: dict[str, Callable[[Any, Any], Any]] = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
        "<=": lambda a, b: a <= b,
        ">=": lambda a, b: a >= b,
        "in": lambda a, b: a in (b or ()),
        "contains": lambda a, b: b in (a or ""),
        "startsWith": lambda a, b: str(a or "").startswith(b),
        "endsWith": lambda a, b: str(a or "").endswith(b),
        # Whoever writes the ConfigMap can only slow down his own notifications; texts are short all the same.
        "matches": lambda a, b: bool(re.search(b, str(a or "")[:_LONGEST])),
    }
    action = actions[word]
    return lambda s: action(left(s), right(s))


def _summed(word: str, left: _Node, right: _Node) -> _Node:
    if word == "??":
        return lambda s: right(s) if left(s) is None else left(s)
    return (lambda s: left(s) + right(s)) if word == "+" else (lambda s: left(s) - right(s))


def _member(node: _Node, name: str) -> _Node:
    def value(scope: Scope) -> Any:
        owner = node(scope)
        return owner.get(name) if isinstance(owner, Mapping) else None

    return value


def _indexed(node: _Node, index: _Node) -> _Node:
    def value(scope: Scope) -> Any:
        owner, key = node(scope), index(scope)
        if isinstance(owner, Mapping):
            return owner.get(key)
        if isinstance(owner, list) and isinstance(key, int):
            return owner[key] if -len(owner) <= key < len(owner) else None
        return None

    return value


def _called(node: _Node, name: str, arguments: list[_Node]) -> _Node:
    def value(scope: Scope) -> Any:
        owner = node(scope)
        given = [argument(scope) for argument in arguments]
        method = _METHODS.get(name)
        if method is None:
            # A function of the scope: repo.RepoURLToHTTPS(...), strings.ToUpper(...)
            method_of = owner.get(name) if isinstance(owner, Mapping) else None
            if not callable(method_of):
                raise TypeError(f"there is no function {name}")
            return method_of(*given)
        return method(owner, *given)

    return value


def parse_time(text: Any) -> datetime:
    """An RFC 3339 time. Raises ValueError where it is none."""
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


_METHODS: dict[str, Callable[..., Any]] = {
    "Now": lambda _owner: datetime.now(UTC),
    "Parse": lambda _owner, text: parse_time(text),
    "Sub": lambda owner, other: owner - other,
    "Minutes": lambda owner: _delta(owner).total_seconds() / 60,
    "Seconds": lambda owner: _delta(owner).total_seconds(),
    "Hours": lambda owner: _delta(owner).total_seconds() / 3600,
    "Unix": lambda owner: int(owner.timestamp()),
}


def _delta(value: Any) -> timedelta:
    if not isinstance(value, timedelta):
        raise TypeError("not a duration")
    return value
