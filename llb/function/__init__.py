"""Functions that run elsewhere: what they are made of, as bytes, and the files that run them."""

from __future__ import annotations

from llb.function.payload import (
    ARGUMENTS_LIMIT,
    Payload,
    check_arguments,
    check_function,
    payload_of,
    runner_files,
)
from llb.function.runner import PAYLOAD, SPARE_SETTINGS
from llb.function.running import HOME

__all__ = [
    "ARGUMENTS_LIMIT",
    "HOME",
    "PAYLOAD",
    "SPARE_SETTINGS",
    "Payload",
    "check_arguments",
    "check_function",
    "payload_of",
    "runner_files",
]
