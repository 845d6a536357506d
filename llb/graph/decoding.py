"""Ops as plain values again, for dumps: the whole of `ops.proto`, by field number.

Source: https://github.com/moby/buildkit/blob/v0.32.2/solver/pb/ops.proto
"""

from __future__ import annotations

import base64

from llb import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# name: kind. A kind is int, bool, str, bytes, a message, or `A|B|…`, the words of an enum from 0 on.
# `*` after it: repeated; `{}` after it: a map from text.
MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "Op": {
        1: ("inputs", "Input*"),
        2: ("exec", "ExecOp"),
        3: ("source", "SourceOp"),
        4: ("file", "FileOp"),
        5: ("build", "BuildOp"),
        6: ("merge", "MergeOp"),
        7: ("diff", "DiffOp"),
        8: ("passthrough", "PassthroughOp"),
        10: ("platform", "Platform"),
        11: ("constraints", "WorkerConstraints"),
    },
    "Input": {1: ("digest", "str"), 2: ("index", "int")},
    "Platform": {
        1: ("Architecture", "str"),
        2: ("OS", "str"),
        3: ("Variant", "str"),
        4: ("OSVersion", "str"),
        5: ("OSFeatures", "str*"),
    },
    "WorkerConstraints": {1: ("filter", "str*")},
    "ExecOp": {
        1: ("meta", "Meta"),
        2: ("mounts", "Mount*"),
        3: ("network", "UNSET|HOST|NONE"),
        4: ("security", "SANDBOX|INSECURE"),
        5: ("secretenv", "SecretEnv*"),
        6: ("cdiDevices", "CDIDevice*"),
    },
    "Meta": {
        1: ("args", "str*"),
        2: ("env", "str*"),
        3: ("cwd", "str"),
        4: ("user", "str"),
        5: ("proxy_env", "ProxyEnv"),
        6: ("extraHosts", "HostIP*"),
        7: ("hostname", "str"),
        9: ("ulimit", "Ulimit*"),
        10: ("cgroupParent", "str"),
        11: ("removeMountStubsRecursive", "bool"),
        12: ("validExitCodes", "int*"),
    },
    "ProxyEnv": {
        1: ("http_proxy", "str"),
        2: ("https_proxy", "str"),
        3: ("ftp_proxy", "str"),
        4: ("no_proxy", "str"),
        5: ("all_proxy", "str"),
    },
    "HostIP": {1: ("Host", "str"), 2: ("IP", "str")},
    "Ulimit": {1: ("Name", "str"), 2: ("Soft", "int"), 3: ("Hard", "int")},
    "SecretEnv": {1: ("ID", "str"), 2: ("name", "str"), 3: ("optional", "bool")},
    "CDIDevice": {1: ("name", "str"), 2: ("optional", "bool")},
    "Mount": {
        1: ("input", "int"),
        2: ("selector", "str"),
        3: ("dest", "str"),
        4: ("output", "int"),
        5: ("readonly", "bool"),
        6: ("mountType", "BIND|SECRET|SSH|CACHE|TMPFS"),
        19: ("TmpfsOpt", "TmpfsOpt"),
        20: ("cacheOpt", "CacheOpt"),
        21: ("secretOpt", "SecretOpt"),
        22: ("SSHOpt", "SSHOpt"),
        23: ("resultID", "str"),
        24: ("contentCache", "DEFAULT|ON|OFF"),
    },
    "TmpfsOpt": {1: ("size", "int")},
    "CacheOpt": {1: ("ID", "str"), 2: ("sharing", "SHARED|PRIVATE|LOCKED")},
    "SecretOpt": {
        1: ("ID", "str"),
        2: ("uid", "int"),
        3: ("gid", "int"),
        4: ("mode", "int"),
        5: ("optional", "bool"),
    },
    "SSHOpt": {
        1: ("ID", "str"),
        2: ("uid", "int"),
        3: ("gid", "int"),
        4: ("mode", "int"),
        5: ("optional", "bool"),
    },
    "SourceOp": {1: ("identifier", "str"), 2: ("attrs", "str{}")},
    "BuildOp": {
        1: ("builder", "int"),
        2: ("inputs", "BuildInput{}"),
        3: ("def", "bytes"),
        4: ("attrs", "str{}"),
    },
    "BuildInput": {1: ("input", "int")},
    "FileOp": {2: ("actions", "FileAction*")},
    "FileAction": {
        1: ("input", "int"),
        2: ("secondaryInput", "int"),
        3: ("output", "int"),
        4: ("copy", "FileActionCopy"),
        5: ("mkfile", "FileActionMkFile"),
        6: ("mkdir", "FileActionMkDir"),
        7: ("rm", "FileActionRm"),
        8: ("symlink", "FileActionSymlink"),
    },
    "FileActionCopy": {
        1: ("src", "str"),
        2: ("dest", "str"),
        3: ("owner", "ChownOpt"),
        4: ("mode", "int"),
        5: ("followSymlink", "bool"),
        6: ("dirCopyContents", "bool"),
        7: ("attemptUnpackDockerCompatibility", "bool"),
        8: ("createDestPath", "bool"),
        9: ("allowWildcard", "bool"),
        10: ("allowEmptyWildcard", "bool"),
        11: ("timestamp", "int"),
        12: ("include_patterns", "str*"),
        13: ("exclude_patterns", "str*"),
        14: ("alwaysReplaceExistingDestPaths", "bool"),
        15: ("modeStr", "str"),
        16: ("required_paths", "str*"),
    },
    "FileActionMkFile": {
        1: ("path", "str"),
        2: ("mode", "int"),
        3: ("data", "bytes"),
        4: ("owner", "ChownOpt"),
        5: ("timestamp", "int"),
    },
    "FileActionMkDir": {
        1: ("path", "str"),
        2: ("mode", "int"),
        3: ("makeParents", "bool"),
        4: ("owner", "ChownOpt"),
        5: ("timestamp", "int"),
    },
    "FileActionRm": {1: ("path", "str"), 2: ("allowNotFound", "bool"), 3: ("allowWildcard", "bool")},
    "FileActionSymlink": {
        1: ("oldpath", "str"),
        2: ("newpath", "str"),
        3: ("owner", "ChownOpt"),
        4: ("timestamp", "int"),
    },
    "ChownOpt": {1: ("user", "UserOpt"), 2: ("group", "UserOpt")},
    "UserOpt": {1: ("byName", "NamedUserOpt"), 2: ("byID", "int")},
    "NamedUserOpt": {1: ("name", "str"), 2: ("input", "int")},
    "MergeOp": {1: ("inputs", "MergeInput*")},
    "MergeInput": {1: ("input", "int")},
    "DiffOp": {1: ("lower", "LowerDiffInput"), 2: ("upper", "UpperDiffInput")},
    "LowerDiffInput": {1: ("input", "int")},
    "UpperDiffInput": {1: ("input", "int")},
    "PassthroughOp": {1: ("id", "str"), 2: ("outputs", "int*")},
}
_ALWAYS = {
    "Mount": ("input", "dest", "output"),
    "FileAction": ("input", "secondaryInput", "output"),
    "Input": ("digest", "index"),
    "MergeInput": ("input",),
    "LowerDiffInput": ("input",),
    "UpperDiffInput": ("input",),
    "BuildInput": ("input",),
}
"""Fields whose 0 says something."""


