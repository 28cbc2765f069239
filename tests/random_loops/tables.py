"""What random programs are made of: expressions and statements with places to be filled in, the simplest first.

``{vec}``, ``{num}``, ``{mat}`` and the like stand for a variable of that kind, ``{vec=}`` for one that is bound anew, and
with a digit (``{vec1}``) for the same one throughout the line. ``{n}``, ``{v}``, ``{y}``, ``{q}`` and ``{b}`` are
expressions: a number, four floats, three by four floats, four complex numbers, a condition. ``{c}`` is a constant, ``{k}``
an index of four elements, ``{j}`` of three, ``{r}`` a row of a history, and ``{new}`` a new name.
"""


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


CONSTANTS = ["0.5", "0.3", "-0.4", "0.7", "1.0", "2", "0.1"]

NUMBER_LEAVES = _lines("""
    {num}
    {c}
    {vec}[{k}]
    {mat}[{j}, {k}]
    float({vec}[{k}])
    {vec}[{k}].item()
    (0.2 * {int})
    {nums}[-1]
    {input}[{j}]
    (0.1 * {rng}.normal())
    (0.1 * {legacy}())
""")

NUMBERS = _lines("""
    math.sin({n})
    (0.5 * {n} + 0.3 * {n})
    np.tanh({n})
    (0.2 * {v}.sum())
    np.mean({v})
    np.max({v})
    (0.2 * {v} @ {v})
    min({n}, {n})
    max({n}, {n})
    abs({n})
    float(np.cos({n}))
    math.sqrt(1 + {n} ** 2)
    ({n} / (1.5 + {n} ** 2))
    ({n} if {b} else {n})
    (0.2 * sum({v}))
    (0.2 * sum(q * q for q in {v}))
    np.sqrt(1 + np.sum({v} ** 2))
    np.dot({v}, MIX[{j}])
    np.prod(1 + 0.2 * {v})
    math.hypot({n}, 1.2)
    math.atan2({n}, 1.5)
    (0.3 * np.linalg.norm({v} + 2))
    np.std({v} * [1.0, 2, 3, 5])
    (0.3 * np.trapezoid({v}, dx=0.5))
    (0.5 * {vec1}[np.argmax({vec1})])
    (0.4 * {n} ** 3)
    ({n} % 0.7)
    np.float32({c})
    sorted([{n}, {n}, {n}])[1]
    np.exp(-abs({n}))
    max({v}.tolist())
    (0.2 * sum(map(math.sin, {v})))
    min({v}, key=abs)
    (1.0 if any(q > 0.3 for q in {v}) else {n})
    (0.3 * sum({nums}))
    max({nums})
    {mat}.mean()
    {history}[:, 1].mean()
    (0.2 * {mask}.sum())
    {wave}[{k}].real
    abs(1.5 + {wave}[{k}])
    {turn}.imag
    abs(1.5 + {turn})
    {energetic}.energy
    (0.2 * sum(weigh(q) for q in {map}.values()))
""")

VECTOR_LEAVES = _lines("""
    {vec}
    {mat}[{j}]
    {vec}[::-1]
    {vecs}[-1]
    np.full(4, {c})
    (0.1 * {rng}.normal(size=4))
""")

