"""Images as chains of steps, and how they become what BuildKit builds."""

from __future__ import annotations

from llb.image.compile import ImageDefinition, bases_of, compile_to_llb
from llb.image.image import Image
from llb.image.options import BuildOptions
from llb.image.patterns import AUTO_DOCKERIGNORE, NON_PYTHON_FILES, FilePatternMatcher
from llb.image.resolver import (
    Bases,
    DockerfileRequest,
    LocalDirectory,
    LocalEntry,
    ResolvedBase,
    ResolvedContext,
    ResolvedDockerfile,
    Resolver,
)
from llb.image.secrets import Secret, SecretRequest

__all__ = [
    "AUTO_DOCKERIGNORE",
    "NON_PYTHON_FILES",
    "Bases",
    "BuildOptions",
    "DockerfileRequest",
    "FilePatternMatcher",
    "Image",
    "ImageDefinition",
    "LocalDirectory",
    "LocalEntry",
    "ResolvedBase",
    "ResolvedContext",
    "ResolvedDockerfile",
    "Resolver",
    "Secret",
    "SecretRequest",
    "bases_of",
    "compile_to_llb",
]
