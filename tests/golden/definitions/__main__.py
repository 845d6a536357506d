"""Compare our definitions with Go's, or freeze Go's anew (`--update`)."""

from __future__ import annotations

import sys

from tests.golden.definitions.cases import CASES, definition_of
from tests.golden.definitions.golden import FROZEN, describe, freeze, from_go, go


def main(arguments: list[str]) -> int:
    if go() is None:
        print("Go is not on this machine: https://go.dev/dl/", file=sys.stderr)
        return 1
    results = from_go()
    cases = results["cases"]
    if "--update" in arguments:
        freeze(results)
        print(f"{FROZEN}: {len(cases)} definitions")
    wrong = [
        name
        for name in sorted({*CASES, *cases})
        if name not in CASES or describe(definition_of(name)) != cases.get(name)
    ]
    vertices = sum(len(case["ops"]) for case in cases.values())
    print(
        f"{len(cases) - len(wrong)} of {len(cases)} definitions equal Go's ({vertices} vertices)",
        *wrong,
        sep="\n  ",
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
