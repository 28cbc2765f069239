import os, numpy as np, sys  # mixed
import numpy
import numpy.linalg
import numpy.linalg as la
import numpy.lib.stride_tricks
import math, math as m
import autograd.numpy as anp
from autograd import grad, numpy as anp2
from math import floor, sqrt as root
from numpy import (
    linalg,  # kept
    zeros as nulls,
)
from numpy import *
from numpy.linalg import norm
from checkpointer import (
    Revolve,
    checkpointed,
)

try: import numpy as np; import json
except ImportError: pass


def convert(x, float_=float):
    import numpy as np
    from checkpointer import checkpointed
    for _ in checkpointed([], Revolve(1)):
        pass
    return float(x), complex(x + 1), float("1"), float(-1), float(), complex(1, x), np.zeros(1, dtype=float)


def shadow(float):
    return float(1 + 1), f"{complex(float)}"
