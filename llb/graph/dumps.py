"""Definitions as text, as JSON, and as a drawing."""

from __future__ import annotations

import base64
import json

from llb.graph.decoding import decode_op
from llb.graph.definition import Definition, op_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from llb.graph.metadata import OpMetadata, SourceFile

_KINDS = ("exec", "source", "file", "build", "merge", "diff", "passthrough")


# -- JSON ----------------------------------------------------------------------------------------------------


def dump_json(definition: Definition) -> dict[str, Any]:
    """Everything in a definition, as JSON can hold it; keys always in the same order.

    `vertices` are in the order of the definition, inputs first; `result` is the output that it names.
    """
    vertices: list[dict[str, Any]] = []
    for digest, op in list(zip(definition.digests(), definition.ops, strict=True))[:-1]:
        vertex: dict[str, Any] = {"digest": digest, "op": decode_op(op)}
        if digest in definition.metadata:
            vertex["metadata"] = _metadata(definition.metadata[digest])
        if ranges := definition.locations.get(digest):
            vertex["locations"] = [
                {
                    "source": definition.sources.index(one.file),
                    "start": {"line": one.start_line, "character": one.start_character},
                    "end": {"line": one.end_line, "character": one.end_character},
                }
                for one in ranges
            ]
        vertices.append(vertex)
    out: dict[str, Any] = {"vertices": vertices}
    if definition.ops:
        out["result"] = {"digest": definition.head, "index": definition.head_index}
        out["digest"] = definition.digest
        out["capabilities"] = sorted(definition.capabilities)
    out["sources"] = [_source(file) for file in definition.sources]
    return out


def _metadata(one: OpMetadata) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if one.description:
        out["description"] = dict(one.description)
    if one.ignore_cache:
        out["ignore_cache"] = True
    if one.export_cache is not None:
        out["export_cache"] = one.export_cache
    if one.progress_group is not None:
        group = one.progress_group
        out["progress_group"] = {"id": group.id, "name": group.name, "weak": group.weak}
    if one.linux_resources is not None:
        limits = one.linux_resources
        values = {
            "memory": limits.memory,
            "memorySwap": limits.memory_swap,
            "cpuShares": limits.cpu_shares,
            "cpuPeriod": limits.cpu_period,
            "cpuQuota": limits.cpu_quota,
            "cpusetCpus": limits.cpuset_cpus,
            "cpusetMems": limits.cpuset_mems,
        }
        out["linux_resources"] = {name: value for name, value in values.items() if value}
    out["caps"] = list(one.capabilities)
    return out


def _source(file: SourceFile) -> dict[str, Any]:
    out: dict[str, Any] = {"filename": file.filename, "language": file.language}
    try:
        out["text"] = file.data.decode()
    except ValueError:
        out["data"] = base64.b64encode(file.data).decode()
    if file.definition is not None:
        out["definition"] = dump_json(file.definition)
    return out


# -- text ----------------------------------------------------------------------------------------------------


def dump_text(definition: Definition) -> str:
    """The vertices with what they do, inputs first, numbered from 1; the last line names the result."""
    if not definition.ops:
        return "an empty filesystem\n"
    numbers = {digest: number for number, digest in enumerate(definition.digests(), 1)}
    lines: list[str] = []
    for digest, op in list(zip(definition.digests(), definition.ops, strict=True))[:-1]:
        metadata = definition.metadata.get(digest)
        head = f"#{numbers[digest]} {digest[7:19]}"
        if metadata is not None and metadata.name:
            head += f" {metadata.name}"
        lines.append(head)
        lines += ["    " + line for line in describe(op, numbers)]
        if metadata is not None and (notes := _notes(metadata)):
            lines.append("    " + ", ".join(notes))
        for one in definition.locations.get(digest, ()):
            last = f"-{one.end_line}" if one.end_line != one.start_line else ""
            lines.append(f"    at {one.file.filename}:{one.start_line}{last}")
    lines.append(f"= {_output(numbers[definition.head], definition.head_index)}")
    return "\n".join(lines) + "\n"


