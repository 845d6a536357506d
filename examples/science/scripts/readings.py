"""Makes a thousand readings of three sensors."""

import numpy

random = numpy.random.default_rng(7)
print("sensor,value")
for number, value in enumerate(random.normal(20, 2, 1000)):
    print(f"{'abc'[number % 3]},{value:.3f}")
