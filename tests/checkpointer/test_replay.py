"""Recomputed steps are silent, and only they are; `replaying` tells which they are."""

import contextlib
import io
import logging
import sys
import threading
import warnings

import numpy as np
import pytest

import checkpointer
from checkpointer import Online, Revolve, StoreAll, grad, value_and_grad, vjp

SCHEMES = [Revolve(1), Online(2), StoreAll()]
HEAD = """
    import csv, io, logging, sys, warnings
    import numpy as np
    from checkpointer import checkpointed, replaying
"""
STEPS = "".join(f"step {number}\n" for number in range(6))


@pytest.fixture(params=SCHEMES, ids=repr)
def scheme(request):
    return request.param


@pytest.fixture
def run(load, scheme):
    """Differentiate the function ``f`` of a program; the gradient has to be right, whatever it writes."""

    def run(source, *args, around=contextlib.nullcontext):
        program = load(HEAD + source).rewritten
        with around():
            gradient = grad(program.f)(np.full(2, 0.5), scheme, *args)
        np.testing.assert_allclose(gradient, 1.5**6, rtol=1e-14)
        return program

    return run


PRINTED = (
    'print("step", i, file=sys.stdout)',
    'sys.stdout.write(f"step {i}\\n")',
    'write(f"step {i}\\n")  # bound before the loop',
    'print("step", i, file=out)  # the stream, bound before the loop',
    "say(i)  # by default",
    "report.line(i)  # an attribute, in a tuple",
    'show("step", i, file=sys.stdout, flush=True)  # print by another name',
    'sys.stdout.flush(); sys.stdout.buffer.write(b"step %d\\n" % i)',
    'sys.stdout.writelines(["step ", f"{i}\\n"])',
)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_is_printed_appears_once_and_in_order(run, capfd, stream):
    lines = "\n            ".join(PRINTED)
    run(
        f"""
    write = sys.stdout.write
    out = sys.stdout
    show = print

    def say(i, stream=sys.stdout):
        print("step", i, file=stream)

    class Report:
        def __init__(self):
            self.streams = (sys.stdout, None)
        def line(self, i):
            self.streams[0].write(f"step {{i}}\\n")

    report = Report()

    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            {lines}
        return np.sum(u)
    """.replace("stdout", stream)
    )
    captured = capfd.readouterr()
    heard, silent = (captured.out, captured.err) if stream == "stdout" else (captured.err, captured.out)
    assert heard == "".join(f"step {i}\n" * len(PRINTED) for i in range(6))
    assert silent == ""


PRINTING = """
    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            print("step", i)
        return np.sum(u)
"""


def test_under_capsys(run, capsys):
    run(PRINTING)
    assert capsys.readouterr().out == STEPS


def test_into_a_redirected_stdout(run):
    text = io.StringIO()
    run(PRINTING, around=lambda: contextlib.redirect_stdout(text))
    assert text.getvalue() == STEPS


def test_a_stdout_that_is_no_file(run, monkeypatch):
    class Notebook:
        lines = ""

        def write(self, text):
            self.lines += text

    notebook = Notebook()
    monkeypatch.setattr(sys, "stdout", notebook)
    run(PRINTING)
    assert sys.stdout is notebook
    assert notebook.lines == STEPS