VECTORS = _lines("""
    np.sin({v})
    np.tanh({v})
    (0.5 * {v} + 0.3 * {v})
    ({n} * {v})
    ({v} - {v})
    np.roll({v}, 1)
    np.where({v} > {c}, {v}, {v})
    np.clip({v}, -0.55, 0.85)
    np.maximum({v}, {n})
    np.minimum({v}, {v})
    np.abs({v})
    np.exp(-({v} ** 2))
    ({v} / (1 + {v} ** 2))
    np.concatenate([{v}[2:], {v}[:2]])
    (MIX @ {v})
    np.dot({v}, MIX)
    (({v} > {n}) * {v})
    {v}.copy()
    np.array([{n}, {n}, {n}, {n}])
    np.array([0.5 * q for q in {v}])
    (0.3 * np.cumsum({v}))
    np.sort({v})
    {v}[[3, 1, 0, 2]]
    (lambda q: 0.5 * q + {n})({v})
    (0.5 * np.outer({v}, {v})[{j}])
    (np.ones_like({v}) * {n})
    np.hstack([{n}, {v}[:-1]])
    (0.3 * np.sum([{v}, {v}], axis=0))
    np.sqrt(1 + {v} ** 2)
    np.hypot({v}, 1.2)
    np.arctan2({v}, 1.5)
    np.square({v})
    np.log1p(np.abs({v}))
    np.diff({v}, prepend=0.0)
    (0.5 * np.gradient({v}))
    np.convolve({v}, [0.2, 0.5, 0.1], mode="same")
    np.einsum("ij,j->i", MIX, {v})
    np.linalg.solve(MIX + 2 * np.eye(4), {v})
    np.pad({v}[1:-1], 1, mode="edge")
    np.tile({v}[:2], 2)
    np.repeat({v}[1:3], 2)
    np.where({b}, {v}, {n})
    np.stack([{v}, {v}])[1]
    np.array([{v}, {v}]).mean(axis=0)
    np.linspace({n}, {n}, 4)
    np.array(list(map(math.tanh, {v})))
    np.array([*{v}[1:], {n}])
    np.array(sorted({v}))
    np.interp({v}, [-2.0, 0.1, 2.0], {v}[:3])
    (0.3 * np.lib.stride_tricks.sliding_window_view({v}, 2).sum(1).repeat(2)[1:5])
    np.broadcast_to({n}, 4)
    (lambda p, q: p - 0.5 * q)(*[{v}, {v}])
    {v}[{order}]
    np.where({mask}, {v}, {n})
    ({v} * {mask})
    {history}[{r}]
    {history}[:3].mean(axis=0)
    {mat}.mean(axis=0)
    {mat}.T[:, 1]
    (0.3 * {mat}.sum(0))
    np.asfortranarray({mat}).ravel("F")[2:6]
    (0.3 * np.add.reduce({mat}))
    {wave}.real
    ({wave1} * np.conj({wave1})).real
    np.imag({wave})
    (0.5 * np.fft.fft({wave}).real)
    np.mean({vecs}, axis=0)
""")

WILD_VECTORS = _lines("""
    copy.deepcopy({vec})
    np.asarray({vec})
    ({v} if {b} else {v})
    np.ravel({mat}, order="F")[1:5]
    np.full_like({vec}, {n})
""")

MATRICES = _lines("""
    np.stack([{v}, {v}, {v}])
    (0.5 * np.outer({v}[:3], {v}))
    np.sin({mat})
    np.roll({mat}, 1, axis=0)
    (0.8 * {mat} + 0.1 * {v})
    ({mat} @ MIX)
    {mat}[::-1, ::-1]
    np.where({mat} > 0.1, {mat}, 0.5)
""")

WAVES = _lines("""
    ({v} + 1j * {v})
    {wave}
    ({wave} * np.exp(1j * {n}))
    np.roll({wave}, 1)
    np.fft.ifft(np.exp(-0.1j * np.arange(4)) * np.fft.fft({wave}))
    np.conj({wave})
    ({v} * {wave})
""")

CONDITIONS = _lines("""
    {n} > {c}
    {int} % 2 == 0
    np.any({v} > {c})
    {n} < {n}
    0.0 < {num} < 0.6
""")

