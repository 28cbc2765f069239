"""Dumps: the state and the adjoint of every Nth step of a loop that is differentiated, written for people to look at.

The states are written in the first sweep, the adjoints on the way back, from the last row to the first; each once,
however often steps are computed again. Both go by the names of the program: on the way back by those that the taped
step found before it ran.
"""

from __future__ import annotations

import math
import os
import platform
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from checkpointer import ranks
from checkpointer.active import active
from checkpointer.errors import ArgumentError, StorageError
from checkpointer.memory import Array
from checkpointer.named import Names, Variable, adjoints, root_name
from checkpointer.places import loop_at
from checkpointer.schemes import Scheme
from checkpointer.signals import EXHAUSTED
from checkpointer.state import Key, State, Survey
from checkpointer.storage import Dump, DumpFile, stored_type
from checkpointer.storage.hdf5_files import failed
from checkpointer.storage.rank_files import make_folder, rank_file, refuse_folder
from checkpointer.stretch import Adjoint, Group
from checkpointer.taped import Taped
from checkpointer.version import VERSION

_SHOWN = 10
"""Names that a warning or error lists."""

_lock = threading.Lock()
_runs: dict[str, int] = {}
"""How many runs have been dumped to each path."""
_latest: weakref.WeakValueDictionary[str, Dumper] = weakref.WeakValueDictionary()
"""Whose file stands under each path."""