def test_without_stdout(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    run(PRINTING)


def test_what_the_body_redirects_itself_it_can_read(run, capsys):
    run("""
    import contextlib
    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            text = io.StringIO()
            with contextlib.redirect_stdout(text):
                print("1.5")
            u = u * float(text.getvalue())
        return np.sum(u)
    """)
    assert capsys.readouterr().out == ""


WRITTEN = (
    'log.write(f"step {i}\\n")',
    'print("step", i, file=log, flush=True)',
    'log.writelines(["step ", f"{i}\\n"])',
    'put(f"step {i}\\n")',
    'rows.writerow([f"step {i}"])',
    'row([f"step {i}"])',
    'dicts.writerow({"a": f"step {i}"})',
    'np.savetxt(log, [i], fmt="step %d")',
    'np.savetxt(log, u[:1] * 0 + i, fmt="step %d")',
    'printed("step", i)',
)


@pytest.mark.parametrize("kept_open", [True, False])
def test_open_files(run, tmp_path, kept_open):
    """Also when the file is closed before the way back begins."""
    path = tmp_path / "log.txt"
    lines = "\n            ".join(WRITTEN)
    program = run(
        f"""
    import functools
    files = []
    def f(u, scheme, path, kept_open):
        log = open(path, "w", newline="")
        put = log.write
        rows = csv.writer(log, lineterminator="\\n")
        row = rows.writerow
        dicts = csv.DictWriter(log, ["a"], lineterminator="\\n")
        printed = functools.partial(print, file=log)
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            {lines}
        if kept_open:
            files.append(log)
        else:
            log.close()
        return np.sum(u)
    """,
        path,
        kept_open,
    )
    for log in program.files:
        assert type(log) is io.TextIOWrapper
        log.close()
    assert path.read_text() == "".join(f"step {i}\n" * len(WRITTEN) for i in range(6))


def test_binary_files_in_objects(run, tmp_path):
    class Model:
        def __init__(self):
            self.out = (tmp_path / "out.bin").open("wb")

    model = Model()
    file = model.out
    run(
        """
    def f(u, scheme, model):
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            model.out.write(bytes([i]))
            np.array([i], np.uint8).tofile(model.out)
        return np.sum(u)
    """,
        model,
    )
    assert model.out is file
    file.close()
    assert (tmp_path / "out.bin").read_bytes() == bytes([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])


def test_files_in_memory(run):
    """They are part of the state, so that a body may read what it wrote."""
    text, data = io.StringIO(newline="\r\n"), io.BytesIO()
    run(
        """
    def f(u, scheme, text, data):
        for i in checkpointed(range(6), scheme):
            u = u * (1.5 if len(text.getvalue()) == 8 * i and data.tell() == i else 7.0)
            print("step", i, file=text)
            data.write(b"x")
        return np.sum(u)
    """,
        text,
        data,
    )
    assert text.getvalue() == STEPS.replace("\n", "\r\n")
    assert data.getvalue() == b"xxxxxx"


class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.text = ""

    def emit(self, record):
        self.text += record.getMessage() + "\n"


def test_logging(run, tmp_path):
    records = Records()
    to_file = logging.FileHandler(tmp_path / "log.txt")
    logger = logging.getLogger("model.inner")
    logger.setLevel(logging.INFO)
    original = logging.Logger.callHandlers
    for handler in (records, to_file):
        logging.getLogger("model").addHandler(handler)
    try:
        run("""
    logger = logging.getLogger("model.inner")
    info = logger.info
    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            if i % 2:
                info("step %d", i)
            else:
                logging.LoggerAdapter(logger).warning("step %d", i)
        return np.sum(u)
        """)
    finally:
        for handler in (records, to_file):
            logging.getLogger("model").removeHandler(handler)
        to_file.close()
    assert records.text == STEPS
    assert (tmp_path / "log.txt").read_text() == STEPS
    assert logging.Logger.callHandlers is original


def test_warnings(run):
    original = warnings.showwarning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run("""
    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            warnings.warn(f"step {i}")
        return np.sum(u)
        """)
    assert "".join(f"{warning.message}\n" for warning in caught) == STEPS
    assert warnings.showwarning is original


NESTED = """
    def inner(u, scheme, name):
        for j in checkpointed(range(2), scheme):
            u = u * 1.1
            print(name, j, replaying())
        return u

    def f(u, scheme):
        for i in checkpointed(range(3), scheme):
            print("outer", i, replaying())
            u = inner(u, scheme, i)
        return np.sum(u)
"""


def test_loops_in_loops(load, capsys, scheme):
    """An inner loop is replayed with the outer step, except in the last one, which is recorded when it runs first."""
    program = load(HEAD + NESTED)
    plain = program.plain.f(np.ones(2), scheme)
    expected = capsys.readouterr().out
    assert expected.count("\n") == 9
    value, gradient = value_and_grad(program.rewritten.f)(np.ones(2), scheme)
    assert capsys.readouterr().out == expected
    assert value == plain
    np.testing.assert_allclose(gradient, 1.1**6)


def test_replaying(load, scheme):
    program = load(
        HEAD
        + """
    seen = []
    def f(u, scheme, note):
        for i in checkpointed(range(6), scheme):
            u = u * 1.5
            note(i, replaying())
        note("end", replaying())
        return np.sum(u)
    """
    ).rewritten
    seen = threading.local()  # a place that the state does not reach, so that replays are seen
    seen.all = []

    def note(i, is_replay, store=seen):
        store.all.append((i, is_replay))

    program.f(np.ones(2), scheme, note)
    first = [*((i, False) for i in range(6)), ("end", False)]
    assert seen.all == first
    assert not checkpointer.replaying()
    seen.all = []
    grad(program.f)(np.ones(2), scheme, note)
    assert seen.all[:7] == first
    replayed = seen.all[7:]
    assert {number for number, _ in replayed} == set(range(5))  # the last step is recorded when it first runs
    assert all(is_replay for _, is_replay in replayed)
    assert not checkpointer.replaying()


def test_other_threads_are_heard(load, capsys, scheme):
    """A thread that prints while another one replays."""
    program = load(
        HEAD
        + """
    def f(u, scheme, meet):
        for i in checkpointed(range(4), scheme):
            u = u * 1.5
            print("step", i)
            if replaying():
                meet()
        return np.sum(u)
    """
    ).rewritten
    said = []

    def meet():
        other = threading.Thread(
            target=lambda: (print("other", checkpointer.replaying()), said.append(1)), daemon=True
        )
        other.start()
        other.join()

    class Meeting:  # not walked: an object of a foreign module would not be either
        __slots__ = ()
        __module__ = "threading"

        def __call__(self):
            meet()

    grad(program.f)(np.ones(2), scheme, Meeting())
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("step")] == [f"step {i}" for i in range(4)]
    assert len(said) >= 3
    assert lines.count("other False") == len(said)


