"""The frozen results of the Go program, a fresh run of it, and a definition of ours in the same form."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from llb import wire
from llb.graph import Definition, LinuxResources, OpMetadata, digest_of

HERE = Path(__file__).parent
FROZEN = HERE / "golden.json"

Results = dict[str, Any]
"""`cases`: by name; `tables`: answers of small Go functions by argument."""


def go() -> str | None:
    """The Go tool, if this machine has it."""
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


@cache
def from_go() -> Results:
    """What the Go program says now, ops included."""
    tool = go()
    assert tool is not None
    run = subprocess.run([tool, "run", "./definitions"], cwd=HERE.parent, check=True, stdout=subprocess.PIPE)
    raw = json.loads(run.stdout)
    return {"cases": {one["name"]: _normal(one) for one in raw["cases"]}, "tables": raw["tables"]}


def _normal(raw: dict[str, Any]) -> dict[str, Any]:
    ops = [base64.b64decode(op) for op in raw["ops"] or ()]
    digests = [digest_of(op) for op in ops]
    described: dict[str, dict[str, Any]] = raw["metadata"] or {}
    metadata = {digest: _normal_metadata(one) for digest, one in described.items()}
    # One vertex that is met twice has its locations twice in Go; they say the same.
    locations = {
        digest: list({json.dumps(one): [one["source"], one["ranges"]] for one in several}.values())
        for digest, several in raw["locations"].items()
    }
    return {
        "ops": ops,
        "digests": digests,
        "metadata": [metadata.pop(digest) for digest in digests] + ([metadata] if metadata else []),
        "sources": [
            {
                "filename": one["filename"],
                "language": one["language"],
                "data": base64.b64decode(one["data"] or "").decode(),
                "definition": _frozen(_normal(one["definition"])) if one.get("definition") else None,
            }
            for one in raw["sources"]
        ],
        "locations": dict(sorted(locations.items())),
    }


def _normal_metadata(raw: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        **raw,
        "caps": sorted(name for name, wanted in raw.get("caps", {}).items() if wanted),
    }
    if "export_cache" in out:
        out["export_cache"] = bool(out["export_cache"].get("Value"))
    return out


def describe(definition: Definition) -> dict[str, Any]:
    """A definition of ours as `from_go` has its cases."""
    metadata = dict(definition.metadata)
    locations = {
        digest: [
            [one.integer(1), [_range(row) for row in one.messages(2)]]
            for one in wire.Reader(encoded).messages(1)
        ]
        for digest, encoded in definition.encoded_locations.items()
    }
    return {
        "ops": list(definition.ops),
        "digests": list(definition.digests()),
        "metadata": [_describe_metadata(metadata.pop(digest)) for digest in definition.digests()]
        + [_describe_metadata(one) for one in metadata.values()],
        "sources": [
            {
                "filename": file.filename,
                "language": file.language,
                "data": file.data.decode(),
                "definition": _frozen(describe(file.definition)) if file.definition is not None else None,
            }
            for file in definition.sources
        ],
        "locations": dict(sorted(locations.items())),
    }


def _range(one: wire.Reader) -> list[int]:
    start, end = one.message(1), one.message(2)
    return [start.integer(1), start.integer(2), end.integer(1), end.integer(2)]


def _describe_metadata(one: OpMetadata) -> dict[str, Any]:
    out: dict[str, Any] = {"caps": list(one.capabilities)}
    if one.ignore_cache:
        out["ignore_cache"] = True
    if one.description:
        out["description"] = dict(one.description)
    if one.export_cache is not None:
        out["export_cache"] = one.export_cache
    if one.progress_group is not None:
        group = one.progress_group
        out["progress_group"] = _present(id=group.id, name=group.name, weak=group.weak)
    if one.linux_resources is not None:
        limits: LinuxResources = one.linux_resources
        out["linux_resources"] = _present(
            memory=limits.memory,
            memorySwap=limits.memory_swap,
            cpuShares=limits.cpu_shares,
            cpuPeriod=limits.cpu_period,
            cpuQuota=limits.cpu_quota,
            cpusetCpus=limits.cpuset_cpus,
            cpusetMems=limits.cpuset_mems,
        )
    return out


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _frozen(result: dict[str, Any]) -> dict[str, Any]:
    """A result without its ops: the digests stand for them."""
    return {name: value for name, value in result.items() if name != "ops"}


def freeze(results: Results) -> None:
    """Write `golden.json`: a line per case; metadata that repeats is written once."""
    pool: dict[str, int] = {}
    cases = {
        name: _frozen(result)
        | {
            "metadata": [
                pool.setdefault(json.dumps(one, sort_keys=True), len(pool)) for one in result["metadata"]
            ]
        }
        for name, result in results["cases"].items()
    }
    lines = [f"{json.dumps(name)}: {json.dumps(case, ensure_ascii=False)}" for name, case in cases.items()]
    tables = [f"{json.dumps(name)}: {json.dumps(table)}" for name, table in sorted(results["tables"].items())]
    FROZEN.write_text(
        '{"cases": {\n'
        + ",\n".join(lines)
        + '\n}, "metadata": [\n'
        + ",\n".join(pool)
        + '\n], "tables": {\n'
        + ",\n".join(tables)
        + "\n}}\n"
    )


@cache
def frozen() -> Results:
    """What the Go program said when `golden.json` was made; without ops."""
    raw = json.loads(FROZEN.read_text())
    for case in raw["cases"].values():
        case["metadata"] = [raw["metadata"][number] for number in case["metadata"]]
    return {"cases": raw["cases"], "tables": raw["tables"]}
