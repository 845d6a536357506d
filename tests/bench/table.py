"""Rows of a benchmark: what was measured, beside what, and the ratio. A time never fails."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    ours: Sequence[float]
    theirs: Sequence[float]
    unit: str = "ms"
    goal: str = ""

    def cells(self) -> tuple[str, ...]:
        if not self.theirs:
            return (self.what, _shown(self.ours, self.unit), "", "", self.goal)
        ratio = f"{min(self.ours) / min(self.theirs):.2f} / {_middle(self.ours) / _middle(self.theirs):.2f}"
        return (self.what, _shown(self.ours, self.unit), _shown(self.theirs, self.unit), ratio, self.goal)


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def _shown(values: Sequence[float], unit: str) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f} {unit}"
    return f"{min(values):.1f} / {_middle(values):.1f} {unit}"


def show(title: str, beside: str, rows: Sequence[Row]) -> None:
    """Prints one table: minimum / median, and the ratio of minima / of medians."""
    table = [("what (min / median)", "llb", beside, "ratio", "goal"), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(5)]
    print(f"\n## {title}")
    for number, line in enumerate(table):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