def test_two_threads_that_differentiate(load, capsys):
    program = load(HEAD + PRINTING).rewritten
    barrier = threading.Barrier(2)

    def work():
        _, pullback = vjp(program.f, np.ones(2), Revolve(1))
        barrier.wait()
        pullback(1.0)

    stream = sys.stdout
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.stdout is stream
    assert sorted(capsys.readouterr().out.split("\n")) == sorted((STEPS + STEPS).split("\n")[:-1] + [""])


def test_everything_is_put_back_after_an_error(load, capsys, scheme):
    program = load(
        HEAD
        + """
    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            print("step", i)
            u = u * 1.5
            if replaying():
                raise OSError("only on the way back")
        return np.sum(u)
    """
    ).rewritten
    before = sys.stdout, sys.stderr, warnings.showwarning, logging.Logger.callHandlers
    with pytest.raises(OSError, match="only on the way back"):
        grad(program.f)(np.ones(2), scheme)
    assert (sys.stdout, sys.stderr, warnings.showwarning, logging.Logger.callHandlers) == before
    assert not checkpointer.replaying()
    print("after")
    assert capsys.readouterr().out == STEPS + "after\n"


def test_the_users_derivative_rules_are_heard(load, capsys):
    program = load(
        HEAD
        + """
    from autograd.extend import defvjp, primitive

    @primitive
    def twice(u):
        return 2 * u

    def rule(ans, u):
        def pull(g):
            print("rule")
            return 2 * g
        return pull

    defvjp(twice, rule)

    def f(u, scheme):
        for i in checkpointed(range(3), scheme):
            u = twice(u)
        return np.sum(u)
    """
    ).rewritten
    assert grad(program.f)(np.ones(2), Revolve(1)).tolist() == [8.0, 8.0]
    assert capsys.readouterr().out == "rule\n" * 3


def test_a_debugger_is_heard(load, capsys):
    program = load(
        HEAD
        + """
    def f(u, scheme, debugger):
        for i in checkpointed(range(3), scheme):
            u = u * 1.5
            debugger(i)
        return np.sum(u)
    """
    ).rewritten
    namespace = {"__name__": "pdb"}
    exec("def show(i):\n    print('at', i)\n", namespace)
    grad(program.f)(np.ones(2), Revolve(1), namespace["show"])
    assert sorted(capsys.readouterr().out.split()) == sorted("at 0 at 1 at 2 at 0 at 1 at 0".split())


def test_a_loop_that_is_not_differentiated_meets_the_streams_themselves(load, monkeypatch):
    program = load(
        HEAD
        + """
    def f(u, scheme, expected):
        for i in checkpointed(range(3), scheme):
            u = u * (sys.stdout is expected)
        return np.sum(u)
    """
    ).rewritten
    assert program.f(np.ones(2), Revolve(1), sys.stdout) == 2.0


def test_a_body_that_computes_something_else_on_replay_is_refused(load, scheme):
    program = load(
        HEAD
        + """
    def f(u, scheme):
        for i in checkpointed(range(6), scheme):
            u = u * (2.0 if replaying() else 1.5)
        return np.sum(u)
    """
    ).rewritten
    with pytest.raises(checkpointer.ReplayError, match="u was something else"):
        grad(program.f)(np.ones(2), scheme)
