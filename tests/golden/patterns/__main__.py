"""Writes `vectors.json` anew."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.golden.patterns import VECTORS, Oracle, answers

with tempfile.TemporaryDirectory() as directory:
    oracle = Oracle.build(Path(directory))
    if oracle is None:
        raise SystemExit("this needs Go, and its modules")
    lines = [
        f"{json.dumps(lines)}: {json.dumps(one, ensure_ascii=False)}"
        for lines, one in answers(oracle).items()
    ]
    oracle.close()
VECTORS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
print(f"{VECTORS}: {len(lines)} cases")
