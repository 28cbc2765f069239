"""Small programs whose rewritten form must do exactly what they do; each leaves its findings in `result`."""

FUNCTIONS = {
    "plain": """
def run():
    total = 0
    for i in checkpointed(range(5), Revolve()):
        square = i * i
        total += square
    return total
result = run()
""",
    "target is used after the loop": """
def run(n):
    for i in checkpointed(range(n), Revolve()):
        pass
    return i
result = run(4)
""",
    "target is not bound by zero iterations": """
def run(n):
    for i in checkpointed(range(n), Revolve()):
        pass
    return i
result = run(0)
""",
    "target keeps its old value over zero iterations": """
def run(n):
    i = "before"
    for i in checkpointed(range(n), Revolve()):
        pass
    return i
result = run(0), run(2)
""",
    "name first bound in the loop and used behind it": """
def run(n):
    for i in checkpointed(range(n), Revolve()):
        last = 10 * i
    return last
result = run(3)
""",
    "name first bound in the loop, zero iterations": """
def run(n):
    for i in checkpointed(range(n), Revolve()):
        last = 10 * i
    return last
result = run(0)
""",
    "name first bound in the second iteration": """
def run():
    seen = []
    for i in checkpointed(range(4), Revolve()):
        if i == 1:
            late = "bound"
        if i >= 1:
            seen.append(late)
    return seen
result = run()
""",
    "name read before it was ever bound": """
def run():
    for i in checkpointed(range(4), Revolve()):
        if i == 2:
            late = "bound"
        if i == 1:
            print(late)
result = run()
""",
    "value kept from one iteration to the next": """
def run():
    seen = []
    for i in checkpointed(range(5), Revolve()):
        if i % 2 == 0:
            kept = i
        seen.append(kept)
    return seen
result = run()
""",
    "del of a carried name": """
def run():
    seen = []
    for i in checkpointed(range(3), Revolve()):
        x = i
        del x
        try:
            x
        except NameError as error:
            seen.append("unbound")
    try:
        x
    except NameError:
        seen.append("unbound behind")
    return seen
result = run()
""",
    "del in one iteration is felt in the next": """
def run():
    x = 1
    for i in checkpointed(range(3), Revolve()):
        if i == 0:
            del x
        else:
            x += 1
result = run()
""",
    "closures see the loop's last value": """
def run():
    closures = []
    for i in checkpointed(range(4), Revolve()):
        double = 2 * i
        closures.append(lambda: (i, double))
    return [f() for f in closures]
result = run()
""",
    "lambda default keeps each value": """
def run():
    closures = []
    for i in checkpointed(range(4), Revolve()):
        j = i + 1
        closures.append(lambda j=j: j)
    return [f() for f in closures]
result = run()
""",
    "generator expression is evaluated later": """
def run():
    waiting = []
    for i in checkpointed(range(3), Revolve()):
        k = 10 * i
        waiting.append(x + k for x in range(2))
    return [list(g) for g in waiting]
result = run()
""",
    "comprehension within an iteration": """
def run():
    out = []
    for i in checkpointed(range(3), Revolve()):
        k = 10 * i
        out += [x + k for x in range(i)]
        out += [[y * k for y in range(x)] for x in range(i)]
    return out
result = run()
""",
    "lambda within a comprehension": """
def run():
    out = []
    for i in checkpointed(range(3), Revolve()):
        k = 10 * i
        out += [lambda: k for _ in range(2)]
    return [f() for f in out]
result = run()
""",
    "nested function changes a name of the loop": """
def run():
    t = 0
    for i in checkpointed(range(3), Revolve()):
        def bump():
            nonlocal t, fresh
            t += 1
            fresh = t
        fresh = 0
        bump()
        t += fresh
    return t, fresh
result = run()
""",
    "helper defined before the loop sees its names": """
def run():
    def look():
        return t, late
    seen = []
    t = 0
    for i in checkpointed(range(3), Revolve()):
        late = i
        t += 1
        seen.append(look())
    return seen
result = run()
""",
    "class in the loop": """
def run():
    made = []
    for i in checkpointed(range(3), Revolve()):
        scale = i + 1
        class Thing:
            factor = scale
            def get(self):
                return self.factor, scale
        made.append(Thing())
    return [thing.get() for thing in made]
result = run()
""",
    "walrus in the body and in a comprehension": """
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        if (half := i // 2) > 0:
            out.append(half)
        any((last := x) > 1 for x in range(i + 1))
        out.append([(inner := x) for x in range(2)])
    return out, half, last, inner
result = run()
""",
    "continue and break": """
def run(n):
    out = []
    for i in checkpointed(range(10), Revolve()):
        if i % 2:
            continue
        if i > n:
            break
        out.append(i)
    return out, i
result = run(5), run(100)
""",
    "else after exhaustion, not after break": """
def run(n):
    for i in checkpointed(range(4), Revolve()):
        if i == n:
            break
    else:
        # nothing found
        return "else", i
    return "break", i
result = run(2), run(7)
""",
    "else after zero iterations": """
def run(n):
    for i in checkpointed(range(n), Revolve()):
        break
    else:
        return "else"
    return "break"
result = run(0), run(1)
""",
    "return from the loop": """
def run(n):
    for i in checkpointed(range(4), Revolve()):
        if i == n:
            return i, "found"
        if i == 3:
            return
    return "never"
result = run(1), run(9)
""",
    "bare return and a returned None": """
def run():
    for i in checkpointed(range(4), Revolve()):
        return
    return "never"
result = run()
""",
    "return with else": """
def run(n):
    for i in checkpointed(range(3), Revolve()):
        if i == n:
            return "returned"
    else:
        tail = "else"
    return tail
result = run(1), run(5)
""",
    "while": """
def run(limit):
    n, total = 0, 0
    while checkpointed(total < limit, Revolve()):
        n += 1
        total += n
    else:
        n = -n
    return n, total
result = run(20), run(0)
""",
    "while with a walrus condition": """
def run():
    data = [3, 2, 1, 0, 5]
    out = []
    while checkpointed((item := data.pop(0)) > 0, Revolve()):
        out.append(item)
    return out, item
result = run()
""",
    "while with an `or` condition and continue": """
def run():
    i = 0
    out = []
    while checkpointed(i < 3 or i == 4, Revolve()):
        i += 1
        if i == 2:
            continue
        out.append(i)
        if i == 3:
            i = 4
    return out, i
result = run()
""",
    "while True": """
def run():
    i = 0
    while checkpointed(True, Revolve()):
        i += 1
        if i > 5:
            break
        if i > 90:
            return "never"
    else:
        return "else"
    return i
result = run()
""",
    "while with a conditional expression": """
def run():
    i = 0
    while checkpointed(i < 3 if i != 1 else True, Revolve()):
        i += 1
    return i
result = run()
""",
    "inner loops keep their break and continue": """
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        for j in range(4):
            if j == i:
                break
            if j == 1:
                continue
            out.append((i, j))
        else:
            out.append("full")
        while True:
            break
        else:
            out.append("never")
    return out
result = run()
""",
    "break in the else of an inner loop leaves the marked one": """
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        for j in range(i):
            if j == 1:
                break
        else:
            if i == 1:
                continue
            out.append(i)
            if i > 2:
                break
        while False:
            pass
        else:
            if i == 3:
                break
        out.append("end")
    else:
        out.append("else")
    return out
result = run()
""",
    "try and finally with break": """
def run():
    out = []
    for i in checkpointed(range(5), Revolve()):
        try:
            if i == 3:
                break
            if i == 1:
                continue
            out.append(i)
        finally:
            out.append("finally")
    return out, i
result = run()
""",
    "break in finally swallows the exception": """
def run():
    for i in checkpointed(range(5), Revolve()):
        while True:
            try:
                raise ValueError(i)
            finally:
                break
    return i
result = run()
""",
    "value bound before the exception": """
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        try:
            if i == 2:
                raise ValueError
            value = i
        except ValueError:
            pass
        out.append(value)
    return out
result = run()
""",
    "exception name is unbound behind its handler": """
def run():
    out = []
    for i in checkpointed(range(2), Revolve()):
        try:
            raise ValueError(i)
        except ValueError as error:
            out.append(str(error))
        try:
            out.append(error)
        except NameError:
            out.append("gone")
    return out
result = run()
""",
    "exception leaves the loop": """
def run():
    x = 0
    try:
        for i in checkpointed(range(5), Revolve()):
            x += 1
            if i == 2:
                raise KeyError(i)
    except KeyError as error:
        return x, i, str(error)
result = run()
""",
    "context that swallows": """
import contextlib
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        with contextlib.suppress(ValueError):
            if i == 2:
                raise ValueError
            value = i
        out.append(value)
    return out
result = run()
""",
    "with as": """
import contextlib
def run():
    out = []
    for i in checkpointed(range(2), Revolve()):
        with contextlib.nullcontext(i) as a, contextlib.nullcontext(a) as (b):
            out.append((a, b))
    return out, a
result = run()
""",
    "import in the loop": """
def run():
    for i in checkpointed(range(2), Revolve()):
        import os.path
        import json as j
        from collections import deque, OrderedDict as od
    return os.path.sep, j.dumps(1), deque, od
result = run()
""",
    "def in the loop used behind it": """
def run():
    for i in checkpointed(range(3), Revolve()):
        def f(x, base=i):
            return x + base
    return f(10)
result = run()
""",
    "match": """
def run(items):
    out = []
    for item in checkpointed(items, Revolve()):
        match item:
            case [first, *rest]:
                out.append((first, rest))
            case {"k": v, **others}:
                out.append((v, others))
            case int() as n if n > 3:
                out.append(n)
            case _:
                out.append((first, n))
                break
    return out, v
result = run([[1, 2, 3], {"k": 1, "z": 2}, 7, 2, 9])
""",
    "tuple targets": """
def run():
    out = []
    for i, (a, *b) in checkpointed(enumerate(["abc", "de"]), Revolve()):
        out.append((i, a, b))
    for x, in checkpointed([(1,), (2,)], Revolve()):
        out.append(x)
    for [p, q] in checkpointed([(1, 2)], Revolve()):
        pass
    return out, x, q
result = run()
""",
    "attribute and subscript targets": """
class Box: pass
def run():
    box, items, k = Box(), [0, 0, 0], 0
    for box.value in checkpointed(range(3), Revolve()):
        k += box.value
    for items[k % 3] in checkpointed("xyz", Revolve()):
        k += 1
    for k, items[k % 3] in checkpointed([(1, "p"), (2, "q")], Revolve()):
        pass
    return box.value, items, k
result = run()
""",
    "target rebound in the body": """
def run():
    out = []
    for i in checkpointed(range(3), Revolve()):
        i = i * 2
        out.append(i)
    return out
result = run()
""",
    "nested marked loops": """
def run():
    out = []
    total = 0
    for i in checkpointed(range(3), Revolve()):
        row = 0
        for j in checkpointed(range(i + 1), Revolve()):
            row += j
            step = row
            total += 1
        out.append((row, step))
    return out, total, j
result = run()
""",
    "nested marked loops, return and break from the inner one": """
def run(n):
    out = []
    for i in checkpointed(range(3), Revolve()):
        for j in checkpointed(range(3), Revolve()):
            if (i, j) == n:
                return out, "returned", i, j
            if j > i:
                break
            out.append((i, j))
        else:
            out.append("else")
            if i == 2 and n == "break":
                break
            continue
        out.append("tail")
    else:
        out.append("outer else")
    return out
result = run((1, 1)), run("break"), run(None)
""",
    "nested marked while in for": """
def run():
    log = []
    for i in checkpointed(range(3), Revolve()):
        left = i
        while checkpointed((left := left - 1) >= 0, Revolve()):
            log.append((i, left))
            late = left
        if i:
            log.append(late)
    return log, late
result = run()
""",
    "three deep, name bound only in the innermost": """
def run():
    for i in checkpointed(range(2), Revolve()):
        for j in checkpointed(range(2), Revolve()):
            for k in checkpointed(range(2), Revolve()):
                deep = (i, j, k)
            mid = deep
        top = mid
    return top, deep
result = run()
""",
    "name shared by two loops only": """
def run():
    for i in checkpointed(range(2), Revolve()):
        shared = i
    for i in checkpointed(range(2), Revolve()):
        shared += i
    return "done"
result = run()
""",
    "marked loop in a function in a marked loop": """
def run():
    out = []
    for i in checkpointed(range(3), Revolve()):
        def inner(n):
            acc = i
            for j in checkpointed(range(n), Revolve()):
                acc += j
                if acc > 3:
                    return "early", acc
            return acc
        out.append(inner(i + 1))
    return out
result = run()
""",
    "recursion": """
def run(n):
    total = n
    for i in checkpointed(range(n), Revolve()):
        total += run(i)
    return total
result = run(5)
""",
    "class-private names and super": """
class Base:
    def add(self, x):
        return x + 1
class Solver(Base):
    __scale = 2
    def __init__(self):
        self.__state = 0
    def add(self, x):
        return super().add(x) * 10
    def run(self, n):
        __acc = 0
        for __i in checkpointed(range(n), Revolve()):
            __tmp = super().add(__i)
            __acc += __tmp * self.__scale
            self.__state += [super(Solver, self).add(q) for q in (1,)][0]
            kept = [__class__.__name__ for _ in range(1)]
        return __acc, self.__state, __i, kept
result = Solver().run(4)
""",
    "super in a class method": """
class Base:
    @classmethod
    def value(cls):
        return 3
class Child(Base):
    @classmethod
    def value(cls):
        total = 0
        for _ in checkpointed(range(3), Revolve()):
            total += super().value()
        return total
result = Child.value()
""",
    "super of a method defined in the loop stays": """
class Base:
    def v(self):
        return 1
def run():
    out = []
    for i in checkpointed(range(2), Revolve()):
        class C(Base):
            def v(self):
                return super().v() + i
        out.append(C().v())
    return out
result = run()
""",
    "Unicode names": """
def run():
    Σ = 0.0
    for Δ in checkpointed(range(3), Revolve()):
        ﬁ = Δ * 2
        Σ += fi
        µ = Σ
    return Σ, μ
result = run()
""",
    "names that shadow builtins": """
def run():
    sum = 0
    for iter in checkpointed(range(3), Revolve()):
        max = iter
        sum += max
        abs = sum
    return sum, abs
result = run()
""",
    "user's own names for everything that is inserted": """
def Record(x):
    return x
BREAK = CONTINUE = Return = EXHAUSTED = "mine"
def run(item=1, ended=2, run_loop=3, run_loop1_step=4):
    for item.x in checkpointed([], Revolve()):
        pass
    for item, ended in checkpointed([(5, 6)], Revolve()):
        if item == 7:
            return 8
        if item == 9:
            continue
        run_loop += item
    return item, ended, run_loop, run_loop1_step, Record(1), BREAK, CONTINUE, Return, EXHAUSTED
result = run(item=type("", (), {})())
""",
    "global declared in the loop": """
g = 1
def run():
    for i in checkpointed(range(3), Revolve()):
        global g, h
        g += i
        h = g
    return g, h
result = run(), g, h
""",
    "global declared before the loop": """
g = 1
def run():
    global g
    for i in checkpointed(range(3), Revolve()):
        g += i
        def peek():
            return g
    return g, peek()
result = run(), g
""",
    "nonlocal declared in the loop": """
def outer():
    count = 10
    def run():
        for i in checkpointed(range(3), Revolve()):
            nonlocal count
            count += i
            for j in checkpointed(range(2), Revolve()):
                count += j
        return count
    return run(), count
result = outer()
""",
    "nonlocal declared before the loop, read in a lambda": """
def outer():
    count = 10
    def run():
        nonlocal count
        seen = []
        for i in checkpointed(range(3), Revolve()):
            count += i
            seen.append(lambda: count)
        return [f() for f in seen]
    return run(), count
result = outer()
""",
    "annotated assignments": """
def run():
    total: int = 0
    for i in checkpointed(range(3), Revolve()):
        x: float
        y: int = i
        total: int = total + y
        kept: int
        if i:
            kept: int = i
        else:
            late: str
    return total, kept
result = run()
""",
    "only a declaration in the loop": """
def run():
    for i in checkpointed(range(3), Revolve()):
        late: str
    return late
result = run()
""",
    "several small statements on one line": """
def run():
    a = b = 0
    for i in checkpointed(range(3), Revolve()): a += i; b: int = a; continue
    return a, b
result = run()
""",
    "one-line if with break": """
def run():
    for i in checkpointed(range(9), Revolve()):
        if i > 3: break
        if i == 1: continue
        if i == 17: return 1
    return i
result = run()
""",
    "parameter is rebound": """
def run(u, *args, key=1, **rest):
    for i in checkpointed(range(3), Revolve()):
        u, key = key + i, u
        args += (i,)
        rest[str(i)] = u
    return u, key, args, rest
result = run(5, 6, a=7)
""",
    "locals outside of the loop": """
def run():
    for i in checkpointed(range(3), Revolve()):
        x = i
    seen = locals()
    return seen["i"], seen["x"]
result = run()
""",
    "the iterable is a tuple without parentheses": """
def run():
    out = []
    # checkpointer: Revolve()
    for x in 1, 2, *(3, 4):
        out.append(x)
    return out
result = run()
""",
    "the iterable is a generator expression": """
def run():
    out = []
    for x in checkpointed(y * y for y in range(3)):
        out.append(x)
    for x in checkpointed((y for y in range(3)), Revolve()):
        out.append(x)
    return out, x
result = run()
""",
    "comment mark on a while with a walrus": """
def run():
    data = [1, 2, 0]
    out = []
    # read on
    # checkpointer: Revolve(), storage=None
    # until zero
    while x := data.pop(0):
        out.append(x)
    return out, x
result = run()
""",
    "storage and keyword scheme": """
def run():
    n = 0
    for x in checkpointed(range(3), storage=None, scheme=Revolve()):
        n += x
    while checkpointed(n > 0, storage=None, scheme=Revolve()):
        n -= 1
    return n
result = run()
""",
    "in a property, decorated, and as a static method": """
import functools
def twice(f):
    @functools.wraps(f)
    def g(*args):
        return f(*args), f(*args)
    return g
class C:
    @property
    @twice
    def p(self):
        for i in checkpointed(range(3), Revolve()):
            pass
        return i
    @staticmethod
    def s(n):
        for i in checkpointed(range(n), Revolve()):
            pass
        return i
result = C().p, C.s(2)
""",
    "decorator that calls the function at once": """
def now(f):
    return f(3)
@now
def value(n):
    t = 0
    for i in checkpointed(range(n), Revolve()):
        t += i
    return t
result = value
""",
    "generator around a marked loop": """
def gen():
    for k in range(3):
        t = 0
        for i in checkpointed(range(k), Revolve()):
            t += i
        yield t
result = list(gen())
""",
    "multi-line headers": """
def run():
    out = []
    for (
        i,
        j,
    ) in checkpointed(
        zip(
            range(3),  # first
            "abc",
        ),
        Revolve(),  # scheme
    ):
        out.append((i, j))
    k = 0
    while checkpointed(
        k
        < 4,
        Revolve(),
    ):
        k += 1
    return out, k
result = run()
""",
    "nested try, return in the loop, finally": """
log = []
def run():
    try:
        for i in checkpointed(range(3), Revolve()):
            try:
                if i == 1:
                    return "value"
            finally:
                log.append(i)
    finally:
        log.append("end")
result = run(), log
""",
    "conditional bindings in expressions": """
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        i == 1 and (a := i)
        0 < i < (b := 2)
        c = (d := i) if i == 0 else None
        if i > 0:
            out.append(d)
        if i > 1:
            out.append((a, b))
    return out
result = run()
""",
    "augmented assignment of a name of the iteration": """
def run():
    out = []
    for i in checkpointed(range(3), Revolve()):
        x = i
        x += 1
        y = [0, 0]
        y[x % 2] += x
        out.append((x, y))
    return out
result = run()
""",
    "inner loop may not run": """
def run():
    out = []
    for i in checkpointed(range(4), Revolve()):
        for j in range(i % 2):
            w = i
        if i:
            out.append((w, j))
    return out
result = run()
""",
    "scheme names the loop's variables": """
def run():
    for i in checkpointed(range(2), Revolve()):
        k = i
        # checkpointer: Revolve(k)
        for j in range(2):
            k += j
    return "done"
result = run()
""",
    "a function of the same name twice": """
def run():
    for i in checkpointed(range(2), Revolve()):
        pass
    return i
first = run()
def run():
    for i in checkpointed(range(3), Revolve()):
        pass
    return i
result = first, run()
""",
}

