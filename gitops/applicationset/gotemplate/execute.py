"""A template tree and parameters to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops.applicationset.gotemplate.functions import FUNCTIONS
from gitops.applicationset.gotemplate.parse import (
    Action,
    Block,
    Chain,
    Function,
    Jump,
    Literal,
    Node,
    Operand,
    Pipeline,
    TemplateError,
    Text,
    parse,
)
from gitops.applicationset.gotemplate.values import show, truth

MAX_STEPS = 100_000
MAX_OUTPUT = 1_000_000
_NOTHING = object()


def render(text: str, params: Mapping[str, Any], *, missing_key_error: bool = False) -> str:
    """The text with its actions replaced.

    `params` is what dot stands for. A parameter that is not there prints `<no value>`, or with `missing_key_error`
    (goTemplateOptions: missingkey=error) is an error. Raises TemplateError.
    """
    if "{{" not in text:
        return text
    run = _Run(params, missing_key_error)
    run.nodes(parse(text), params)
    return "".join(run.out)


class _Jumped(Exception):
    pass


class _Run:
    def __init__(self, params: Any, strict: bool) -> None:
        self.out: list[str] = []
        self.size = 0
        self.steps = 0
        self.strict = strict
        self.scopes: list[dict[str, Any]] = [{"$": params}]

    def nodes(self, nodes: list[Node], dot: Any) -> None:
        for node in nodes:
            self._step()
            if isinstance(node, Text):
                self._write(node.text)
            elif isinstance(node, Action):
                value = self.pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    self._write(show(value))
            elif isinstance(node, Jump):
                raise _Jumped(node.keyword)
            else:
                self._block(node, dot)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TemplateError(f"the template takes more than {MAX_STEPS} steps; make it smaller")

    def _write(self, text: str) -> None:
        self.size += len(text)
        if self.size > MAX_OUTPUT:
            raise TemplateError(f"the template gives more than {MAX_OUTPUT} characters; make it smaller")
        self.out.append(text)

    def _block(self, block: Block, dot: Any) -> None:
        self.scopes.append({})
        try:
            if block.keyword == "range":
                self._range(block, dot)
                return
            value = self.pipeline(block.pipeline, dot)
            if not truth(value):
                self.nodes(block.otherwise, dot)
            else:
                self.nodes(block.body, value if block.keyword == "with" else dot)
        finally:
            self.scopes.pop()

    def _range(self, block: Block, dot: Any) -> None:
        names = block.pipeline.variables
        value = self.pipeline(Pipeline(block.pipeline.commands), dot)
        if isinstance(value, Mapping):
            items = sorted(value.items(), key=lambda item: str(item[0]))
        elif isinstance(value, (list, tuple)):
            items = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            items = [(index, index) for index in range(min(value, MAX_STEPS + 1))]
        elif value is None:
            items = []
        else:
            raise TemplateError(f"range cannot iterate over {show(value)}")
        if not items:
            self.nodes(block.otherwise, dot)
        for key, item in items:
            self._step()
            self.scopes.append(dict(zip(names, (key, item) if len(names) == 2 else (item,), strict=False)))
            try:
                self.nodes(block.body, item)
            except _Jumped as jump:
                if str(jump) == "break":
                    return
            finally:
                self.scopes.pop()

    def pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.variables:
            if pipeline.declares:
                self.scopes[-1][name] = value
            else:
                scope = next((scope for scope in reversed(self.scopes) if name in scope), None)
                if scope is None:
                    raise TemplateError(f"undefined variable {name}")
                scope[name] = value
        return value

    def _command(self, command: list[Operand], dot: Any, piped: Any) -> Any:
        self._step()
        first, *rest = command
        if not isinstance(first, Function):
            if rest or piped is not _NOTHING:
                raise TemplateError("only functions take arguments")
            return self._operand(first, dot)
        if first.name in ("and", "or"):
            return self._logic(first.name, rest, dot, piped)
        function = FUNCTIONS.get(first.name)
        if function is None:
            raise TemplateError(f'function "{first.name}" not defined')
        arguments = [self._operand(operand, dot) for operand in rest]
        if piped is not _NOTHING:
            arguments.append(piped)
        try:
            value = function(*arguments)
        except TemplateError:
            raise
        except Exception as error:  # whatever a function cannot take is the template's mistake
            raise TemplateError(
                f"error calling {first.name}: {type(error).__name__.removesuffix('Error')} of arguments"
            ) from None
        if isinstance(value, (str, list)) and len(value) > MAX_OUTPUT:
            raise TemplateError(f"{first.name} gives more than {MAX_OUTPUT} characters or items; make it smaller")
        return value

    def _logic(self, name: str, operands: list[Operand], dot: Any, piped: Any) -> Any:
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if truth(value) == (name == "or"):
                return value
        return value if piped is _NOTHING else piped

    def _operand(self, operand: Operand, dot: Any) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Function):
            return self._command([operand], dot, _NOTHING)
        return self._chain(operand, dot)

    def _chain(self, chain: Chain, dot: Any) -> Any:
        if chain.base is None:
            value, shown = dot, ""
        elif isinstance(chain.base, str):
            scope = next((scope for scope in reversed(self.scopes) if chain.base in scope), None)
            if scope is None:
                raise TemplateError(f"undefined variable {chain.base}")
            value, shown = scope[chain.base], chain.base
        else:
            value, shown = self.pipeline(chain.base, dot), "(…)"
        for name in chain.names:
            shown += f".{name}"
            if isinstance(value, Mapping):
                if name not in value:
                    if self.strict:
                        raise TemplateError(f'map has no entry for key "{name}" at <{shown}>')
                    value = None
                else:
                    value = value[name]
            elif value is None:
                raise TemplateError(f"nil pointer evaluating <{shown}>")
            else:
                raise TemplateError(f"can't evaluate field {name} at <{shown}>")
        return value
