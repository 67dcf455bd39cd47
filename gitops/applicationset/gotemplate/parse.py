"""Text to a tree of template nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson


class TemplateError(Exception):
    """The template is wrong, or cannot be evaluated with these parameters; one sentence."""


@dataclass(slots=True)
class Literal:
    value: Any


@dataclass(slots=True)
class Chain:
    """Fields of something: of dot (base None), of a variable (its name), or of a parenthesised pipeline."""

    base: Pipeline | str | None
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Function:
    name: str


Operand = Literal | Chain | Function


@dataclass(slots=True)
class Pipeline:
    commands: list[list[Operand]]
    #: Variables that take the result (two in `range $i, $v := …`).
    variables: tuple[str, ...] = ()
    #: Whether they are new here (`:=`).
    declares: bool = False


@dataclass(slots=True)
class Text:
    text: str


@dataclass(slots=True)
class Action:
    pipeline: Pipeline


@dataclass(slots=True)
class Block:
    """if, with or range."""

    keyword: str
    pipeline: Pipeline
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Jump:
    """break or continue."""

    keyword: str


Node = Text | Action | Block | Jump

_ACTION = re.compile(
    r"\{\{(-(?=\s))?(\s*/\*.*?\*/\s*|(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|[^\"`])*?)((?<=\s)-)?\}\}", re.DOTALL
)
_TOKEN = re.compile(
    r"""\s+|(?P<string>"(?:\\.|[^"\\])*")|(?P<raw>`[^`]*`)|(?P<char>'(?:\\.|[^'\\])')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))
    |(?P<chain>(?:\$\w*|(?<=\)))?(?:\.\w+)+|\$\w*|\.)
    |(?P<name>\w+)|(?P<op>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "nil": None}
_CHARS = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'"}


@lru_cache(maxsize=512)
def parse(text: str) -> list[Node]:  # noqa: PLR0912 - one branch a keyword
    """The nodes of a template. Raises TemplateError naming the action that cannot be read."""
    root: list[Node] = []
    stack: list[tuple[Block, bool, int]] = []
    here = root
    for kind, piece in _split(text):
        if kind == "text":
            here.append(Text(piece))
            continue
        word, _, rest = piece.partition(" ") if not piece.startswith("else if") else ("else if", "", piece[7:])
        if word in ("if", "range", "with"):
            block = Block(word, _pipeline(rest, piece))
            here.append(block)
            stack.append((block, False, 1))
            here = block.body
        elif word in ("else", "else if"):
            if not stack or stack[-1][1]:
                raise TemplateError(f"unexpected {{{{{piece}}}}}")
            block, _, depth = stack.pop()
            if word == "else if":
                nested = Block("if", _pipeline(rest, piece))
                block.otherwise.append(nested)
                stack.append((nested, False, depth))
                here = nested.body
            else:
                stack.append((block, True, depth))
                here = block.otherwise
        elif word == "end":
            if not stack:
                raise TemplateError("unexpected {{end}}")
            stack.pop()
            here = _open(stack, root)
        elif word in ("break", "continue"):
            here.append(Jump(word))
        elif word in ("define", "template", "block"):
            raise TemplateError(f"{{{{{word}}}}} is not supported; write the text out")
        else:
            here.append(Action(_pipeline(piece, piece)))
    if stack:
        raise TemplateError(f"{{{{{stack[-1][0].keyword}}}}} has no {{{{end}}}}")
    return root


def _open(stack: list[tuple[Block, bool, int]], root: list[Node]) -> list[Node]:
    if not stack:
        return root
    block, otherwise, _ = stack[-1]
    return block.otherwise if otherwise else block.body