def decode_op(op: bytes) -> dict[str, Any]:
    """An op as JSON can hold it: proto names, defaults left out, enums as words, bytes in base64.

    What this version does not know is kept under `unknown`, by field number.
    """
    return _message("Op", wire.Reader(op))


def _message(name: str, reader: wire.Reader) -> dict[str, Any]:
    known = MESSAGES[name]
    out: dict[str, Any] = {}
    for number, (field, kind) in known.items():
        if reader.has(number):
            value = _field(kind, reader, number)
            if value or kind in MESSAGES or (number == 2 and name == "UserOpt"):
                out[field] = value
                continue
        if field in _ALWAYS.get(name, ()):
            out[field] = "" if kind == "str" else 0
    unknown = {str(number): values for number, values in reader.raw().items() if number not in known}
    if unknown:
        out["unknown"] = {
            number: [
                value if isinstance(value, int) else base64.b64encode(value).decode() for value in values
            ]
            for number, values in sorted(unknown.items())
        }
    return out


def _field(kind: str, reader: wire.Reader, number: int) -> Any:
    if kind == "str*":
        return reader.strings(number)
    if kind == "int*":
        return reader.integers(number)
    if kind == "str{}":
        return {key: value.decode() for key, value in sorted(reader.mapping(number).items())}
    if kind.endswith("*"):
        return [_message(kind[:-1], one) for one in reader.messages(number)]
    if kind.endswith("{}"):
        entries = sorted(reader.mapping(number).items())
        return {key: _message(kind[:-2], wire.Reader(value)) for key, value in entries}
    if kind == "str":
        return reader.string(number)
    if kind == "bytes":
        return base64.b64encode(reader.data(number)).decode()
    if kind in MESSAGES:
        return _message(kind, reader.message(number))
    value = reader.integer(number)
    if kind == "int":
        return value
    if kind == "bool":
        return bool(value)
    words = kind.split("|")
    return words[value] if 0 < value < len(words) else value
