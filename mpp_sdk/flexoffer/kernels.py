"""The loops over columns, compiled. They hold no lock of the interpreter, and check nothing."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def survey(offsets: Array, default: Array, down: Array, up: Array) -> tuple[Array, np.int64]:
    """Return in which direction each offer goes, and the largest energy of a slice either way."""
    offers = len(offsets) - 1
    directions = np.empty(offers, np.int8)
    reach = np.int64(0)
    for offer in range(offers):
        lowest, highest = np.int64(0), np.int64(0)
        for at in range(offsets[offer], offsets[offer + 1]):
            lowest = min(lowest, np.int64(default[at]) - down[at])
            highest = max(highest, np.int64(default[at]) + up[at])
        reach = max(reach, highest, -lowest)
        directions[offer] = 1 if lowest == 0 else (-1 if highest == 0 else 0)
    return directions, reach
