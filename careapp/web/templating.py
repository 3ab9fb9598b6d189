"""What templates run in: Flask's environment, once for each language, so that what a language says is compiled in."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from flask import current_app
from flask.templating import Environment
from jinja2 import Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Macro
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, _escape_inner  # type: ignore[attr-defined]

from careapp.web.language import current_language, text_of_template

PLACE = re.compile(r"%(?:\((\w+)\)s|(%))")  # of a value in a text, or a percent sign


def printed(value: Any) -> str:
    """A value as a page prints it: escaped unless it is markup. escape() says so too, in an object for each of the two
    thousand pieces of a page, which are joined to a text at once.
    """
    if type(value) is str:
        return _escape_inner(value)
    return value.__html__() if hasattr(value, "__html__") else _escape_inner(str(value))


class _Texts(NodeTransformer):
    """Puts what a language says into a template's code. `_("Due")` becomes a constant, `_("since %(day)s", day=…)` what
    stands before and after the value; a text with a number in it is said by a filter, once for each number.
    """

    def __init__(self, about: EvalContext) -> None:
        self.about = about

    def visit_Output(self, output: nodes.Output) -> nodes.Node:  # noqa: N802  # Jinja's name
        """What is printed, with texts in parts: a value is printed, and so escaped, like any other."""
        self.generic_visit(output)
        output.nodes = [part for one in output.nodes for part in self._parts(one)]
        return output

    def visit_Call(self, call: nodes.Call) -> nodes.Node:  # noqa: N802  # Jinja's name
        """The call of a text, or any other as it is."""
        self.generic_visit(call)
        if not isinstance(call.node, nodes.Name) or call.dyn_args or call.dyn_kwargs:
            return call
        constants = [one.value for one in call.args if isinstance(one, nodes.Const)]
        if call.node.name == "ngettext" and len(call.args) == 3 and len(constants) == 2 and not call.kwargs:
            return nodes.Filter(call.args[2], "counted", call.args[:2], [], None, None, lineno=call.lineno)
        if call.node.name != "_" or len(call.args) != 1 or not constants:
            return call
        text = text_of_template(self.about, constants[0])
        if "%" not in text or not call.kwargs:
            return nodes.Const(text % {} if "%" in text else text, lineno=call.lineno)
        values = [nodes.Pair(nodes.Const(one.key), one.value, lineno=call.lineno) for one in call.kwargs]
        return nodes.Mod(nodes.Const(text), nodes.Dict(values), lineno=call.lineno)

    def _parts(self, said: nodes.Expr) -> list[nodes.Expr]:
        """What stands around the values of a text, and these; all else in one part."""
        if not (isinstance(said, nodes.Mod) and isinstance(said.left, nodes.Const) and type(said.left.value) is Markup):
            return [said]
        text, end, parts = said.left.value, 0, list[nodes.Expr]()
        values: dict[str, nodes.Expr] = {one.key.value: one.value for one in said.right.items}  # type: ignore[attr-defined]
        if "%" in PLACE.sub("", text):
            return [said]
        for place in PLACE.finditer(text):
            parts += [nodes.Const(text[end : place.start()]), values[place[1]] if place[1] else nodes.Const("%")]
            end = place.end()
        return [*parts, nodes.Const(text[end:])]


class _Speaking(CodeGenerator):
    """Writes the code of a template for the language of its environment."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802  # Jinja's name
        """The whole template."""
        if self.environment.language:  # type: ignore[attr-defined]  # it is ours
            _Texts(EvalContext(self.environment, self.name)).visit(node)
        self.writeline(f"from {__name__} import printed")
        super().visit_Template(node, frame)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.autoescape and not frame.eval_ctx.volatile and finalize.src is None:
            self.write("printed(")
        else:
            super()._output_child_pre(node, frame, finalize)


class _OnceImported(Template):
    """A template whose macros are made once. Jinja looks at each import that is reached, seventy times in a page of an
    episode, whether the template that imports has globals of its own; here none has.
    """

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        if self._module is None:
            self._module = self.make_module()
        return self._module

    def new_context(
        self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None
    ) -> Context:
        """The context of a page, or (`shared`) of what it includes, which sees what is set where it stands."""
        if not shared:
            return super().new_context(vars, shared, locals)
        seen = {name: value for name, value in (locals or {}).items() if value is not missing}
        return self.environment.context_class(self.environment, {**(vars or {}), **seen}, self.name, self.blocks)


class _Calling(Context):
    """A context that calls our macros and functions without asking each first what it wants to be given."""

    def call(self, called: Callable[..., Any], /, *args: Any, **values: Any) -> Any:
        """What a macro or function gives."""
        if type(called) is Macro:
            args = (self.eval_ctx, *args)
        elif hasattr(called, "jinja_pass_arg"):
            return super().call(called, *args, **values)
        values.pop("_loop_vars", None)
        values.pop("_block_vars", None)
        return called(*args, **values)


class SharedGlobals(Environment):
    """All templates share one dict of globals. For Jinja each has a ChainMap over it, and at each import that is
    reached a set of its keys is made, one by one in Python.

    What the application has as its environment is asked for templates, and gives them in the language of the reader:
    there is an environment for each, made when it is first spoken. A language is never changed within a request.
    """

    language: str | None = None
    code_generator_class = _Speaking
    context_class = _Calling
    template_class = _OnceImported

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._spoken: dict[str, SharedGlobals] = {}
        self._kept: dict[str, Template] = {}

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The environment's own globals, as no template of ours is loaded with others."""
        return {**self.globals, **d} if d else self.globals

    def get_template(
        self, name: str | Template, parent: str | None = None, globals: MutableMapping[str, Any] | None = None
    ) -> Template:
        """A template in the language of who reads it. Unless files are watched, it is kept for good."""
        if self.language is None:
            return self.speaking(current_language()).get_template(name, parent, globals)
        if self.auto_reload or globals or isinstance(name, Template):
            return super().get_template(name, parent, globals)
        if name not in self._kept:
            self._kept[name] = super().get_template(name)
        return self._kept[name]

    def speaking(self, language: str) -> "SharedGlobals":
        """The environment of a language, with filters that need not ask which it is."""
        if language not in self._spoken:
            spoken = self.overlay()
            spoken.language, spoken._kept = language, {}
            spoken.filters = {name: _bound(one, language) for name, one in self.filters.items()}
            self._spoken[language] = spoken
        return self._spoken[language]


def template_in(language: str, name: str) -> Template:
    """A template in a language, whatever the reader's is: for who may not ask who reads."""
    environment = current_app.jinja_env
    assert isinstance(environment, SharedGlobals)
    return environment.speaking(language).get_template(name)


def _bound(filter_: Callable[..., Any], language: str) -> Callable[..., Any]:
    """A filter that says something once a language, for this one; any other as it is."""
    in_language = getattr(filter_, "in_language", None)
    return in_language(language) if in_language else filter_
