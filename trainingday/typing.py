"""Array aliases used across the code; the shape is named in each docstring."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
PathArray = NDArray[np.int8]
BoolArray = NDArray[np.bool_]
JSONDict = dict[str, Any]
