"""Where a script finds its modules and files: beside itself, above, in the working directory, on its path."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from frontend import scriptfiles
from frontend.loading import Loaded
from llb.compat import load
from llb.errors import ImageFileError, LLBError
from llb.image import LocalEntry
from llb.imagefile import ImageFile, execute
from llb.imagefile.modules import Modules

SCRIPT = "import modal\nimage = modal.Image.debian_slim()\n"


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


# -- relative imports


@pytest.mark.parametrize("folder", ["tools", "06-web", "06_gpu.and.ml", "a/b-c"])
def test_relative_imports_from_any_folder(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        **{
            f"{folder}/app.py": "from . import common\nfrom .common import X\nfrom .deep.er import Y\n"
            + SCRIPT,
            f"{folder}/common.py": "from .deep import er\nX = er.Y + 1\n",
            f"{folder}/deep/er.py": "Y = 1\n",
        },
    )
    monkeypatch.chdir(tmp_path)
    space = load(f"{folder}/app.py").namespace
    assert (space["X"], space["Y"], space["common"].X) == (2, 1, 2)


def test_relative_imports_of_a_script_by_its_full_path(tmp_path: Path) -> None:
    write(tmp_path, **{"d/app.py": "from .common import X\n" + SCRIPT, "d/common.py": "X = 1\n"})
    assert load(tmp_path / "d/app.py").namespace["X"] == 1


def test_relative_imports_from_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        **{
            "pkg/sub-1/app.py": "from ..shared import X\nfrom .. import shared\n" + SCRIPT,
            "pkg/shared.py": "X = 5\n",
        },
    )
    monkeypatch.chdir(tmp_path)
    assert load("pkg/sub-1/app.py").namespace["X"] == 5


def test_a_package_that_is_one_runs_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `__init__` runs first, and so do those above, as with `python -m`."""
    write(
        tmp_path,
        **{
            "pkg/__init__.py": "ABOVE = 1\n",
            "pkg/sub/__init__.py": "from .. import ABOVE\nHERE = ABOVE + 1\n",
            "pkg/sub/app.py": "from . import HERE\n" + SCRIPT,
            "loose/app.py": "from . import nothing_of_the_kind\n" + SCRIPT,
        },
    )
    monkeypatch.chdir(tmp_path)
    assert load("pkg/sub/app.py").namespace["HERE"] == 2
    with pytest.raises(ImageFileError, match="cannot import name 'nothing_of_the_kind'"):
        load("loose/app.py")


def test_relative_imports_are_for_every_image_file() -> None:
    class Beside(Modules):
        def find(self, name: str) -> Any:
            from llb.imagefile import ModuleFile

            return ModuleFile("common.py", b"X = 1") if name == "common" else None

    file = execute(b"from .common import X\n", "image.py", modules=Beside())
    assert file.namespace["X"] == 1


def test_a_module_of_the_script_that_uses_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script itself need not name it."""
    write(
        tmp_path,
        **{
            "app.py": "from shared import app, image\n\n@app.function(image=image)\ndef f(): ...\n",
            "shared.py": "import torch\nimport modal\napp = modal.App()\nimage = modal.Image.debian_slim()\n"
            "@app.function(image=image.env({'A': '1'}), name='f')\ndef other(): ...\n",
        },
    )
    monkeypatch.chdir(tmp_path)
    file = load("app.py")
    assert list(file.targets) == ["image", "f", "app.f"]
    assert file.targets["f"] is file.targets["image"]


# -- the working directory, and the path


def test_modules_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, **{"deploy/app.py": "from src.common import X\n" + SCRIPT, "src/common.py": "X = 3\n"})
    monkeypatch.chdir(tmp_path)
    assert load("deploy/app.py").namespace["X"] == 3


def test_modules_of_a_directory_that_the_script_puts_on_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    write(
        tmp_path,
        **{
            "deploy/app.py": "import sys, pathlib\n"
            "sys.path.append(str(pathlib.Path(__file__).parent.parent / 'lib'))\nimport common\n" + SCRIPT,
            "lib/common.py": "import modal\nX = modal.is_local()\n",
        },
    )
    monkeypatch.chdir(tmp_path)
    assert load("deploy/app.py").namespace["common"].X is True
    assert sys.path == before


def test_a_variable_that_is_not_set_is_told_how_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOBODY_SETS_THIS", raising=False)
    with pytest.raises(ImageFileError) as caught:
        execute(b"import os, modal\nx = os.environ['NOBODY_SETS_THIS']\n", "app.py", modules=Modules())
    assert caught.value.message == "KeyError: 'NOBODY_SETS_THIS'"
    assert caught.value.hint == "Give it a value: --build-arg NOBODY_SETS_THIS=…"


# -- files, in the frontend container


class Client:
    """The client's files, as the resolver answers for them."""

    def __init__(self, root: Path, places: dict[str, str]) -> None:
        self.root = root
        self.places = places
        self.asked: list[str] = []

    def place(self, path: str) -> tuple[str, str] | None:
        for start, local in self.places.items():
            if path == start or path.startswith(f"{start}/"):
                return local, path[len(start) + 1 :] or "."
        return None

    def look_up(self, paths: Iterable[tuple[str, str]]) -> None:
        self.asked += [f"{local}:{path}" for local, path in paths]

    def stat(self, local: str, path: str) -> LocalEntry:
        found = self.root / local / path
        kind = "dir" if found.is_dir() else "file" if found.is_file() else "missing"
        return LocalEntry(path, kind)

    def walk(self, local: str, path: str) -> Iterable[LocalEntry]:
        start = self.root / local / path
        for found in sorted(start.rglob("*")):
            yield LocalEntry(str(found.relative_to(start)), "dir" if found.is_dir() else "file")

    def read(self, local: str, path: str) -> bytes:
        self.asked.append(f"read {local}:{path}")
        return (self.root / local / path).read_bytes()


