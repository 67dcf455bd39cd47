"""The part of Go's text/template that argocd-notifications' templates use.

`{{.app.metadata.name}}`, `{{ if eq .a "b" }}…{{ else if }}…{{ else }}…{{ end }}`, `{{range $i, $c := .list}}…{{end}}`,
`{{with}}`, `$variables`, pipes, `index`, `printf`, `toUpper`, `trunc`, `default`, `call .repo.RepoURLToHTTPS …`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from gitops.errors import GitOpsError

_ACTION = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.S)
_WORD = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|:=|,|-?\d+(?:\.\d+)?(?![\w.])|(?:\$\w*)?(?:\.\w+)+|\.|\$\w*|\w+(?:\.\w+)*)'
)
_CONSTANTS = {"true": True, "false": False, "nil": None}
_LONGEST = 100_000
_DEEPEST = 30
_MOST_ROUNDS = 10_000


class TemplateError(GitOpsError):
    """A template cannot be read; the text says at which action."""


@dataclass
class _Block:
    """`if`, `with`, `range`, or the whole; branches are (head, expression, children)."""

    kind: str
    branches: list[tuple[str, str, list[_Block | str | _Output]]] = field(default_factory=list)


@dataclass
class _Output:
    expression: str


def render(text: str, data: Mapping[str, Any]) -> str:
    """The text with its actions carried out on `data`.

    Raises TemplateError where it cannot be read, or grows beyond 100 000 characters.
    """
    out: list[str] = []
    _Run(data, out).block(_parse(text), data, {"$": data})
    return "".join(out)


def _parse(text: str) -> list[_Block | str | _Output]:
    top = _Block("top", [("", "", [])])
    stack = [top]
    at = 0
    trim = False
    for match in _ACTION.finditer(text):
        literal = text[at : match.start()]
        literal = literal.lstrip() if trim else literal
        stack[-1].branches[-1][2].append(literal.rstrip() if match[1] else literal)
        at, trim = match.end(), bool(match[3])
        _act(match[2], stack)
    stack[-1].branches[-1][2].append(text[at:].lstrip() if trim else text[at:])
    if len(stack) > 1:
        raise TemplateError(f"A {{{{ {stack[-1].kind} }}}} has no {{{{ end }}}}")
    return top.branches[0][2]


def _act(action: str, stack: list[_Block]) -> None:
    head, _, rest = action.partition(" ")
    if action.startswith("/*"):
        return
    if head in ("if", "with", "range"):
        block = _Block(head, [(head, rest.strip(), [])])
        stack[-1].branches[-1][2].append(block)
        stack.append(block)
        if len(stack) > _DEEPEST:
            raise TemplateError("The template is nested too deeply")
    elif head == "else":
        if len(stack) == 1:
            raise TemplateError("There is an {{ else }} without {{ if }}")
        stack[-1].branches.append(("else", rest.removeprefix("if ").strip(), []))
    elif head == "end":
        if len(stack) == 1:
            raise TemplateError("There is an {{ end }} too many")
        stack.pop()
    else:
        stack[-1].branches[-1][2].append(_Output(action))


class _Run:
    def __init__(self, root: Mapping[str, Any], out: list[str]) -> None:
        self._root = root
        self._out = out
        self._size = 0
        self._rounds = 0

    def block(self, nodes: list[_Block | str | _Output], dot: Any, names: dict[str, Any]) -> None:
        for node in nodes:
            if isinstance(node, str):
                self._write(node)
            elif isinstance(node, _Output):
                self._output(node.expression, dot, names)
            elif node.kind == "range":
                self._range(node, dot, dict(names))
            else:
                self._choose(node, dot, dict(names))

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > _LONGEST:
            raise TemplateError(f"The text grows beyond {_LONGEST} characters")
        self._out.append(text)

    def _output(self, expression: str, dot: Any, names: dict[str, Any]) -> None:
        name, value = self._assigned(expression, dot, names)
        if name:
            names[name] = value
        else:
            self._write(_shown(value))

    def _assigned(self, expression: str, dot: Any, names: dict[str, Any]) -> tuple[str, Any]:
        found = re.match(r"(\$\w+)\s*:?=\s*(.+)$", expression, re.S)
        if found:
            return found[1], self._value(found[2], dot, names)
        return "", self._value(expression, dot, names)

    def _choose(self, block: _Block, dot: Any, names: dict[str, Any]) -> None:
        for head, expression, children in block.branches:
            name, value = self._assigned(expression, dot, names) if expression else ("", True)
            if name:
                names[name] = value
            if value:
                self.block(children, value if block.kind == "with" and head == "with" else dot, names)
                return

    def _range(self, block: _Block, dot: Any, names: dict[str, Any]) -> None:
        _, expression, children = block.branches[0]
        found = re.match(r"(?:(\$\w+)\s*,\s*)?(\$\w+)\s*:=\s*(.+)$", expression, re.S)
        many = self._value(found[3] if found else expression, dot, names) or []
        pairs = sorted(many.items()) if isinstance(many, Mapping) else list(enumerate(many))
        for key, value in pairs:
            self._rounds += 1
            if self._rounds > _MOST_ROUNDS:
                raise TemplateError(f"The template goes round more than {_MOST_ROUNDS} times")
            if found:
                names |= {found[2]: value} | ({found[1]: key} if found[1] else {})
            self.block(children, value, dict(names))
        if not pairs and len(block.branches) > 1:
            self.block(block.branches[1][2], dot, names)

    # --- pipelines ---

    def _value(self, expression: str, dot: Any, names: dict[str, Any]) -> Any:
        words = _words(expression)
        value, rest = self._pipeline(words, dot, names)
        if rest:
            raise TemplateError(f"The action {{{{ {expression} }}}} cannot be read at {rest[0]!r}")
        return value

    def _pipeline(self, words: list[str], dot: Any, names: dict[str, Any]) -> tuple[Any, list[str]]:
        value, words = self._command(words, dot, names, [])
        while words and words[0] == "|":
            value, words = self._command(words[1:], dot, names, [value])
        return value, words

    def _command(self, words: list[str], dot: Any, names: dict[str, Any], piped: list[Any]) -> tuple[Any, list[str]]:
        if not words:
            raise TemplateError("An action is empty")
        head = words[0]
        if head in FUNCTIONS or head == "call":
            arguments: list[Any] = []
            words = words[1:]
            while words and words[0] not in ("|", ")"):
                value, words = self._operand(words, dot, names)
                arguments.append(value)
            function = arguments.pop(0) if head == "call" and arguments else FUNCTIONS.get(head)
            if not callable(function):
                raise TemplateError(f"{{{{ {head} }}}} has no function to call")
            try:
                return function(*arguments, *piped), words
            except (TypeError, ValueError, KeyError, IndexError) as error:
                raise TemplateError(f"The template's function {head} cannot take what it is given") from error
        value, words = self._operand(words, dot, names)
        # A method of the data called with arguments, as in `.repo.RepoURLToHTTPS .app.spec.source.repoURL`.
        if callable(value):
            arguments = []
            while words and words[0] not in ("|", ")"):
                argument, words = self._operand(words, dot, names)
                arguments.append(argument)
            return value(*arguments, *piped), words
        return value, words

    def _operand(self, words: list[str], dot: Any, names: dict[str, Any]) -> tuple[Any, list[str]]:
        head, rest = words[0], words[1:]
        if head == "(":
            value, rest = self._pipeline(rest, dot, names)
            if not rest or rest[0] != ")":
                raise TemplateError("A parenthesis is not closed")
            rest = rest[1:]
            if rest and re.fullmatch(r"(\.\w+)+", rest[0]):
                return _walk(value, rest[0]), rest[1:]
            return value, rest
        if head in _CONSTANTS:
            return _CONSTANTS[head], rest
        if re.match(r'["`\d-]', head):
            # Go's strings in double quotes are JSON's, and so are its numbers.
            return (head[1:-1] if head[0] == "`" else orjson.loads(head)), rest
        if head.startswith("."):
            return _walk(dot, head), rest
        if head.startswith("$"):
            name, point, path = head.partition(".")
            if name not in names:
                raise TemplateError(f"The variable {name} is not set")
            return _walk(names[name], point + path), rest
        raise TemplateError(f"There is no function {head}")


def _words(expression: str) -> list[str]:
    found, at = [], 0
    expression = expression.rstrip()
    while at < len(expression):
        match = _WORD.match(expression, at)
        if not match:
            raise TemplateError(f"The action {{{{ {expression} }}}} cannot be read at {expression[at : at + 20]!r}")
        found.append(match[1])
        at = match.end()
    return found


def _walk(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def _index(owner: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(owner, Mapping):
            owner = owner.get(key)
        elif isinstance(owner, list) and isinstance(key, int) and 0 <= key < len(owner):
            owner = owner[key]
        else:
            return None
    return owner


def _printf(pattern: str, *values: Any) -> str:
    parts = iter(values)
    return re.sub(r"%(%|[svdqt])", lambda m: "%" if m[1] == "%" else _verb(m[1], next(parts, "")), pattern)


def _verb(verb: str, value: Any) -> str:
    return orjson.dumps(_shown(value)).decode() if verb == "q" else _shown(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "gt": lambda a, b: a > b,
    "le": lambda a, b: a <= b,
    "ge": lambda a, b: a >= b,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "not": lambda value: not value,
    "len": lambda value: len(value or ()),
    "index": _index,
    "printf": _printf,
    "print": lambda *values: "".join(_shown(value) for value in values),
    "default": lambda other, value=None: value or other,
    "toUpper": lambda value: _shown(value).upper(),
    "upper": lambda value: _shown(value).upper(),
    "toLower": lambda value: _shown(value).lower(),
    "lower": lambda value: _shown(value).lower(),
    "trim": lambda value: _shown(value).strip(),
    "trunc": lambda size, value: _shown(value)[:size] if size >= 0 else _shown(value)[size:],
    "replace": lambda old, new, value: _shown(value).replace(old, new),
    "join": lambda between, values: between.join(_shown(value) for value in values or ()),
    "quote": lambda value: orjson.dumps(_shown(value)).decode(),
    "toJson": lambda value: orjson.dumps(value).decode(),
    "urlquery": lambda value: quote(_shown(value), safe=""),
    "contains": lambda part, value: part in _shown(value),
    "hasPrefix": lambda part, value: _shown(value).startswith(part),
    "hasSuffix": lambda part, value: _shown(value).endswith(part),
}
