"""The methods of `Image` that speak the Dockerfile language: `dockerfile_commands`, `from_dockerfile`.

What they need beyond that is imported when they are called: few image files call them.
"""

from __future__ import annotations

from llb.image import arguments
from llb.image.chain import Chain, chained, started
from llb.image.commands import run_options
from llb.image.patterns import AUTO_DOCKERIGNORE
from llb.location import last_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from llb.image.secrets import Secret


class Dockerfiles(Chain):
    """The methods of `Image` that speak the Dockerfile language."""

    __slots__ = ()

    @chained
    def dockerfile_commands(
        self,
        *dockerfile_commands: str | list[str],
        context_files: Mapping[str, str | os.PathLike[str]] | None = None,
        secrets: Collection[Secret] | None = None,
        env: Mapping[str, str | None] | None = None,
        gpu: str | None = None,
        context_dir: str | os.PathLike[str] | None = None,
        force_build: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] = AUTO_DOCKERIGNORE,
        build_args: Mapping[str, str] | None = None,
    ) -> Self:
        """Lines of a Dockerfile, in the whole language of the engine's BuildKit, on top of the chain.

        The chain is the image `base`: `FROM base` stands before the lines, unless they begin with a FROM of
        their own. What a later FROM starts is what the chain continues with. Without lines, the image is
        returned as it is.

        Args:
            *dockerfile_commands: lines, or lists of lines; a string may hold several.
            context_files: files for COPY and ADD besides those of the context directory: the name by which a
                line copies it, and the local path.
            secrets: given to each RUN of these lines, as environment variables; later ones win.
            env: environment variables of each RUN of these lines; those whose value is None are left out.
            gpu: a GPU of the builder for each RUN: `"any"`, or a type such as `"A100"`.
            context_dir: what COPY and ADD are relative to; default: the build's context directory. Only what
                they name is transferred.
            force_build: use no cached result of these lines, and of all steps that follow.
            ignore: what they shall not copy, as for `add_local_dir`. Default: what the `.dockerignore` of the
                context directory names.
            build_args: values of ARG.

        Raises:
            InvalidTypeError: a line is not a string.
            InvalidError: a variable's name, or the GPU, is none. What BuildKit refuses in the lines is found
                when the image is compiled.

        Example:
            ```python
            image = image.dockerfile_commands(
                "COPY --from=ghcr.io/astral-sh/uv:0.8 /uv /bin/uv",
                "RUN --mount=type=cache,target=/root/.cache uv pip install --system numpy",
            )
            ```
        """
        from llb.image.dockerfile_context import context_options
        from llb.image.dockerfile_steps import (
            DockerfileCommands,
            Given,
            checked_build_args,
            checked_lines,
        )

        lines = checked_lines("dockerfile_commands", dockerfile_commands)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        context = context_options(context_dir, context_files, ignore)
        given = Given(checked_build_args(build_args), "", context)
        if not any(line.strip() for line in lines):
            return self
        return self._then(DockerfileCommands, options, lines, last_line(), given)

    @classmethod
    @started
    def from_dockerfile(
        cls,
        path: str | os.PathLike[str],
        *,
        force_build: bool = False,
        context_dir: str | os.PathLike[str] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        add_python: str | None = None,
        ignore: Sequence[str] | Callable[[Path], bool] = AUTO_DOCKERIGNORE,
        build_args: Mapping[str, str] | None = None,
        env: Mapping[str, str | None] | None = None,
        registry_secret: Secret | None = None,
        target: str = "",
    ) -> Self:
        """What a Dockerfile builds.

        Args:
            path: the Dockerfile, relative to the build's context directory; read when the image is compiled.
            force_build: use no cached result of it, and of all steps that follow.
            context_dir: what COPY and ADD are relative to; default: the build's context directory. Only what
                they name is transferred.
            secrets: given to each of its RUNs, as environment variables; later ones win.
            gpu: a GPU of the builder for each RUN: `"any"`, or a type such as `"A100"`.
            add_python: puts a standalone CPython of this series on top, as in `from_registry`.
            ignore: what they shall not copy, as for `add_local_dir`. Default: what the first of these files
                names: `NAME.dockerignore` beside the Dockerfile, `.dockerignore` beside it, or that of the
                context directory.
            build_args: values of ARG.
            env: environment variables of each RUN; those whose value is None are left out.
            registry_secret: a login to the registry of its bases, as `secret` of `from_registry`.
            target: the stage to build; empty: the last one.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: `path` is empty, or a variable's name or the GPU is none. That the file is missing,
                or what BuildKit refuses in it, is found when the image is compiled.

        Example:
            ```python
            image = Image.from_dockerfile("docker/Dockerfile", target="build").run_commands("make test")
            ```
        """
        from llb.image.dockerfile_context import context_options
        from llb.image.dockerfile_steps import FromDockerfile, Given, checked_build_args

        example = 'Image.from_dockerfile("Dockerfile")'
        found = arguments.path("path", path, example)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        if target != "":
            target = arguments.text("target", target, f'{example[:-1]}, target="build")')
        given = Given(checked_build_args(build_args), target, context_options(context_dir, None, ignore))
        version, login = "", ""
        if add_python is not None:
            from llb.image.added_python import checked_series

            version = checked_series(add_python)
        if registry_secret is not None:
            from llb.image.logins import checked_login

            login = checked_login(registry_secret)
        return cls._start(FromDockerfile, options, found, given, version, registry_secret, login)
