"""What a rewritten module imports: the loops' entry, the schedule's actions, and a few replacements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from checkpointer.audit import audit_wanted
from checkpointer.bridge import differentiable
from checkpointer.conversions import as_complex, as_float, as_scalar, sum_by, sum_of, type_of
from checkpointer.errors import ArgumentError, CheckpointerError
from checkpointer.items import Items
from checkpointer.loop import ForwardSweep, Loop, ReverseSweep, differentiate
from checkpointer.markers import check_marker
from checkpointer.notes import counted, note_plain_step
from checkpointer.refusals import noted
from checkpointer.reports import scheme_text
from checkpointer.schemes import Advance, Auto, Discard, Record, Restore, Reverse, Scheme, Snapshot
from checkpointer.sessions import opened
from checkpointer.signals import BREAK, CONTINUE, EXHAUSTED, Ended, Return
from checkpointer.state import State
from checkpointer.storage import Dump, MemoryStorage, Storage
from checkpointer.storage_ranks import ranks_of
from checkpointer.tape import active
from checkpointer.tracebacks import trim
from checkpointer.work import Work


def run_loop(
    step: Callable[[Any], Any],
    items: Iterable[Any],
    scheme: Scheme | None = None,
    *,
    forward: ForwardSweep,
    reverse: ReverseSweep,
    storage: Storage | None = None,
    audit: bool = False,
    dump: Dump | None = None,
    progress: bool = False,
) -> Ended:
    """Run a marked ``for`` loop.

    Parameters
    ----------
    step : function
        One iteration, a function of the item.
    items : iterable
        What the loop iterates over.
    scheme, storage : Scheme, Storage
        Where snapshots are taken and kept. Not used unless the loop is differentiated.
    audit : bool
        Whether to compare the state at every recomputed step with the first sweep's.
    dump : Dump, optional
        What to write of the states and adjoints.
    progress : bool
        Whether to show how far the loop has come.
    forward, reverse : function
        The loop's sweeps.

    Returns
    -------
    Ended
        How the loop ended.
    """
    check_marker(scheme, storage, audit, dump, progress)
    if active.tape is not None:
        return _differentiated(step, items, scheme, storage, forward, reverse, audit, dump, progress)
    try:
        if progress:
            from checkpointer.progress_bar import counting

            with counting(step, items) as counter:
                return _plain_for(step, counter.over(items))
        return _plain_for(step, items)
    except BaseException as error:
        trim(error)
        raise


def _plain_for(step: Callable[[Any], Any], items: Iterable[Any]) -> Ended:
    left = counted(items)
    try:
        for item in left:
            signal = step(item)
            if signal is not None:
                return Ended(returned=True, value=signal.value) if isinstance(signal, Return) else Ended()
    except BaseException as error:
        note_plain_step(error, step, items, left)
        raise
    return Ended(exhausted=True)


def run_while(
    step: Callable[[], Any],
    scheme: Scheme | None = None,
    *,
    forward: ForwardSweep,
    reverse: ReverseSweep,
    storage: Storage | None = None,
    audit: bool = False,
    dump: Dump | None = None,
    progress: bool = False,
) -> Ended:
    """Run a marked ``while`` loop; ``step`` looks at the condition first and returns EXHAUSTED when it fails.

    The evaluation of the condition that ends the loop counts as a step: it may have changed the state.
    """
    check_marker(scheme, storage, audit, dump, progress)
    if active.tape is not None:
        return _differentiated(step, None, scheme, storage, forward, reverse, audit, dump, progress)
    try:
        if progress:
            from checkpointer.progress_bar import counting

            with counting(step, None) as counter:
                return _plain_while(counter.each(step))
        return _plain_while(step)
    except BaseException as error:
        trim(error)
        raise


def _plain_while(step: Callable[[], Any]) -> Ended:
    while True:
        signal = step()
        if signal is not None:
            if isinstance(signal, Return):
                return Ended(returned=True, value=signal.value)
            return Ended(exhausted=signal is EXHAUSTED)


def _differentiated(
    step: Callable[..., Any],
    iterable: Iterable[Any] | None,
    scheme: Scheme | None,
    storage: Storage | None,
    forward: ForwardSweep,
    reverse: ReverseSweep,
    audit: bool,
    dump: Dump | None,
    progress: bool,
) -> Ended:
    scheme = Auto() if scheme is None else scheme
    if storage is None:
        storage = default_storage(scheme)
    holder: list[Any] = [None, None]
    items = Items(iterable, holder)
    dumper = None
    try:
        if dump is not None:
            from checkpointer.dumps import Dumper  # only now is needed

            dumper = Dumper(dump, step, scheme, holder)
        schedule = scheme.schedule(items.length)
    except CheckpointerError as error:
        raise noted(error) from None
    assert active.tape is not None
    try:
        storage = storage.on_ranks(ranks_of)
        session = opened(storage.inner_session() if active.tape.of_step else storage.session())
    except CheckpointerError as error:
        noted(error)
        raise
    audit = audit or audit_wanted()
    text = scheme_text(scheme)
    work = Work(active.run, step, text)
    loop = Loop(
        step, items, schedule, session, State([step], holder), holder, work=work, audit=audit, dumper=dumper
    )
    if session.durable is not None and dump is not None:
        session.close()
        raise noted(
            ArgumentError(
                "dump cannot be used with a storage that is resumed: a later process would not run the steps again whose"
                " states belong in the dump. Leave resume=True away, or dump from another run"
            )
        )
    if session.durable is not None:
        from checkpointer.resume import Points  # only now is needed

        loop.points = Points(loop, session.durable, text)
    if progress:
        from checkpointer.progress_bar import Bars

        loop.bars = Bars(scheme, items.length)
    return differentiate(loop, forward, reverse)


def default_storage(scheme: Scheme) -> Storage:
    """Where the snapshots of a loop go whose mark names no storage: to memory, and what is planned for a disk to a disk."""
    if isinstance(scheme, Auto) and scheme.storage is not None:
        check_marker(scheme, scheme.storage, False, None, False)
        assert isinstance(scheme.storage, Storage)
        return scheme.storage
    if isinstance(scheme, Auto) and scheme.disk is not None:
        from checkpointer.storage import HDF5Storage, TieredStorage  # only now are needed

        return TieredStorage(MemoryStorage(), HDF5Storage())
    return MemoryStorage()


__all__ = [
    "BREAK",
    "CONTINUE",
    "EXHAUSTED",
    "Advance",
    "Discard",
    "Record",
    "Restore",
    "Return",
    "Reverse",
    "Snapshot",
    "as_complex",
    "as_float",
    "as_scalar",
    "differentiable",
    "run_loop",
    "run_while",
    "sum_by",
    "sum_of",
    "type_of",
]