UPDATES = {
    "vec": _lines("""
        {vec}[:] = {v}
        {vec=} += 0.1 * {v}
        {vec=} = np.sin({v})
        {vec}[1:-1] = 0.5 * {v}[2:] + 0.3 * {v}[:-2]
        {vec1}[1:-1] += 0.2 * ({vec1}[2:] - 2 * {vec1}[1:-1] + {vec1}[:-2])
        {vec}[{k}] = {n}
        {vec}[{k}] += 0.3 * {n}
        {vec=} *= 0.7
        {vec=} /= 1.5 + {n} ** 2
        {vec=} -= 0.3 * {vec}.mean()
        {vec=} **= 2
        {vec=} @= MIX
        {vec1}[{vec1} > {c}] = {n}
        {vec1}[{vec1} > {c}] *= 0.5
        {vec}[np.abs({v}) < 0.4] += 0.2
        {vec}[[0, 2]] += 0.2 * {v}[[1, 3]]
        {vec}[[3, 1]] = {n}
        np.add({vec}, {v}, out={vec})
        np.multiply({vec1}, 0.6, out={vec1})
        np.sin({v}, out={vec})
        np.sin({vec1}, {vec1})
        np.add({n}, {vec1}, {vec1})
        np.maximum({vec}, {n}, out={vec})
        np.tanh({v}[1:], out={vec}[1:])
        np.add({vec}, {v}, out={vec}, where={v} > {c})
        np.clip({vec1}, -0.6, 0.9, out={vec1})
        np.cumsum({v} * 0.3, out={vec})
        np.copyto({vec}, np.tanh({v}))
        np.copyto({vec}, {v}, where={v} > 0.2)
        np.add.at({vec}, [0, 2, 0], 0.2 * {n})
        np.subtract.at({vec}, np.array([1, 1, 3]), 0.2 * {v}[:3])
        np.multiply.at({vec}, [1, 3], 0.5)
        np.put({vec}, [0, 3], {v}[:2])
        {vec}.fill({n})
        {vec}.sort()
        {vec1}[0], {vec1}[-1] = {vec1}[-1], {vec1}[0]
        {vec=1}, {vec=2} = {vec2}, {vec1}
        {vec=} = {vec}
        {vec=} = {vec}.copy()
        {vec=} = {vec=} = np.cos({v})
        {vec=}, {vec=} = np.sin({v}), np.tanh({v})
        {vec}.reshape(2, 2)[1] = {n}
        {vec}.reshape(2, 2).T[0] *= 0.5
        {vec}[::-1][:2] += 0.1 * {n}
        {vec}.flat[1] = {n}
        {vec}[::2], {vec}[1::2] = {v}[:2], {v}[2:]
        {vec1}[:] = {vec1}[::-1].copy()
        {vec}[1:3] /= 1.5 + {v}[:2] ** 2
        {vec}[None, :, None][0] *= 0.8
        {vec=} = {mat}[{j}]
        {vec=} = {v}.astype(np.float32)
        {vec}[{order}] = {v}
        {vec}[{order}[:2]] += 0.3 * {n}
        np.add.at({vec}, {order}, 0.2 * {v})
        {vec}[{mask}] *= 0.6
        {vec}[{mask1}] = {v}[{mask1}]
        {vec}[~{mask}] = {n}
        {vec}[{rng}.integers(4)] += 0.2 * {n}
        {input}[{j}] = {n}
    """),
    "num": _lines("""
        {num=} = math.sin({n})
        {num=} += 0.1 * {n}
        {num=} *= 0.8
        {num=} = min(max({n}, -1.0), 1.0)
        {num=} = np.tanh({n})
        {num=} = float(np.mean({v}))
        {num=1}, {num=2} = {num2}, {num1}
        {num=} = {num=} = math.cos({n})
        {num=} = {c}
        {num=}, {num=} = [0.5 * q for q in {v}[:2]]
        {num=}, *{new} = 0.5 * {v}
        {num=}, {vec=} = {n}, {v}
    """),
    "mat": _lines("""
        {mat}[{j}] = {v}
        {mat1}[1:-1, 1:-1] += 0.1 * ({mat1}[2:, 1:-1] - 2 * {mat1}[1:-1, 1:-1] + {mat1}[:-2, 1:-1])
        {mat}[:, {k}] = {n}
        {mat}[...] = {y}
        {mat}[1, 1:3] += 0.2 * {v}[1:3]
        {mat}.T[1] *= 0.5
        np.add({mat1}, 0.1 * {v}, out={mat1})
        {mat1}[[2, 0]] = {mat1}[[0, 2]]
        np.fill_diagonal({mat}, {n})
        {mat=} *= 0.9
        {mat=} = {y}
        {mat=} = {mat}.copy()
        {mat1}[{mat1} > 0.3] = 0.3
        {mat1}[1], {mat1}[2] = {mat1}[2].copy(), {mat1}[1].copy()
        for {new1} in {mat}: {new1} *= 0.9
    """),
    "wave": _lines("""
        {wave}[:] = {q}
        {wave=} = {q}
        {wave=} *= np.exp(0.3j * {n})
        {wave1}[1:] += 0.1j * {wave1}[:-1]
        {wave}.real = {v}
        {wave}.imag[1:3] *= 0.5
        {wave1}.real[{wave1}.imag > 0.2] = {n}
        {wave}[{k}] = {n} - 0.2j
    """),
    "nums": _lines("""
        {nums}.append({n})
        {nums}[-1] = {n}
        {nums}[0] += 0.2 * {n}
        {nums1}.append({nums1}.pop(0))
        {nums1}.insert(0, {nums1}.pop())
        {nums1}[0], {nums1}[-1] = {nums1}[-1], {nums1}[0]
        {nums1}[:] = {nums1}[-3:]
        {nums}.extend([{n}, {n}])
        {nums}.sort()
        {nums1}[:] = [0.5 * q for q in {nums1}]
        {nums}.reverse()
    """),
    "vecs": _lines("""
        {vecs}.append(np.sin({v}))
        {vecs}.append({vec}.copy())
        {vecs}[-1] = {v}
        {vecs}[0] += 0.2 * {v}
        {vecs}[-1][1:] *= 0.5
        {vecs1}.append({vecs1}.pop(0))
        {vecs1}[0], {vecs1}[-1] = {vecs1}[-1], {vecs1}[0]
        {vecs1}[:] = {vecs1}[-3:]
        for {new1} in {vecs}: {new1} *= 0.7
        {vec=} = {vecs}[0]
        {vecs1}[:] = [0.5 * q for q in {vecs1}]
    """),
    "map": _lines("""
        {map}["new"] = {n}
        {map}["other"] = {v}
        {map}[{int}] = {n}
        {map}.setdefault("new", {n})
        {map}.update(new={n})
        {map1}["new"] = {map1}.get("new", 0.5) * 0.6
        {map}.pop("new", None)
        {map}[f"k{{int}}"] = {v}
        for {new1} in list({map1}): {map1}[{new1}] = {map1}[{new1}] * 0.8
        for {new1}, {new2} in {map1}.items(): {map1}[{new1}] = 0.7 * {new2}
    """),
    "history": _lines("""
        {history1}[({int1} + 1) % 8] = {history1}[{int1} % 8] + 0.1 * {v}
        {history}[({int} + 1) % 8] = {v}
        {history}[{r}, :] = np.sin({v})
        {history}[{r}, {k}] = {n}
        {history1}[({int1} + 1) % 8, 1:] += 0.2 * {history1}[{int1} % 8, :-1]
        {history1}[1:] = {history1}[:-1].copy()
    """),
    "order": _lines("""
        {order1}[:] = np.roll({order1}, 1)
        {order1}[0], {order1}[2] = {order1}[2], {order1}[0]
        {order}[:] = np.argsort({v})
        {order1}[:] = ({order1} + 1) % 4
        {order}.sort()
        {order=} = np.argsort({v})
        {order=} = {order}[::-1]
        {rng}.shuffle({order})
    """),
    "mask": _lines("""
        {mask}[:] = {v} > 0.2
        {mask1}[{k}] = not {mask1}[{k}]
        {mask=} &= {v} < 0.5
        {mask1}[1:] = {mask1}[:-1].copy()
        {mask=} = {v} > {c}
        {mask=} = ~{mask}
    """),
    "pair": _lines("""
        {pair=1} = (np.sin({v}), {pair1}[1] * 0.5)
        {pair=1} = ({pair1}[0], {n})
        {pair=1} = ({vec}, {pair1}[1])
        {pair}[0][1:] *= 0.7
    """),
    "spot": _lines("""
        {spot=1} = {spot1}._replace(s={n})
        {spot=} = Spot(np.sin({v}), {n})
        {spot=1} = Spot({vec}, {spot1}.s)
        {spot}.u[1:] *= 0.7
    """),
    "frozen": _lines("""
        {frozen=1} = replace({frozen1}, s={n})
        {frozen=} = Frozen(np.sin({v}), {n})
        {frozen=1} = replace({frozen1}, u={vec})
        {frozen}.u[1:] += 0.1 * {v}[1:]
    """),
    "ring": _lines("""
        {ring}.append(np.sin({v}))
        {ring}.rotate(1)
        {ring}.appendleft({vec}.copy())
        {ring}[0][:] = {v}
        {ring1}[0], {ring1}[1] = {ring1}[1], {ring1}[0]
        {vec=} = 0.5 * {ring}[0] + 0.3 * {ring}[-1]
        {ring}[-1] *= 0.8
    """),
    "nest": _lines("""
        {nest}["in"] = {"u": {v}, "l": [np.cos({v}), {n}]}
        {nest1}["in"] = dict({nest1}["in"])
        {nest}["in"]["l"][1] = {n}
        {nest}["in"]["l"].append({n})
        {nest1}["in"].update(u={v}, s={n})
        {nest1}["in"]["l"] = [q * 0.5 for q in {nest1}["in"]["l"]]
    """),
    "space": _lines("""
        {space}.u = {v}
        {space}.s += 0.1 * {n}
        {space}.u[1:] *= 0.6
        {space1}.u, {space1}.s = {space1}.u * 0.5, {n}
    """),
    "maybe": _lines("""
        {maybe=} = {v}
        {vec=} = 0.5 * {maybe1} if {maybe1} is not None else {v}
        {maybe=} = None
    """),
    "turn": _lines("""
        {turn=} *= np.exp(0.3j * {n})
        {turn=} = {turn}.conjugate() + 0.1j * {n}
        {turn=} = complex({n}) + 0.2j
    """),
}

