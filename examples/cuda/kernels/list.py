"""Says which kernels were compiled."""

import os
from pathlib import Path

import numpy

names = sorted(path.stem for path in Path(os.environ["KERNELS"]).glob("*.cubin"))
print(numpy.zeros(len(names)).shape, *names)
