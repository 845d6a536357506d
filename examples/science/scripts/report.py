"""Says what the readings have in common."""

import os

import pandas

readings = pandas.read_csv(os.environ["DATA"])
print(readings.groupby("sensor")["value"].mean().round(0).to_dict())