WEIGHTS = {"vec": 6, "num": 3}
"""How much more often than once in the other tables a statement is taken from these."""

WILD = _lines("""
    {vec1}[1:] = {vec1}[:-1]
    {vec1}[1:] += 0.3 * {vec1}[:-1]
    {vec1}[...] = {vec1}[::-1]
    {vec1}[:], {vec2}[:] = {vec2}, {vec1}
    np.add({vec1}[:-1], {vec1}[1:], out={vec1}[1:])
    np.multiply({vec1}, {vec1}[::-1], out={vec1})
    {vec=} = {vec}[::-1]
    {vec=} = {vec}[:]
    {vec=} = {vec}.reshape(2, 2).T.T.reshape(-1)
    {vec=} = {vec}.reshape(2, 2).T.reshape(-1)
    {vec=} = np.asarray({vec}).view()
    {vec=} = np.flip({vec})
    {vec=} = {vec} if {b} else {vec}
    {vec=} = copy.copy({vec})
    {vec=} = np.atleast_2d({vec})[0]
    {vec=} = np.repeat({vec}, 2)[::2]
    {vec=} = ({v} + 0.5j).real
    {vec=} = {v}.astype(np.longdouble)
    {vec=} = {mat}.ravel()[2:6]
    {vec=} = {mat}.T[:, {j}]
    {vec=} = {mat}.ravel("F")[1:5]
    {vec=} = {wave}.imag
    {vec=} = {wave}.real
    {wave=} = {wave}[::-1]
    {wave}.imag[:] = {wave}.real
    {wave}.view(float)[::2] = {v}
    {mat1}[1], {mat1}[2] = {mat1}[2], {mat1}[1]
    {mat1}[1:] = {mat1}[:-1]
    {mat}.reshape(-1)[::3] += 0.1 * {v}
    {mat=} = {mat}[::-1]
    {mat=} = {mat}
    {mat=} = np.asfortranarray({mat})
    {history1}[1:] = {history1}[:-1]
    {vec=} = {history}[{r}]
    {vecs}.append({vec})
    {vec=1}, {vecs1}[0] = {vecs1}[0], {vec1}
    {vecs1}[:] = [{vec}, {vecs1}[0][::-1], {vecs1}[-1]]
    {vecs1}[0][1:] = {vecs1}[-1][:-1]
    setattr({object}, "u", {v})
    vars({object})["s"] = {n}
    type({object}).total += 0.1 * {n}
    type({object}).shared[1:] += 0.1 * {v}[1:]
    {object}.shared = {v}
    {object1}.u, {vec=1} = {vec1}, {object1}.u
    {object1}.peer = {object1}
    {object1}.peer = copy.copy({object1})
    {object1}.u = {object1}.peer.u
    {object}.peer.s += 0.1 * {n}
    {object1}.peer = copy.deepcopy({object1})
    {object}.extra = {n}
    {num=} = getattr({object}, "extra", 0.5)
    {grow=} = np.append({grow}, {n})[-6:]
    {grow=} = {grow1}[1:] if {grow1}.size > 2 else {grow1} * 0.5
    {grow=} = np.concatenate([0.5 * {grow}, {v}[:1]])
    {late}.append(lambda: {n})
    {late}.append(lambda q={vec}: 0.2 * q.sum())
    {late}.append(partial(np.mean, {vec}))
    {late}.append(partial({object}.step, {vec}))
    {num=} = 0.3 * weigh({late}[-1]())
    {map1}["u"], {vec=2} = {vec2}, {map1}["u"]
    {ring}.append({vec})
    {vec=} = {ring}[-1]
    {nest}["in"]["u"] = {vec}
    {nest1}["in"]["l"][0] = {nest1}["in"]["u"][::-1]
    {nest1}["in"]["self"] = {nest1}["in"]["l"]
    {space}.u = {vec}
    {space1}.__dict__.update(s={n}, u={vec})
    {frozen=} = copy.copy({frozen})
    {spot=} = copy.deepcopy({spot})
""")

