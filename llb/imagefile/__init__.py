"""Image files: executing one, the modules beside it, and which of its images is meant.

An image file is Python of the user's, so anything may happen in it. Whatever goes wrong ends as one
`LLBError` at the user's line; what it prints goes to whoever executes it, never to the standard output.
"""

from __future__ import annotations

from llb.imagefile.execution import build_arg, call, execute
from llb.imagefile.modules import DirectoryModules, Modules
from llb.imagefile.targets import pick
from llb.imagefile.values import BuildArg, ImageFile, ModuleFile, UserCodeError

__all__ = [
    "BuildArg",
    "DirectoryModules",
    "ImageFile",
    "ModuleFile",
    "Modules",
    "UserCodeError",
    "build_arg",
    "call",
    "execute",
    "pick",
]