def describe(op: bytes, numbers: Mapping[str, int]) -> list[str]:
    """What an op does, a line each; its inputs by their numbers."""
    decoded = decode_op(op)
    inputs = [_output(numbers[one["digest"]], one["index"]) for one in decoded.get("inputs", ())]
    kind = next((kind for kind in _KINDS if kind in decoded), "unknown")
    body: dict[str, Any] = decoded.get(kind, {})
    if kind == "exec":
        lines = _exec(body, inputs)
    elif kind == "file":
        lines = _file(body, inputs)
    elif kind == "source":
        lines = [f"source {body.get('identifier', '')}"]
        lines += [f"  {key}={_short(value)}" for key, value in body.get("attrs", {}).items()]
    elif kind == "diff":
        lines = [f"diff {_input(inputs, body['lower']['input'])} -> {_input(inputs, body['upper']['input'])}"]
    elif kind == "merge":
        lines = [f"merge {' '.join(inputs)}"]
    elif kind == "passthrough":
        lines = [f"passthrough {body.get('id', '')} {' '.join(inputs)}"]
    elif kind == "build":
        name = body.get("attrs", {}).get("llbbuild.filename", "buildkit.llb.definition")
        lines = [f"build {name} in {' '.join(inputs)}"]
    else:
        lines = [f"an op that this version does not know, on {' '.join(inputs)}"]
    platform = op_platform(op)
    if platform is not None:
        lines[0] += f"  ({platform})"
    if filters := decoded.get("constraints", {}).get("filter"):
        lines.append("only on workers " + ", ".join(filters))
    return lines


def _exec(body: dict[str, Any], inputs: list[str]) -> list[str]:
    meta = body["meta"]
    lines = ["exec " + json.dumps(meta.get("args", []), ensure_ascii=False)]
    options = [f"{name}={meta[name]}" for name in ("cwd", "user", "hostname", "cgroupParent") if name in meta]
    options += [f"{name}={body[name].lower()}" for name in ("network", "security") if name in body]
    if meta.get("validExitCodes"):
        options.append("exit codes " + ",".join(map(str, meta["validExitCodes"])))
    lines.append("  " + " ".join(options))
    lines += [f"  env {_short(one)}" for one in meta.get("env", ())]
    lines += [f"  host {one.get('Host', '')}={one.get('IP', '')}" for one in meta.get("extraHosts", ())]
    for one in meta.get("ulimit", ()):
        lines.append(f"  ulimit {one.get('Name', '')}={one.get('Soft', 0)}:{one.get('Hard', 0)}")
    if "proxy_env" in meta:
        lines.append("  proxy " + " ".join([f"{key}={value}" for key, value in meta["proxy_env"].items()]))
    for mount in body.get("mounts", ()):
        lines.append("  " + _mount(mount, inputs))
    for one in body.get("secretenv", ()):
        lines.append(f"  env {one.get('name', '')} from secret {one.get('ID', '')}{_optional(one)}")
    lines += [f"  device {one.get('name', '')}{_optional(one)}" for one in body.get("cdiDevices", ())]
    return [line for line in lines if line.strip()]


def _mount(mount: dict[str, Any], inputs: list[str]) -> str:
    kind = mount.get("mountType", "BIND")
    text = f"mount {mount['dest']}"
    if kind == "SECRET":
        return f"{text} secret {mount['secretOpt'].get('ID', '')}{_optional(mount['secretOpt'])}"
    if kind == "SSH":
        return f"{text} ssh {mount['SSHOpt'].get('ID', '') or 'default'}{_optional(mount['SSHOpt'])}"
    if kind == "TMPFS":
        size = mount["TmpfsOpt"].get("size")
        return f"{text} tmpfs" + (f" of {size} bytes" if size else "")
    if kind == "CACHE":
        options = mount["cacheOpt"]
        text += f" cache {options.get('ID', '')} {options.get('sharing', 'SHARED').lower()}"
    text += f" from {_input(inputs, mount['input'])}"
    if "selector" in mount:
        text += f" {mount['selector']}"
    if mount.get("readonly"):
        text += " readonly"
    elif mount["output"] >= 0:
        text += f" as .{mount['output']}"
    if "contentCache" in mount:
        text += f" content cache {mount['contentCache'].lower()}"
    return text


