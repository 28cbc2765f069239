"""Functions, comprehensions and generators in a step, and what NumPy offers."""

import numpy as np

from checkpointer import checkpointed


def defined_in_the_loop(u, scheme):
    """A function and a lambda that are defined anew every step, and used after the loop."""
    for i in checkpointed(range(5), scheme):
        k = 0.1 * i

        def tendency(x):
            return k * np.sin(x)  # noqa: B023

        late = lambda x, i=i: tendency(x) * i  # noqa: E731
        u = u + 0.1 * tendency(u) + 0.01 * late(u)
    return np.sum(u) + tendency(u).sum()


def comprehensions(u, scheme):
    """Lists, dicts and generator expressions of numbers."""
    for i in checkpointed(range(5), scheme):
        products = [x * i for x in u]
        named = dict(enumerate(products))
        total = sum(v * v for v in named.values())
        u = u + 0.01 * total * u
    return np.sum(u)


def generator_of_views(u, scheme):
    """A generator function that yields views which are changed."""

    def pieces(a):
        for k in range(0, a.size, 2):
            yield a[k : k + 2]

    for _ in checkpointed(range(4), scheme):
        for piece in pieces(u):
            piece *= 1.0 + 0.1 * piece[::-1]
        u = u + 0.01 * sum(u)
    return u.sum()


def remember(x, total=[0.0], buffer=np.zeros(3)):  # noqa: B006, B008
    """Keeps state in its default arguments."""
    total[0] += 0.1 * x[0]
    buffer += x[:3]
    return total[0] * buffer.sum()


def mutable_defaults(u, scheme):
    """State in default arguments."""
    remember.__defaults__[0][0] = 0.0
    remember.__defaults__[1][:] = 0
    for _ in checkpointed(range(4), scheme):
        u = u + 0.01 * remember(u) * u
    return u.sum()


def legacy_random(u, scheme):
    """NumPy's global random state."""
    np.random.seed(3)
    for _ in checkpointed(range(4), scheme):
        u = u + 0.1 * np.random.randn(u.size) * u
    return u.sum()


def generator_random(u, scheme):
    """A random generator object."""
    generator = np.random.default_rng(3)
    for _ in checkpointed(range(5), scheme):
        u = u + 0.1 * generator.normal(size=u.size) * u
    return (u**2).sum()


def linear_algebra(u, scheme):
    """Solve, inverse, determinant, Cholesky, eigenvalues, norms and products."""
    for _ in checkpointed(range(3), scheme):
        a = u.reshape(2, 5)
        s = a.T @ a + np.diag(np.arange(2.0, 7.0))
        x = np.linalg.solve(s, a[0]) + np.linalg.inv(s) @ a[1] + np.linalg.cholesky(s)[4]
        x = x + np.linalg.eigh(s)[0] * 0.01 + np.einsum("ij,j->i", s, a[0]) * 0.01
        u = u * (1 + 0.01 * np.linalg.slogdet(s)[1] + 0.01 * np.linalg.norm(x))
        u[:5] += 0.01 * np.tensordot(x, s, 1)
    return np.sum(u**2)


def spectral(u, scheme):
    """Fourier transforms there and back."""
    wavenumbers = np.fft.rfftfreq(u.size)
    for _ in checkpointed(range(4), scheme):
        spectrum = np.fft.rfft(u)
        u = np.fft.irfft(spectrum * np.exp(-0.1 * wavenumbers**2), n=u.size)
        u = u + 0.01 * np.abs(np.fft.fft(u)) ** 2
        u = u + 0.01 * np.fft.ifft(1j * np.fft.fft(u)).real
    return np.sum(u**2)


def reductions(u, scheme):
    """Reductions along axes, with and without the reduced axis kept."""
    for _ in checkpointed(range(3), scheme):
        a = u.reshape(2, 5)
        a = a - 0.1 * a.mean(axis=1, keepdims=True) + 0.1 * a.std(axis=0)
        a = a * (1 + 0.01 * np.var(a, axis=-1, ddof=1)[:, None]) + 0.01 * np.prod(a, axis=0)
        a = a + 0.1 * np.cumsum(a, axis=1) - 0.01 * a.sum(axis=(0, 1)) + 0.01 * a.max() * a.min()
        u = np.ravel(a)
    return np.sum(u**2)


def moved_elements(u, scheme):
    """Joining, splitting, rolling, repeating and sorting."""
    for _ in checkpointed(range(3), scheme):
        left, right = np.split(u, 2)
        u = np.concatenate([right, left[::-1], [1.0]])[:-1] * 0.9
        u = u + 0.1 * np.roll(u, 2) + 0.01 * np.sort(u) + np.tile(left, 2) * 0.1
        u = u + 0.01 * np.repeat(right, 2) + 0.1 * np.take(u, [0, 1, 1, 2, 3, 4, 5, 6, 7, 7])
        u = u + np.hstack((left, right * 0.1)) * 0.1 + 0.1 * np.pad(u[1:-1], (1, 1), mode="constant")
        u[1:] += 0.1 * np.diff(u)
        u += 0.01 * np.outer(left, right).sum() + 0.01 * np.kron(left, [1.0, 2.0])
    return np.sum(u**2)


def functions_made_in_the_loop(u, scheme):
    """Each step makes functions that keep its values in closures and defaults, and they are called after the loop."""
    kept = []

    def made(a):
        def times(x, *, b=a * 2):
            return x * a + b

        return times

    for i in checkpointed(range(5), scheme):
        kept.append(made(u[0] * i))
        kept.append(lambda x, a=u[1]: x * a)

        def total(x, i=i, u=u):
            return x * u[i]

        total.scale = u[2] * 1.0
        kept.append(total)
        u = u * 1.01 + 0.01 * kept[-3](u[1])
    return sum(f(2.0) for f in kept) + u.sum() + kept[5].scale * kept[-1].scale


def classes_made_in_the_loop(u, scheme):
    """A class that each step makes anew, with data and methods of its own."""
    kept = []
    for i in checkpointed(range(5), scheme):

        class Local:
            scale = u[1] * i

            def __init__(self, weight):
                self.weight = weight

            def value(self, u=u):
                return self.weight * self.scale * u[0] + offset  # noqa: B023

        offset = u[3] * 1.0
        kept.append(Local(u[2] * 1.0))
        u = u + 0.01 * kept[-1].value()
        if i == 3:
            Local.scale = u[0] ** 2
    return u.sum() + kept[1].value() + kept[3].scale + type(kept[2]).scale