STATE = {
    "a": ("vec", ["x[:4].copy()", "np.sin(x[2:])", "x[:4]", "x[1:5]"]),
    "b": ("vec", ["np.zeros(4)", "np.cos(x[1:5])", "a[::-1]", "0.5 * a", "a"]),
    "s": ("num", ["x[0]", "float(x[1])", "0.4", "x.mean()"]),
    "t": ("num", ["0.0", "0", "math.cos(x[5])", "1"]),
    "m": ("mat", ["np.outer(x[:3], a)", "np.zeros((3, 4))", "np.sin(np.add.outer(x[3:], b))"]),
    "c": ("vec", ["a[:]", "np.sin(a * b)", "np.full(4, 0.3)", "x[2:]"]),
    "z": ("wave", ["a + 1j * x[2:]", "np.exp(1j * a)", "np.zeros(4, dtype=complex)"]),
    "h": ("nums", ["[s]", "[0.1, s]", "[float(x[2])]"]),
    "past": ("vecs", ["[a.copy()]", "[np.zeros(4), np.sin(a)]", "[a, b]"]),
    "d": ("map", ['{"u": 1.5 * a, "s": s}', '{"u": a, "s": 0.3}']),
    "rng": ("rng", ["np.random.default_rng(5)"]),
    "n": ("int", ["0"]),
    "hist": ("history", ["np.zeros((8, 4))", "np.tile(b, (8, 1))"]),
    "order": ("order", ["np.array([2, 0, 1, 3])", "np.argsort(x[:4])"]),
    "alive": ("mask", ["np.ones(4, bool)", "x[:4] > 0"]),
    "pair": ("pair", ["(np.sin(a), s)", "(a, 0.3)"]),
    "spot": ("spot", ["Spot(np.sin(a), s)", "Spot(b, 0.3)"]),
    "frozen": ("frozen", ["Frozen(np.sin(a), s)", "Frozen(a, 0.3)"]),
    "ring": ("ring", ["deque([np.sin(a), np.zeros(4)], maxlen=2)", "deque([a, b], maxlen=2)"]),
    "nest": ("nest", ['{"in": {"u": np.sin(a), "l": [np.zeros(4), s]}}', '{"in": {"u": a, "l": [b, 0.3]}}']),
    "space": ("space", ["SimpleNamespace(u=np.sin(a), s=s)", "SimpleNamespace(u=b, s=0.3)"]),
    "last": ("maybe", ["None", "np.sin(a)"]),
    "turn": ("turn", ["0.5 + 0.2j", "complex(s)", "np.exp(1j * s)"]),
}
"""The variables of a program: their names, kinds and first values. Those of `ALWAYS` are in every program."""

ALWAYS = ("a", "b", "s")

WILD_STATE = {
    "g": ("grow", ["0.5 * a", "a[:2]"]),
    "later": ("late", ["[lambda: 0.3]"]),
}

PARTS = {
    "map": [("vec", '["u"]'), ("num", '["s"]')],
    "pair": [("vec", "[0]"), ("num", "[1]")],
    "spot": [("vec", ".u"), ("num", ".s")],
    "frozen": [("vec", ".u"), ("num", ".s")],
    "ring": [("vec", "[0]")],
    "nest": [("vec", '["in"]["u"]'), ("vec", '["in"]["l"][0]'), ("num", '["in"]["l"][1]')],
    "space": [("vec", ".u"), ("num", ".s")],
}
"""What variables of these kinds hold that is a variable for itself."""

IMMUTABLE = ("pair", "spot", "frozen")
"""Kinds whose parts cannot be bound anew."""
