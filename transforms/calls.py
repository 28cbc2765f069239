"""Which functions of a file a call in it calls, as far as its name tells."""

from __future__ import annotations

import ast

from checkpointer.transforms.scopes import Function, Scope, Scopes


class Calls:
    """The functions and methods of a file, by their names."""

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        self.functions: dict[tuple[Scope | None, str], Function] = {}
        self.methods: dict[str, list[Function]] = {}
        for use in scopes.uses:
            if isinstance(use.node, (ast.FunctionDef, ast.AsyncFunctionDef)) and use.binder is not None:
                if use.binder.kind == "class":
                    self.methods.setdefault(use.name, []).append(use.node)
                elif len(use.binder.bound[use.name]) == 1:
                    self.functions[scopes.owner_of[use], use.name] = use.node

    def function(self, node: ast.AST) -> Function | None:
        """The function that a call calls, if its name tells."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return None
        return self.functions.get((self.scopes.owner_of[self.scopes.use_of[node.func]], node.func.id))

    def method(self, node: ast.AST) -> Function | None:
        """The method that a call calls, if only one class of the file has one of this name."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return None
        methods = self.methods.get(node.func.attr, [])
        return methods[0] if len(methods) == 1 and not self.scopes.meanings(node.func) else None
