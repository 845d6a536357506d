"""Container images defined in Python, compiled straight to BuildKit's LLB.

    from llb import Image

    image = Image.debian_slim("3.12").apt_install("git").pip_install("numpy")

An image file like this is built by `docker build -f image.py .` (with our frontend image), by `buildctl`, or
compiled by `llb compile image.py` and `compile_to_llb(image)`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.errors import LLBError
    from llb.image import FilePatternMatcher, Image, Secret, compile_to_llb
    from llb.image.buckets import CloudBucketMount
    from llb.image.volumes import NetworkFileSystem, Volume
    from llb.imagefile import build_arg

__all__ = [
    "CloudBucketMount",
    "FilePatternMatcher",
    "Image",
    "LLBError",
    "NetworkFileSystem",
    "Secret",
    "Volume",
    "build_arg",
    "compile_to_llb",
]
__version__ = "0.1.0.dev0"

# Loaded at first use: the frontend container sends its first requests while these are still being imported.
_HOMES = {
    "CloudBucketMount": "llb.image.buckets",
    "FilePatternMatcher": "llb.image",
    "Image": "llb.image",
    "LLBError": "llb.errors",
    "NetworkFileSystem": "llb.image.volumes",
    "Secret": "llb.image",
    "Volume": "llb.image.volumes",
    "build_arg": "llb.imagefile",
    "compile_to_llb": "llb.image",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'llb' has no attribute {name!r}")
    __import__(home)  # not importlib.import_module: importlib loads warnings, at 1 ms
    value = globals()[name] = getattr(sys.modules[home], name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