MODULES = {
    "module level": """
total = 0
for i in checkpointed(range(4), Revolve()):
    double = 2 * i
    total += double
result = total, i, double
""",
    "module level, zero iterations": """
for i in checkpointed(range(0), Revolve()):
    double = 2 * i
result = double
""",
    "module level, functions look at the names": """
def look():
    return i, x
seen = []
for i in checkpointed(range(3), Revolve()):
    x = -i
    seen.append(look())
else:
    seen.append("else")
result = seen
""",
    "under if __name__": """
total = 0
if True:
    for i, (a, b) in checkpointed(enumerate([(1, 2), (3, 4)]), Revolve()):
        total += a * b
        if total > 100:
            break
        x: int = total
    else:
        total += 1000
    k = 3
    while checkpointed(k, Revolve()): k -= 1
result = total, a, b, x, k
""",
    "nested at module level": """
log = []
for i in checkpointed(range(3), Revolve()):
    for j in checkpointed(range(3), Revolve()):
        if j > i:
            break
        log.append((i, j))
    else:
        log.append("else")
        continue
    acc = j
result = log, acc
""",
    "function in a block that calls it at once": """
if True:
    def f(n):
        for i in checkpointed(range(n), Revolve()):
            pass
        return i
    result = f(3)
""",
    "the loop is the first statement": """
for i in checkpointed(range(3), Revolve()):
    pass
result = i
""",
    "global at module level": """
for i in checkpointed(range(3), Revolve()):
    global g
    g = i
result = g, i
""",
    "closures at module level": """
fs = []
for i in checkpointed(range(3), Revolve()):
    fs.append(lambda: i)
result = [f() for f in fs]
""",
    "the mark under other names": """
import checkpointer as c
from checkpointer import checkpointed as ck
out = []
for i in c.checkpointed(range(2), c.Revolve()):
    for j in ck(range(2), c.Revolve()):
        out.append((i, j))
result = out
""",
    "helpers without marks": """
import math as m, json
from math import floor, sqrt as root
def f(x):
    return float(x), complex(x), float("1"), float(), m.pi, root(floor(4.5)), json.dumps([])
result = f(2)
""",
}

PROGRAMS = FUNCTIONS | MODULES
