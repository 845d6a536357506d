"""What importing costs: the frontend container pays it in every build, a user at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {
    "asyncio",
    "dataclasses",
    "enum",
    "google",
    "grpc",
    "inspect",
    "pathlib",
    "rich",
    "threading",
    "traceback",
    "typing",
}


def loaded(statement: str) -> set[str]:
    """The modules that a statement loads in a new interpreter, without site-packages' own start-up."""
    code = f"import sys; before = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    command = [sys.executable, "-E", "-S", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import llb",
        "from llb import Image, compile_to_llb, build_arg, FilePatternMatcher",
        "import llb.graph",
        "import llb.gateway",
    ],
)
def test_importing_llb_loads_nothing_slow(statement: str) -> None:
    # re needs enum from Python 3.11 on, and image files' patterns need re.
    assert not loaded(statement) & (SLOW - {"enum"})


def test_the_public_names_are_all_there() -> None:
    import llb

    for name in llb.__all__:
        assert getattr(llb, name) is not None
    assert set(llb.__all__) <= set(dir(llb))
    with pytest.raises(AttributeError, match="no attribute 'Imagee'"):
        _ = llb.Imagee  # pyright: ignore[reportAttributeAccessIssue]
