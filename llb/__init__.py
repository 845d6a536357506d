"""Container images defined in Python, compiled straight to BuildKit's LLB."""

from __future__ import annotations

from llb.errors import LLBError
from llb.image import FilePatternMatcher, Image, compile_to_llb
from llb.imagefile import build_arg

__all__ = ["FilePatternMatcher", "Image", "LLBError", "build_arg", "compile_to_llb"]
__version__ = "0.1.0.dev0"
