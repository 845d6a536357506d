"""Scripts written for Modal: evaluated unchanged, for the images that they define.

A script that says `import modal` is no image file of ours, but it says what images it wants: as values, and
as `image=` of its app, functions, classes and sandboxes. Where our doors evaluate such a script
(`docker build -f app.py`, `llb compile app.py`, `load("app.py")`), `import modal` gives a recorder: its
`Image` is `llb.Image`, everything else takes whatever it is given and does nothing. In any other Python
nothing is installed, replaced or hidden.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from llb.imagefile import ImageFile

__all__ = ["load"]


def load(
    path: str | os.PathLike[str], *, build_args: Mapping[str, str] | None = None, timeout: float = 60
) -> ImageFile:
    """Evaluate a script, or an image file, for its images.

    Args:
        path: the script. Modules are looked for beside it, then in the working directory.
        build_args: values for `llb.build_arg`; a script that uses `modal` sees them as environment variables.
        timeout: seconds that it may take.

    Returns:
        What it defines: `targets` has its images by name.

    Raises:
        LLBError: the script, or something in it, is wrong.
        OSError: it cannot be read.

    Example:
        ```python
        from llb import compile_to_llb
        from llb.compat import load

        script = load("app.py")
        definition = compile_to_llb(script.targets["web"])
        ```
    """
    import os
    from pathlib import Path

    from llb.imagefile import execute

    return execute(
        Path(path).read_bytes(),
        os.fspath(path),
        build_args=build_args,
        timeout=timeout,
        directory=os.getcwd(),
    )