class Dumper:
    """The dump of one run of one loop.

    Parameters
    ----------
    dump : Dump
    step : function
        The loop's step.
    scheme : Scheme
    holder : list
        The place of the loop's items in the state; they are not dumped.

    Raises
    ------
    ArgumentError
        If the loop runs in a step of another one.
    """

    def __init__(self, dump: Dump, step: Callable[..., Any], scheme: Scheme, holder: list[Any]) -> None:
        self._dump = dump
        self._step = step
        self._module = step.__globals__
        self._scheme = scheme
        self._names = Names(step, holder)
        self._tape = active.tape
        self._opened: DumpFile | None = None
        self._forms: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self._left_out: dict[str, str] = {}
        self._missing: dict[str, int] = {}
        self._keys: dict[str, tuple[Key, ...]] = {}
        self._noted = -1
        self._last = -1
        if self._tape is not None and self._tape.of_step:
            raise ArgumentError(
                f"dump: the loop at {self._where} runs in a step of another marked loop, once for each of its steps and"
                " again when they are computed again: give dump to the loop around it"
            )

    @property
    def _line(self) -> int:
        return int(loop_at(self._step).rpartition(":")[2])

    @property
    def _where(self) -> str:
        return f"{self._step.__code__.co_filename}:{self._line}"

    # --- the first sweep -----------------------------------------------------------------------------------------------

    def note(self, number: int, state: State) -> None:
        """In the first sweep, a step is about to run: write the state, if it is to be dumped."""
        if number % self._dump.every == 0:
            state.begin(number)
            with self._refusing():
                self._write_states(number, state.survey())

    def end(self, steps: int, signal: Any, state: State) -> None:
        """The first sweep is over: write the state that the loop has left.

        The condition that ends a ``while`` loop counts as a step to the runtime, but not to the reader of the file.
        """
        self._last = steps - 1 if signal is EXHAUSTED else steps
        state.begin(steps)
        with self._refusing():
            found = self._write_states(self._last, state.survey())
            self._check_wanted()
        self._keys = {name: variable.keys for name, variable in found.items()}
        self._say_what_is_left_out()
        self._file.set_attribute("steps", self._last)
        self._file.set_attribute("status", "first sweep complete" if self._dump.adjoint else "complete")
        self.close()

    def without_adjoint(self) -> None:
        """Nothing that is differentiated goes into the loop, so that there is nothing to write: say so."""
        self._warn(
            f"Dump: {self._dump.path!r} is not written: nothing that is differentiated goes into this loop"
        )

    def close(self) -> None:
        """Close the file, also after an error."""
        if self._opened is not None:
            self._opened.close()

    def _write_states(self, number: int, survey: Survey) -> dict[str, Variable]:
        if self._opened is None:
            self._check_known(survey)
            self._opened = self._made()
        for name in self._names.look_at_lengths(survey.containers):
            self._leave_out_parts(name)
        found = self._found(survey)
        self._file.reserve(variable.value.nbytes for variable in found.values())
        if number != self._noted:  # the end of a while loop may be in a row already
            self._noted = number
            self._file.add_row(number)
            for name in [name for name in self._forms if name not in found]:
                self._note_missing(name)
        row = self._file.rows - 1
        for name, variable in found.items():
            self._write_state(name, row, variable.value)
        self._file.flush()
        return found

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """If an argument is refused, leave no file behind, which would be in the way when it has been corrected."""
        try:
            yield
        except ArgumentError:
            if self._opened is not None:
                self._opened.discard()
            raise

    def _found(self, survey: Survey) -> dict[str, Variable]:
        found, shared = self._names.found(survey.leaves)
        for name in sorted(shared - self._left_out.keys()):
            self._leave_out(name, "several variables of the program are called so")
        wanted = self._dump.variables
        return {name: variable for name, variable in found.items() if wanted is None or name in wanted}

    def _write_state(self, name: str, row: int, value: Array) -> None:
        if name in self._left_out:
            return
        problem = self._problem(name, value, row)
        if problem:
            self._leave_out(name, problem)
        elif name in self._forms and self._dump.state:
            if not self._file.has(name, adjoint=False):
                self._file.define(name, *self._forms[name], adjoint=False)
            self._file.write(name, row, value, adjoint=False)

    def _problem(self, name: str, value: Array, row: int) -> str:
        """Why a variable cannot be in the file; its form is noted when it is first there."""
        kept = stored_type(value.dtype)
        if kept is None:
            return f"netCDF-4 has no type for its {value.dtype}"
        if name not in self._forms:
            if row and kept.kind not in "fc":
                return "it is not there from the start, and integers have no value for that"
            if value.size:  # of an empty one, nothing can be shown
                self._forms[name] = value.shape, kept
            return ""
        shape, dtype = self._forms[name]
        if value.shape != shape:
            return f"its shape changes, from {shape} to {value.shape}"
        if kept.kind != dtype.kind or not np.can_cast(kept, dtype):
            return f"its type changes, from {dtype} to {value.dtype}"
        return ""

    # --- the way back ----------------------------------------------------------------------------------------------------

    def note_last_adjoint(self, groups: list[Group], adjoint: Adjoint) -> None:
        """The way back begins: write the adjoint of the state that the loop has left."""
        if not self._dump.adjoint:
            return
        if _latest.get(self._file.path) is not self:
            raise StorageError(
                f"{self._dump.path} is another file now: another run of a loop replaced it before the adjoint could be"
                " written to it. Give each loop a path of its own, such as Dump('name-{run}.h5')"
            )
        self._file.open_again()
        self._write_adjoints(self._file.rows - 1, self._keys, groups, adjoint)
        if self._last == 0:
            self._complete()

    def note_adjoint(self, number: int, taped: Taped, adjoint: Adjoint) -> None:
        """Step ``number`` was reversed: write the adjoint of the state before it, if it is to be dumped."""
        if not self._dump.adjoint or number % self._dump.every or number >= self._last:
            return
        found, _ = self._names.found([leaf for leaf, _ in taped.before.values()])
        keys = {name: variable.keys for name, variable in found.items()}
        self._write_adjoints(number // self._dump.every, keys, taped.stretch.before, adjoint)
        if number == 0:
            self._complete()

    def _write_adjoints(
        self, row: int, keys: dict[str, tuple[Key, ...]], groups: list[Group], adjoint: Adjoint
    ) -> None:
        self._file.reserve(math.prod(shape) * dtype.itemsize for shape, dtype in self._forms.values())
        by_key = dict(adjoints(groups, adjoint))
        for name, (shape, dtype) in self._forms.items():
            own = keys.get(name, ())
            if not any(key in by_key for key in own):
                continue  # it is not there, or a constant, of which no derivative is known
            unknown = complex(np.nan, np.nan) if dtype.kind == "c" else np.nan
            values = [by_key.get(key, unknown) for key in own]
            if len(values) > 1:
                values = [[0 if value is None else value for value in values]]
            value = np.zeros(shape, dtype) if values[0] is None else np.asarray(values[0]).reshape(shape)
            if not self._file.has(name, adjoint=True):
                self._file.define(name, shape, dtype, adjoint=True)
            self._file.write(name, row, value, adjoint=True)
        self._file.flush()

    def _complete(self) -> None:
        self._file.set_attribute("status", "complete")
        self._tape = None

    # --- what is left out ------------------------------------------------------------------------------------------------

    def _leave_out(self, name: str, why: str) -> None:
        wanted = self._dump.variables
        if wanted is not None and name in wanted:
            raise ArgumentError(
                f"Dump: {name} cannot be dumped: {why} (in the loop at {self._where}). Take it out of variables"
            )
        if wanted is None:
            self._left_out[name] = why
            self._forget(name)

    def _leave_out_parts(self, name: str) -> None:
        """Leave out a list or dict that grows; its name says it all."""
        why = "its length changes"
        for part in [part for part in self._forms if part.startswith(f"{name}[")]:
            if self._dump.variables is not None:
                self._leave_out(part, f"the length of {name} changes")
            self._forget(part)
        self._leave_out(name, why)

    def _forget(self, name: str) -> None:
        self._forms.pop(name, None)
        self._missing.pop(name, None)
        self._file.remove(name)

    def _note_missing(self, name: str) -> None:
        if self._forms[name][1].kind in "fc":
            self._missing[name] = self._missing.get(name, 0) + 1
        else:
            self._leave_out(name, "it is not there at all steps, and integers have no value for that")

    def _check_known(self, survey: Survey) -> None:
        """Refuse names of variables that the loop has not, and will not have."""
        roots = {root_name(container.name) for container in survey.containers}
        for argument, name in self._named():
            if root_name(name) not in roots:
                names = sorted({name for name, _ in self._names.all(survey.leaves)})
                raise ArgumentError(
                    f"Dump: {argument} names {name!r}, but the loop at {self._where} has no such variable; it has"
                    f" {_listed(names)}"
                )

    def _check_wanted(self) -> None:
        for argument, name in self._named():
            if name not in self._forms:
                why = self._left_out.get(
                    name, "no array, float or list of numbers has this name at a dumped step"
                )
                raise ArgumentError(
                    f"Dump: {argument} names {name!r}, which cannot be dumped in the loop at {self._where}: {why}"
                )

    def _named(self) -> list[tuple[str, str]]:
        """The names that the user gave, each with the argument."""
        dump = self._dump
        return [("variables", name) for name in dump.variables or ()] + [
            ("dims", name) for name in dump.dims or ()
        ]

    def _say_what_is_left_out(self) -> None:
        said = [f"{name} ({why})" for name, why in self._left_out.items()]
        if self._dump.variables is None:
            said += [f"{name} (it is not there in {count} rows)" for name, count in self._missing.items()]
        if said:
            self._file.set_attribute("left_out", "; ".join(said))
            self._warn(
                f"Dump: {self._dump.path!r} does not show all of this loop's state: {_listed(said)}. Name those that you"
                " want to see with variables=[...]"
            )

    def _warn(self, text: str) -> None:
        """Warn at the line of the loop, of the same thing once."""
        said = self._module.setdefault("__warningregistry__", {})
        file, line = self._step.__code__.co_filename, self._line
        warnings.warn_explicit(text, UserWarning, file, line, registry=said)

    # --- the file --------------------------------------------------------------------------------------------------------

    @property
    def _file(self) -> DumpFile:
        assert self._opened is not None
        return self._opened

    def _made(self) -> DumpFile:
        """The file of this run, which is new."""
        dump = self._dump
        template = os.path.abspath(dump.path)
        with _lock:
            run = _runs.get(template, 0) + 1
            path = self._of_this_rank(os.path.abspath(dump.path_of(run)))
            other = _latest.get(path)
            if other is not None and other._tape is not None and other._tape is self._tape:
                raise StorageError(
                    f"{path}: another run of a loop in the same gradient is dumped to this file, and its adjoint is still to"
                    " come. Give each loop a path of its own, or let Dump('name-{run}.h5') number them"
                )
            file = DumpFile(
                path,
                overwrite=dump.overwrite,
                compression=dump.compression,
                dims=dump.dims or {},
                attributes=self._attributes(run),
            )
            _runs[template] = run
            _latest[path] = self
        return file

    def _of_this_rank(self, path: str) -> str:
        """The file of this rank, if the program runs on several, in a folder that is there then."""
        if ranks.size() == 1:
            refuse_folder(path)
            return path
        try:
            make_folder(path, ranks.size(), overwrite=self._dump.overwrite)
        except OSError as error:
            raise failed(f"make the folder {path}", 0, os.path.dirname(path), error) from error
        return rank_file(path, ranks.rank(), ranks.size())

    def _attributes(self, run: int) -> dict[str, Any]:
        among_others = {"rank": ranks.rank(), "ranks": ranks.size()} if ranks.size() > 1 else {}
        return among_others | {
            "title": f"States and adjoints of the loop at {self._where}",
            "source": f"checkpointer {VERSION}, NumPy {np.__version__}, Python {platform.python_version()}",
            "loop": self._where,
            "scheme": repr(self._scheme),
            "every": self._dump.every,
            "run": run,
            "status": "first sweep running",
            "comment": _COMMENT,
        }


_COMMENT = (
    "Row n: the variables before step n of the loop, after n steps; the last row: those that the loop has left."
    " NAME_adjoint is the derivative of the differentiated function's value J by the variable NAME at this moment; a"
    " complex one, NAME_adjoint_real + i NAME_adjoint_imag, is dJ/d(real part) - i dJ/d(imaginary part). NaN: the variable"
    " was not there, was a constant, or the program ended before it was written. If the attribute status is not 'complete',"
    " the way back did not come to its end."
)


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])