def in_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[ImageFile, Client]:
    """Executes a script as the frontend container does, where only what is asked for comes from the client."""
    here = tmp_path / "container"
    definition, context = str(here / "definition"), str(here / "context")
    monkeypatch.setattr(scriptfiles, "DEFINITION", definition)
    monkeypatch.setattr(scriptfiles, "CONTEXT", context)
    monkeypatch.setattr(scriptfiles, "PLACES", (f"{context}/", f"{definition}/"))
    monkeypatch.setenv("HOME", "/nonexistent")
    client = Client(tmp_path / "client", {definition: "dockerfile", context: "context"})
    source = ("import modal\n" + text).encode()
    loaded: Any = Loaded("app.py", source, None, "", b"", "dockerfile")  # pyright: ignore[reportArgumentType]
    resolver: Any = client
    files = scriptfiles.ScriptFiles(lambda: resolver, loaded)

    class Container(Modules):
        def enter_script(self) -> None:
            files.enter()

        def leave_script(self) -> None:
            files.leave()

    before = (os.getcwd(), os.stat, open)
    file = execute(source, "app.py", modules=Container(), directory=definition)
    os.chdir(before[0])
    assert (os.stat, open) == before[1:]
    return file, client


def test_files_come_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path / "client",
        **{
            "dockerfile/requirements.txt": "six\n",
            "dockerfile/unread.bin": "x",
            "context/web/index.html": "<p>",
            "context/web/deep/a.js": "1",
            "context/data.txt": "data",
        },
    )
    file, client = in_container(
        tmp_path,
        monkeypatch,
        """
import glob, os
from pathlib import Path
HERE = Path(__file__).parent.resolve()
found = (HERE / "unread.bin").exists(), (HERE / "nothing").exists(), Path("web").is_dir(), os.path.isfile("data.txt")
packages = (HERE / "requirements.txt").read_text().split()
names = sorted(os.listdir("web")), sorted(str(path) for path in Path("web").rglob("*"))
with open("data.txt") as file:
    data = file.read()
absolute = Path("data.txt").resolve().read_text()
home = Path.home().joinpath(".config").exists()
config = HERE / "config.ini"
if not config.exists():
    config.write_text("[a]\\n")
again = config.read_text()
with open(HERE / "requirements.txt", "a") as out:
    out.write("idna\\n")
appended = (HERE / "requirements.txt").read_text()
""",
    )
    space = file.namespace
    assert space["found"] == (True, False, True, True)
    assert space["packages"] == ["six"]
    assert space["names"] == (["deep", "index.html"], ["web/deep", "web/deep/a.js", "web/index.html"])
    assert (space["data"], space["absolute"], space["again"]) == ("data", "data", "[a]\n")
    assert space["appended"] == "six\nidna\n"
    assert space["home"] is False
    assert "read dockerfile:unread.bin" not in client.asked
    assert not (tmp_path / "client/dockerfile/config.ini").exists()


def test_other_files_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, client = in_container(
        tmp_path,
        monkeypatch,
        "import os\nwith open('/dev/null') as file:\n    x = os.path.exists('/etc/passwd'), file.read()\n",
    )
    assert file.namespace["x"] == (True, "")
    assert client.asked == []


# -- the command


def llb(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("llb"))
    return subprocess.run([command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_command_takes_a_target_behind_the_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "app.py": "import modal\napp = modal.App('x')\n"
            "@app.function(image=modal.Image.from_registry('busybox:1.36'))\ndef one(): ...\n"
            "@app.function(image=modal.Image.from_registry('busybox:1.35'))\ndef two(): ...\n",
        },
    )
    assert "busybox:1.35" in llb("compile", "app.py:two", "--format=text", cwd=tmp_path).stdout
    assert "busybox:1.36" in llb("compile", "app.py:app.one", "--format=text", cwd=tmp_path).stdout
    assert (
        "--target one and app.py:two name two targets"
        in llb("compile", "app.py:two", "--target=one", cwd=tmp_path).stderr
    )
    refused = llb("compile", "app.py:two", "--no-compat", "--format=text", cwd=tmp_path).stderr
    assert "No module named 'modal'" in refused
    assert "With --compat, or --build-arg LLB_COMPAT=1, `import modal` gives a recorder." in refused


def test_what_is_neither_a_script_nor_an_image_file(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        load(tmp_path / "missing.py")
    (tmp_path / "broken.py").write_text("import modal\nx = (\n")
    with pytest.raises(LLBError, match="was never closed"):
        load(tmp_path / "broken.py")
