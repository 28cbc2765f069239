"""Which modules have drop-ins: the table of what is replaced in imports."""

from __future__ import annotations

DROP_IN = {
    "numpy": "checkpointer.numpy",
    "math": "checkpointer.math",
    "mpi4py": "checkpointer.mpi4py",
    "mpi4py.MPI": "checkpointer.mpi4py.MPI",
    "autograd.numpy": "checkpointer.numpy",
    "autograd.numpy.fft": "numpy.fft",
    "autograd.numpy.linalg": "numpy.linalg",
    "autograd.numpy.random": "checkpointer.numpy_random",
    "numpy.random": "checkpointer.numpy_random",
    "scipy": "checkpointer.scipy",
    "scipy.fft": "checkpointer.scipy.fft",
    "scipy.fftpack": "checkpointer.scipy.fftpack",
    "scipy.integrate": "checkpointer.scipy.integrate",
    "scipy.interpolate": "checkpointer.scipy.interpolate",
    "scipy.linalg": "checkpointer.scipy.linalg",
    "scipy.ndimage": "checkpointer.scipy.ndimage",
    "scipy.optimize": "checkpointer.scipy.optimize",
    "scipy.signal": "checkpointer.scipy.signal",
    "scipy.sparse": "checkpointer.scipy.sparse",
    "scipy.sparse.linalg": "checkpointer.scipy.sparse_linalg",
    "scipy.special": "checkpointer.scipy.special",
}
"""Module -> what stands in for it.

NumPy's other submodules stay as they are: their functions reach the tape through NumPy's own protocols. SciPy's have none.
"""

NAMES_OF = {
    "checkpointer.numpy": "checkpointer.numpy_names",
    "checkpointer.numpy_random": "checkpointer.numpy_random_names",
    "checkpointer.math": "checkpointer.math_names",
    "checkpointer.mpi4py.MPI": "checkpointer.mpi4py.MPI_names",
}
"""Drop-in module -> where single names are imported from: they are bound once and for all."""