def _file(body: dict[str, Any], inputs: list[str]) -> list[str]:
    actions = body.get("actions", [])
    lines = ["file"]
    for number, action in enumerate(actions):
        kind = next(
            (kind for kind in ("copy", "mkfile", "mkdir", "rm", "symlink") if kind in action), "unknown"
        )
        fields: dict[str, Any] = dict(action.get(kind, {}))
        if kind == "copy":
            source = _input(inputs, action["secondaryInput"])
            text = f"copy {source} {fields.pop('src', '')} to {fields.pop('dest', '')}"
        elif kind == "symlink":
            text = f"symlink {fields.pop('newpath', '')} to {fields.pop('oldpath', '')}"
        else:
            text = f"{kind} {fields.pop('path', '')}"
        if fields.get("timestamp") == -1:
            del fields["timestamp"]
        if fields.get("mode") == -1:
            del fields["mode"]
        if "mode" in fields:
            fields["mode"] = f"{fields['mode']:04o}"
        if "data" in fields:
            fields["data"] = f"{len(base64.b64decode(fields['data']))} bytes"
        if "owner" in fields:
            users = [fields["owner"][one] for one in ("user", "group") if one in fields["owner"]]
            names = [str(user.get("byID", user.get("byName", {}).get("name"))) for user in users]
            fields["owner"] = ":".join(names)
        flags = [name if value is True else f"{name}={_short(value)}" for name, value in fields.items()]
        follows = number > 0 and action["input"] == len(inputs) + number - 1
        place = "" if follows else f" on {_input(inputs, action['input'])}"
        lines.append(f"  {text}{place}" + (f" ({', '.join(flags)})" if flags else ""))
    return lines


def _notes(metadata: OpMetadata) -> list[str]:
    notes: list[str] = []
    if metadata.ignore_cache:
        notes.append("ignores the cache")
    if metadata.export_cache is not None:
        notes.append("always exported to caches" if metadata.export_cache else "never exported to caches")
    if metadata.progress_group is not None:
        notes.append(f"in group {metadata.progress_group.name or metadata.progress_group.id}")
    if metadata.linux_resources is not None:
        limits = metadata.linux_resources
        notes.append(f"limited to {limits.memory} bytes" if limits.memory else "limited")
    return notes


def _optional(one: Mapping[str, Any]) -> str:
    return " (optional)" if one.get("optional") else ""


def _output(number: int, index: int) -> str:
    return f"#{number}.{index}" if index else f"#{number}"


def _input(inputs: list[str], number: int) -> str:
    """An input by its index in an op; results of earlier actions of a file op come behind the inputs."""
    if number < 0:
        return "scratch"
    return inputs[number] if number < len(inputs) else f"action {number - len(inputs) + 1}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


# -- DOT -----------------------------------------------------------------------------------------------------


def dump_dot(definition: Definition) -> str:
    """The graph in Graphviz' language. An edge says which output it takes, unless that is 0."""
    lines = ["digraph llb {", "  rankdir=LR;", '  node [shape=box, fontname="monospace"];']
    digests = definition.digests()
    numbers = {digest: number for number, digest in enumerate(digests, 1)}
    for digest, op in list(zip(digests, definition.ops, strict=True))[:-1]:
        metadata = definition.metadata.get(digest)
        name = metadata.name if metadata is not None else ""
        label = f"{name or describe(op, numbers)[0]}\n{digest[7:19]}"
        lines.append(f"  n{numbers[digest]} [label={_quoted(label)}];")
        for one in decode_op(op).get("inputs", ()):
            taken = f" [label={_quoted(str(one['index']))}]" if one["index"] else ""
            lines.append(f"  n{numbers[one['digest']]} -> n{numbers[digest]}{taken};")
    if definition.ops:
        lines.append(f"  n{numbers[definition.head]} -> result;")
    return "\n".join([*lines, "  result [shape=point];", "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
