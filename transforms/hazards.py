"""Hazards: what the rewriter accepts, and what is likely to be refused at run time, or to surprise.

A gathering pass for `checkpointer lint`. It looks at what a marked loop runs: its body, and the functions of the same file
that the body calls. It knows names, not values, so it warns only where the name alone says enough. What stands under
``if not replaying():`` has been thought of.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from checkpointer.transforms import codes
from checkpointer.transforms.calls import Calls
from checkpointer.transforms.fence import executed, own_level
from checkpointer.transforms.marks import Mark
from checkpointer.transforms.scopes import Function, Scopes
from checkpointer.transforms.source import Report, Source

_UNREPEATABLE = re.compile(
    r"time\.(time|perf_counter|monotonic|process_time|thread_time)(_ns)?"
    r"|datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today"
    r"|os\.(urandom|getrandom)|secrets\.\w+|uuid\.uuid[14]|random\.SystemRandom"
    r"|sys\.stdin\.\w+|getpass\.getpass"
)
_UNSEEDED = re.compile(
    r"random\.(seed|Random)"
    r"|numpy\.random\.(seed|default_rng|RandomState|SeedSequence|PCG64|PCG64DXSM|MT19937|Philox|SFC64)"
)
_EFFECTS = re.compile(
    r"numpy\.(save|savez|savez_compressed|savetxt)|matplotlib\.pyplot\.\w+|subprocess\.\w+|shutil\.\w+"
    r"|os\.(system|popen|remove|unlink|rename|replace|mkdir|makedirs|write)"
    r"|requests\.\w+|urllib\.request\.\w+|socket\.\w+|smtplib\.\w+"
)
_EFFECT_METHODS = frozenset(("savefig", "to_csv", "to_netcdf", "write_bytes", "write_text"))
_OUT_OF_SIGHT = re.compile(
    r"scipy\.optimize\.\w+|scipy\.integrate\.(solve_ivp|solve_bvp|odeint|ode|quad|dblquad|tplquad|nquad|quad_vec)"
    r"|multiprocessing\.[\w.]+|concurrent\.futures\.\w+|joblib\.\w+|threading\.Thread|ctypes\.\w+|numba\.\w+"
)
_COMPILED = re.compile(r"numba\.(\w+\.)?(jit|njit|vectorize|guvectorize)")
_SUBCLASS = re.compile(r"numpy\.ma\.\w+|numpy\.(matrix|asmatrix|bmat|mat|recarray|rec\.\w+)")
_CACHES = re.compile(r"functools\.(lru_cache|cache)")
_PRIMITIVE = re.compile(r"autograd\.(extend|tracer)\.primitive")
_REPLAYING = "checkpointer.replaying"


def check(source: Source, scopes: Scopes, marks: Sequence[Mark], report: Report) -> None:
    """Report what is likely to go wrong in marked loops."""
    hazards = _Hazards(source, scopes, report)
    for mark in marks:
        hazards.of_loop(mark)


class _Hazards:
    """The checks, and the functions of the file that loops may call."""

    def __init__(self, source: Source, scopes: Scopes, report: Report) -> None:
        self.source = source
        self.scopes = scopes
        self.report = report
        self.calls = Calls(scopes)

    def warn(self, code: str, node: ast.AST, what: str, instead: str) -> None:
        """Report one hazard."""
        self.report(self.source.refusal(code, node, what, instead))

    # --- what is looked at ------------------------------------------------------------------------------------------

    def of_loop(self, mark: Mark) -> None:
        """The hazards of one marked loop."""
        bound = _bound_in(mark)
        self.check_around(mark)
        self.check_items(mark, bound)
        for node in own_level(mark, self.is_for_first_runs):
            self.check_iterator(node, bound)
            self.check_cached_call(node, bound)
        for node in self.reached(mark):
            self.check_node(node)

    def reached(self, mark: Mark) -> Iterator[ast.AST]:
        """What the loop's body executes, and what the functions do that it calls by their names."""
        pending: list[Iterator[ast.AST]] = [own_level(mark, self.is_for_first_runs)]
        seen: set[ast.AST] = set()
        while pending:
            for node in pending.pop(0):
                yield node
                called = self.calls.function(node)
                if called is not None and called not in seen and not self.is_decorated(called, _PRIMITIVE):
                    seen.add(called)
                    pending.append(executed(called.body, self.is_for_first_runs))

    def is_for_first_runs(self, node: ast.AST) -> bool:
        """Whether a statement is an `if` that asks for `replaying()`."""
        return isinstance(node, ast.If) and any(
            isinstance(part, ast.expr) and _REPLAYING in self.scopes.meanings(part)
            for part in ast.walk(node.test)
        )

    def means(self, node: ast.expr, pattern: re.Pattern[str]) -> bool:
        """Whether an expression stands for something that was imported and is listed."""
        return any(pattern.fullmatch(meaning) for meaning in self.scopes.meanings(node))

    def is_decorated(self, function: Function, pattern: re.Pattern[str]) -> bool:
        """Whether a function has one of these decorators, called or not."""
        return any(
            self.means(decorator.func if isinstance(decorator, ast.Call) else decorator, pattern)
            for decorator in function.decorator_list
        )

    # --- calls --------------------------------------------------------------------------------------------------------

    def check_node(self, node: ast.AST) -> None:
        """The hazards of one expression or statement that the loop executes."""
        if isinstance(node, ast.Try):
            self.check_handlers(node, "in a marked loop")
        if not isinstance(node, ast.Call):
            return
        name = ast.unparse(node.func)
        if self.is_unrepeatable(node):
            self.warn(
                codes.UNREPEATABLE,
                node,
                f"`{name}` gives something else each time, also when a step of the loop is computed again; what depends"
                " on it is refused then",
                "call it before the loop, or seed the generator there; what is only reported goes under"
                " `if not checkpointer.replaying():`",
            )
        elif self.is_effect(node):
            self.warn(
                codes.REPEATED_EFFECT,
                node,
                f"`{name}` takes effect again when a step of the loop is computed again, in another order",
                "put it under `if not checkpointer.replaying():`",
            )
        elif self.is_out_of_sight(node):
            self.warn(
                codes.OUT_OF_SIGHT,
                node,
                f"`{name}` computes where the tape does not see it; it is refused if it is given something that is being"
                " differentiated",
                "call it before the loop, or give it a derivative rule with autograd.extend.primitive and defvjp",
            )
        elif self.means(node.func, _SUBCLASS):
            self.warn(
                codes.SUBCLASS,
                node,
                f"`{name}` makes a subclass of numpy.ndarray, which has rules of its own and is refused in the state of a"
                " loop",
                "use a plain array, and a mask where elements are missing",
            )

    def is_unrepeatable(self, call: ast.Call) -> bool:
        unseeded = self.means(call.func, _UNSEEDED) and not call.args and not call.keywords
        return unseeded or self.means(call.func, _UNREPEATABLE) or self.scopes.is_builtin(call.func, "input")

    def is_effect(self, call: ast.Call) -> bool:
        if self.scopes.is_builtin(call.func, "open"):
            return _opens_to_write(call)
        method = isinstance(call.func, ast.Attribute) and call.func.attr in _EFFECT_METHODS
        return method or self.means(call.func, _EFFECTS)

    def is_out_of_sight(self, call: ast.Call) -> bool:
        called = self.calls.function(call)
        compiled = called is not None and self.is_decorated(called, _COMPILED)
        return compiled or self.means(call.func, _OUT_OF_SIGHT)

    # --- the loop and what is around it -------------------------------------------------------------------------------

    def check_around(self, mark: Mark) -> None:
        home = self.scopes.home[mark.loop]
        if isinstance(home.node, ast.AsyncFunctionDef) and not isinstance(mark.loop, ast.AsyncFor):
            self.warn(
                codes.ASYNC_FUNCTION,
                mark.loop,
                f"a marked loop in `async def {home.name}`: a call of it returns a coroutine, which has no derivative",
                "put the loop into a plain function, and call that in the async one",
            )
        outer = executed(getattr(home.node, "body", []) if home.kind in ("function", "module") else [])
        for node in outer:
            if isinstance(node, ast.Try) and any(
                part is mark.loop for part in executed([*node.body, *node.orelse])
            ):
                self.check_handlers(node, "around a marked loop")

    def check_handlers(self, node: ast.Try, where: str) -> None:
        for handler in node.handlers:
            broad = handler.type is None or self.scopes.is_builtin(handler.type, "Exception", "BaseException")
            if broad and not any(isinstance(part, ast.Raise) for part in executed(handler.body)):
                what = "`except:`" if handler.type is None else f"`except {ast.unparse(handler.type)}`"
                self.warn(
                    codes.SWALLOWED,
                    handler,
                    f"{what} {where} also catches refusals; the loop is refused all the same then, but later",
                    "catch the exceptions that you expect, such as `except FloatingPointError`",
                )

    def check_items(self, mark: Mark, bound: frozenset[str]) -> None:
        if isinstance(mark.loop, ast.While):
            return
        subject = mark.subject
        made = isinstance(subject, ast.Call) and self.scopes.is_builtin(subject.func, "set", "frozenset")
        if made or isinstance(subject, (ast.Set, ast.SetComp)):
            self.warn(
                codes.UNORDERED,
                subject,
                "a marked loop over a set: the order of its steps, and so the rounding of its results, may differ between"
                " runs of the program",
                "loop over `sorted(...)`, or over a list",
            )
        if isinstance(subject, ast.GeneratorExp):
            read = {part.id for part in ast.walk(subject) if isinstance(part, ast.Name)} & bound
            own = {name for part in subject.generators for name in _names_stored([part.target])}
            if read - own:
                self.warn(
                    codes.LAZY_ITEMS,
                    subject,
                    f"the items come from a generator that reads `{min(read - own)}`, which the loop changes: they would be"
                    " taken for constants, so this is refused",
                    "loop over `range(...)`, and compute the item in the body",
                )

    def check_iterator(self, node: ast.AST, bound: frozenset[str]) -> None:
        if not isinstance(node, ast.Call) or not self.scopes.is_builtin(node.func, "next") or not node.args:
            return
        if isinstance(node.args[0], ast.Name) and node.args[0].id not in bound:
            self.warn(
                codes.ITERATOR,
                node,
                f"`next` of `{node.args[0].id}`, which was made before the loop: what it has handed out cannot be put back"
                " when steps are computed again, so this is refused",
                "make a list of its items before the loop, and count; or let the loop go over it",
            )

    def check_cached_call(self, node: ast.AST, bound: frozenset[str]) -> None:
        if not isinstance(node, ast.Call):
            return
        called = self.calls.function(node)
        if isinstance(node.func, ast.Attribute):
            cached = [
                method
                for method in self.calls.methods.get(node.func.attr, [])
                if self.is_decorated(method, _CACHES)
            ]
            why = "its result may depend on the attributes of the object, which the cache does not see"
        else:
            changing = any(_names_in(argument) & bound for argument in node.args)
            cached = [called] if called and changing and self.is_decorated(called, _CACHES) else []
            why = "a value that is being differentiated, or an array, cannot be looked up in a cache"
        if cached:
            self.warn(
                codes.CACHED,
                node,
                f"`{ast.unparse(node.func)}` has a cache: {why}",
                "leave the cache away, or call it with integers and texts only",
            )


def _opens_to_write(call: ast.Call) -> bool:
    modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) & set("wax+")
        for mode in modes
    )


def _bound_in(mark: Mark) -> frozenset[str]:
    """The names that the loop binds, and those of arrays and objects that it writes into; but not its target."""
    target = set() if isinstance(mark.loop, ast.While) else _names_stored([mark.loop.target])
    return frozenset(_names_stored(mark.loop.body) - target)


def _names_stored(nodes: Sequence[ast.AST]) -> set[str]:
    found = set()
    for node in executed(nodes):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            root: ast.expr = node
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            if isinstance(root, ast.Name):
                found.add(root.id)
    return found


def _names_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