def _split(text: str) -> list[tuple[str, str]]:
    """(text | action, content) in turn; trim markers applied, comments dropped."""
    found: list[tuple[str, str]] = []
    at, trim = 0, False
    while True:
        match = _ACTION.search(text, at)
        before = text[at : match.start()] if match else text[at:]
        if not match and "{{" in before:
            raise TemplateError("an action {{ has no }}")
        if trim:
            before = before.lstrip()
        if match and match[1]:
            before = before.rstrip()
        if before:
            found.append(("text", before))
        if not match:
            return found
        inner = match[2].strip()
        if not inner.startswith("/*"):
            if not inner:
                raise TemplateError("an action {{}} is empty")
            found.append(("action", inner))
        at, trim = match.end(), bool(match[3])


def _tokens(text: str, action: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise TemplateError(f"cannot read {text[at : at + 10]!r} in {{{{{action}}}}}")
        if match.lastgroup:
            found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


def _pipeline(text: str, action: str) -> Pipeline:
    tokens = _tokens(text.strip(), action)
    variables: list[str] = []
    declares = False
    names = [value for kind, value in tokens[:3] if kind == "chain" and value.startswith("$")]
    for width in (1, 3):
        if len(tokens) > width and tokens[width][1] in (":=", "=") and len(names) >= (width + 1) // 2:
            variables = names[: (width + 1) // 2]
            declares = tokens[width][1] == ":="
            tokens = tokens[width + 1 :]
            break
    reader = _Reader(tokens, action)
    made = reader.pipeline()
    if reader.at < len(tokens):
        raise TemplateError(f"unexpected {tokens[reader.at][1]!r} in {{{{{action}}}}}")
    made.variables, made.declares = tuple(variables), declares
    return made


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], action: str) -> None:
        self.tokens = tokens
        self.action = action
        self.at = 0

    def pipeline(self) -> Pipeline:
        commands: list[list[Operand]] = [[]]
        while self.at < len(self.tokens):
            kind, value = self.tokens[self.at]
            if value == ")" and kind == "op":
                break
            self.at += 1
            if kind == "op" and value == "|":
                commands.append([])
            else:
                commands[-1].append(self._operand(kind, value))
        if not all(commands):
            raise TemplateError(f"missing value in {{{{{self.action}}}}}")
        return Pipeline(commands)

    def _operand(self, kind: str, value: str) -> Operand:  # noqa: PLR0911 - one line a kind of word
        if kind == "string":
            return Literal(_unquote(value, self.action))
        if kind == "raw":
            return Literal(value[1:-1])
        if kind == "char":
            return Literal(ord(_CHARS.get(value[2], value[2]) if value[1] == "\\" else value[1]))
        if kind == "number":
            is_float = not value.lower().lstrip("+-").startswith("0x") and any(char in value for char in ".eE")
            return Literal(float(value) if is_float else int(value, 0 if "x" in value.lower() else 10))
        if kind == "chain":
            base, *names = value.split(".")
            if value == ".":
                return Chain(None)
            return Chain(base or None, tuple(names))
        if kind == "name":
            return Literal(_WORDS[value]) if value in _WORDS else Function(value)
        if value == "(":
            inner = self.pipeline()
            if self.at >= len(self.tokens):
                raise TemplateError(f"( has no ) in {{{{{self.action}}}}}")
            self.at += 1
            names = []
            if self.at < len(self.tokens) and self.tokens[self.at][0] == "chain":
                following = self.tokens[self.at][1]
                if following.startswith(".") and len(following) > 1 and self._adjacent():
                    names = following[1:].split(".")
                    self.at += 1
            return Chain(inner, tuple(names))
        raise TemplateError(f"unexpected {value!r} in {{{{{self.action}}}}}")

    def _adjacent(self) -> bool:
        return re.search(r"\)" + re.escape(self.tokens[self.at][1]), self.action) is not None


def _unquote(text: str, action: str) -> str:
    try:
        made: str = orjson.loads(text.replace("\\'", "'").replace("\\a", "").replace("\\x", "\\u00"))
        return made
    except orjson.JSONDecodeError:
        raise TemplateError(f"cannot read the string {text} in {{{{{action}}}}}") from None
