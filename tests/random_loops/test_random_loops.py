"""A small share of the programs that ``run.py`` judges in thousands, and whether the judge would notice anything."""

from collections import Counter

import grammar
import oracle
import pytest
from hypothesis import HealthCheck, given, note, reject, settings


@pytest.mark.parametrize("wild", [False, True], ids=["ordinary", "wild"])
def test_random_programs_are_right_or_refused(wild):
    counts = Counter()

    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(grammar.programs(wild=wild))
    def check(program):
        outcome = oracle.judge(program.source, endless=program.endless)
        counts[outcome.kind] += 1
        if outcome.kind == "invalid":
            reject()
        note(program.source)
        assert outcome.kind != "wrong", outcome.why

    check()
    judged = counts["right"] + counts["refused"]
    assert counts["refused"] * (10 if not wild else 2) < judged
    assert counts["invalid"] < judged


def judged(body):
    return oracle.judge(f"{grammar.HEAD}\n{body}")


LOOP = """
def f(x, scheme, storage):
    for i in checkpointed(range(3), scheme):
        x = {}
    return weigh(x)
"""


def test_the_judge_accepts_what_is_right():
    assert judged(LOOP.format("np.sin(x) * 1.2")).kind == "right"


def test_the_judge_notices_a_slightly_wrong_gradient():
    rule = """
from autograd.extend import defvjp, primitive

tripled = primitive(lambda u: 3 * u)
defvjp(tripled, lambda ans, u: lambda g: 3.000001 * g)
"""
    outcome = judged(rule + LOOP.format("tripled(np.sin(x))"))
    assert outcome.kind == "wrong"
    assert outcome.why.startswith("gradient 0: ")


@pytest.mark.parametrize(
    ("update", "what"),
    [
        ("np.sin(x) * (1 + (np.__name__ == 'numpy'))", "value 0, undifferentiated"),
        ("x if seen.append(active.tape is None) else np.sin(x)", "seen after call 0, differentiated"),
    ],
)
def test_the_judge_notices_other_values_and_other_side_effects(update, what):
    outcome = judged("seen = []\nfrom checkpointer.tape import active\n" + LOOP.format(update))
    assert outcome.kind == "wrong"
    assert what in outcome.why


def test_the_judge_names_refusals():
    outcome = judged(LOOP.format("x + 1e-20 * x.view(np.int64)"))
    assert (outcome.kind, outcome.why) == ("refused", "CKP207")


@pytest.mark.parametrize("update", ["x + (x > 0.31)", "x / 0.0", "x.nothing", "x * 1e9"])
def test_the_judge_sets_aside_what_has_no_derivative(update):
    assert judged(LOOP.format(update)).kind == "invalid"


def test_an_exception_that_the_plain_program_does_not_raise_is_no_refusal():
    with pytest.raises(ZeroDivisionError):
        judged(
            "from checkpointer.tape import active\n"
            + LOOP.format("x / (1 if active.tape is None else 1 // 0)")
        )
