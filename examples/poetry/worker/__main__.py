"""What examples/poetry runs."""

from dateutil.parser import parse
from tabulate import tabulate

print(tabulate([["moon landing", parse("July 20, 1969").isoformat()]], headers=["event", "time"]))
