"""Executing image files: what they may do, and how each thing that goes wrong is told."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llb.errors import ImageFileError, InvalidError, LLBError, TargetError
from llb.imagefile import ImageFile, ModuleFile, Modules, UserCodeError, build_arg, call, execute, pick
from llb.imagefile.modules import imported_names
from llb.location import Location

PRELUDE = "from llb import Image, build_arg\n"


class MemoryModules(Modules):
    """Modules in memory; remembers what was asked for."""

    def __init__(self, **files: str) -> None:
        self.files = {
            name.replace("__", "/").replace("/init/", "__init__") + ".py": text
            for name, text in files.items()
        }
        self.prefetched: list[str] = []
        self.asked: list[str] = []

    def prefetch(self, names: Sequence[str]) -> None:
        self.prefetched += names

    def find(self, name: str) -> ModuleFile | None:
        self.asked.append(name)
        path = name.replace(".", "/")
        for candidate in (f"{path}/__init__.py", f"{path}.py"):
            if candidate in self.files:
                text = self.files[candidate]
                return ModuleFile(candidate, text.encode(), candidate.endswith("__init__.py"))
        if any(name.startswith(path + "/") for name in self.files):
            return ModuleFile(path, b"", True)
        return None


def run(text: str | bytes, timeout: float = 20, **options: Any) -> ImageFile:
    source = text if isinstance(text, bytes) else (PRELUDE + textwrap.dedent(text)).encode()
    options.setdefault("modules", MemoryModules())
    return execute(source, "image.py", timeout=timeout, **options)


def refusal(text: str | bytes, **options: Any) -> LLBError:
    with pytest.raises(LLBError) as caught:
        run(text, **options)
    return caught.value


def test_targets_are_the_public_images() -> None:
    file = run(
        """
        base = Image.from_scratch()
        image = base.env({"A": "1"})
        _private = base
        number = 1
        def function(): ...
        """
    )
    assert list(file.targets) == ["base", "image"]
    assert file.name == "image.py"
    assert file.namespace["number"] == 1


def test_it_is_never_the_main_module() -> None:
    file = run(
        """
        called = []
        if __name__ == "__main__":
            called.append(1)
        import sys
        me = sys.modules[__name__]
        arguments = list(sys.argv)
        """
    )
    assert file.namespace["called"] == []
    assert file.namespace["me"].__dict__ is file.namespace
    assert file.namespace["arguments"] == ["image.py"]
    assert file.namespace["__file__"] == "image.py"


# -- which image is meant


def picked(text: str, target: str | None = None) -> str:
    return pick(run(text), target)[0]


def test_image_is_picked() -> None:
    assert picked("other = Image.from_scratch()\nimage = Image.from_scratch()") == "image"


def test_the_only_one_is_picked_even_under_two_names() -> None:
    assert picked("app = Image.from_scratch()") == "app"
    assert picked("app = web = Image.from_scratch()") == "app"


def test_the_target_is_picked() -> None:
    assert picked("a = Image.from_scratch()\nimage = b = Image.from_scratch()", "b") == "b"


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(TargetError) as caught:
        picked("web = Image.from_scratch()\nworker = Image.from_scratch()", "wbe")
    assert caught.value.message == "image.py has no target 'wbe'"
    assert caught.value.hint == "Did you mean 'web'? Its targets: web, worker."
    assert caught.value.location == Location("image.py", 2)


def test_a_target_that_is_no_image() -> None:
    with pytest.raises(TargetError, match="is not an image, but an int"):
        picked("image = Image.from_scratch()\ncount = 3", "count")


def test_several_and_none_is_meant() -> None:
    with pytest.raises(TargetError, match="Say which one with --target: a, b") as caught:
        picked("a = Image.from_scratch()\nb = Image.from_scratch()")
    assert caught.value.location == Location("image.py", 3)


def test_no_image_at_all() -> None:
    with pytest.raises(TargetError, match="defines no image"):
        picked("x = 1")
    with pytest.raises(TargetError, match="no image at all"):
        picked("x = 1", "y")


# -- build arguments


def test_build_arguments() -> None:
    file = run(
        """
        version = build_arg("VERSION", "3.12", "of Python")
        again = build_arg("VERSION", "other")
        absent = build_arg("ABSENT")
        """,
        build_args={"VERSION": "3.13"},
    )
    assert [file.namespace[name] for name in ("version", "again", "absent")] == ["3.13", "3.13", None]
    first, second = file.build_args
    assert (first.name, first.default, first.description, first.value) == (
        "VERSION",
        "3.12",
        "of Python",
        "3.13",
    )
    assert first.location == Location("image.py", 3)
    assert second.value is None


def test_build_arguments_of_wrong_types() -> None:
    error = refusal('x = build_arg("N", 3)')
    assert isinstance(error, InvalidError)
    assert "default must be a string or None, not an int" in str(error)
    assert error.location == Location("image.py", 2)
    assert isinstance(refusal('x = build_arg("")'), InvalidError)
    assert isinstance(refusal("x = build_arg(1)"), InvalidError)


def test_a_build_argument_outside_of_an_image_file_is_its_default() -> None:
    code = "from llb import build_arg; print(build_arg('A', 'fallback'))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "fallback\n"


# -- what is wrong with the file


def test_a_syntax_error() -> None:
    error = refusal("image = Image.from_scratch(\n")
    assert isinstance(error, ImageFileError)
    assert error.message == "SyntaxError: '(' was never closed"
    assert error.location == Location("image.py", 2)


def test_indentation() -> None:
    error = refusal(b"x = 1\n  y = 2\n")
    assert error.message == "IndentationError: unexpected indent"
    assert error.location == Location("image.py", 2)


def test_not_utf8() -> None:
    error = refusal(b"x = 1\n\nname = 'caf\xe9'\n")
    assert error.message == "SyntaxError: the file is not UTF-8 (byte 0xe9)"
    assert error.location == Location("image.py", 3)


def test_another_encoding_is_fine_if_it_is_declared() -> None:
    assert run(b"# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n").namespace["name"] == "café"


def test_an_encoding_that_nobody_knows() -> None:
    assert "unknown encoding" in refusal(b"# -*- coding: nonsense -*-\nx = 1\n").message


def test_a_byte_order_mark_is_fine() -> None:
    assert run(b"\xef\xbb\xbfx = 1\n").namespace["x"] == 1


def test_nul_bytes() -> None:
    error = refusal(b"x = 1\ny = '\0'\n")
    assert error.message == "SyntaxError: source code string cannot contain null bytes"
    assert error.location is not None
    assert error.location.filename == "image.py"


def test_too_deeply_nested() -> None:
    assert isinstance(refusal(b"x = " + b"(" * 5000 + b")" * 5000), ImageFileError)


def test_an_empty_file_is_a_file_without_images() -> None:
    assert run(b"").targets == {}


# -- what is wrong with what it does


def test_an_exception() -> None:
    error = refusal('\nraise ValueError("boom")')
    assert isinstance(error, UserCodeError)
    assert error.message == "ValueError: boom"
    assert error.location == Location("image.py", 3)


def test_an_exception_within_calls_shows_the_users_lines_only() -> None:
    error = refusal(
        """
        import json
        def inner():
            return json.loads("{")
        def outer():
            return inner()
        outer()
        """
    )
    assert error.message == (
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)\n  at image.py:8\n  at image.py:7\n  at image.py:5"
    )
    assert error.location == Location("image.py", 5)


def test_endless_recursion_is_told_in_a_few_lines() -> None:
    error = refusal("def f(): f()\nf()")
    assert "RecursionError" in error.message
    assert error.message.count("\n") < 10


def test_the_cause_is_told() -> None:
    error = refusal(
        """
        try:
            {}["key"]
        except KeyError as why:
            raise RuntimeError("no key") from why
        """
    )
    assert error.message == "RuntimeError: no key\ncaused by KeyError: 'key'"


def test_an_exception_that_cannot_be_printed() -> None:
    error = refusal(
        """
        class Bad(Exception):
            def __str__(self): raise TypeError
        raise Bad()
        """
    )
    assert "Bad" in error.message


def test_a_wrong_call_of_ours_keeps_its_class_and_line() -> None:
    error = refusal("\nimage = Image.debian_slim(3.12)")
    assert isinstance(error, InvalidError)
    assert error.location == Location("image.py", 3)
    assert error.step == "debian_slim"


@pytest.mark.parametrize(
    "call", ["raise SystemExit", "import sys; sys.exit(0)", "import sys; sys.exit('no')"]
)
def test_ending_the_process(call: str) -> None:
    error = refusal(call)
    assert "the image file ends the process" in error.message
    assert error.location == Location("image.py", 2)


@pytest.mark.parametrize("call", ["os._exit(0)", "os.abort()", "os.execv('/bin/true', ['true'])"])
def test_what_would_end_the_process(call: str) -> None:
    error = refusal(f"import os\n{call}")
    assert error.message == f"an image file cannot call {call.partition('(')[0]}"
    assert error.location == Location("image.py", 3)
    assert "refuse" not in repr(os._exit)


def test_a_fork_is_allowed_and_ends_unseen() -> None:
    heard: list[str] = []
    file = run(
        """
        import os
        children = []
        for call in (lambda: None, lambda: os._exit(7), lambda: 1 / 0):
            children.append(os.fork())
            if not children[-1]:
                call()
                break
        else:
            statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print("the end")
        """,
        output=heard.append,
    )
    assert file.namespace["statuses"] == [1, 7, 1]
    assert heard == ["the end", "\n"]


def test_a_fork_behind_our_back_ends_in_the_child() -> None:
    file = run(
        """
        import posix
        child = posix.fork()
        if child:
            status = posix.waitpid(child, 0)[1]
        """
    )
    assert os.waitstatus_to_exitcode(file.namespace["status"]) == 1


def test_a_module_that_is_missing() -> None:
    error = refusal("\nimport numpyy.linalg as la")
    assert error.message == "ModuleNotFoundError: No module named 'numpyy'"
    assert "modules that lie beside it" in error.hint
    assert error.location == Location("image.py", 3)


def test_a_module_of_the_standard_library_that_is_missing() -> None:
    error = refusal("raise ModuleNotFoundError('No module named tkinter', name='tkinter')")
    assert "this Python comes without it" in error.hint


def test_optional_imports_work() -> None:
    assert run("try:\n    import nosuchmodule\nexcept ImportError:\n    x = 5").namespace["x"] == 5


def test_time_is_up() -> None:
    error = refusal("\nwhile True:\n    pass", timeout=0.2)
    assert error.message == "image.py did not end within 0.2 s"
    assert error.location is not None
    assert error.location.line in (3, 4)


def test_time_is_up_while_it_sleeps() -> None:
    error = refusal("\nimport time\ntime.sleep(60)", timeout=0.2)
    assert error.location == Location("image.py", 4)


def test_the_end_of_time_is_hard_to_swallow() -> None:
    error = refusal(
        """
        count = 0
        while count < 2:
            try:
                while True: pass
            except BaseException:
                count += 1
        while True: pass
        """,
        timeout=0.1,
    )
    assert "did not end within" in error.message


def test_no_alarm_rings_later() -> None:
    run("x = 1", timeout=0.05)
    import time

    time.sleep(0.15)


def test_code_that_nothing_interrupts_is_stopped_from_outside(tmp_path: Path) -> None:
    """In a process of its own, as it ends that process."""
    program = tmp_path / "stuck.py"
    program.write_text(
        textwrap.dedent(
            """
            import os, sys
            from llb.imagefile import execute, watch
            watch._GRACE = 0.3
            told = os.dup(1)
            def on_stuck(error):
                os.write(told, str(error).encode())
            execute(b"x = 1\\nx = sum(range(10**13))\\n", "image.py", timeout=0.2, on_stuck=on_stuck)
            """
        )
    )
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, env=env)
    assert done.stdout.startswith("image.py:2: image.py did not end within 0.2 s"), done
    assert done.returncode == 1


# -- what it prints


def test_prints_go_where_they_should(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    run(
        """
        import os, sys
        print("one", 2)
        print("three", file=sys.stderr)
        sys.stdout.buffer.write(b"four")
        os.write(1, b"five")
        os.system("echo six")
        """,
        output=heard.append,
    )
    assert "".join(heard) == "one 2\nthree\nfour"
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "fivesix\n"


def test_a_function_of_the_file_is_called_under_the_same_guards() -> None:
    heard: list[str] = []
    execute(b"import os", "image.py", output=heard.append)

    def forever() -> None:
        while True:
            pass

    with pytest.raises(ImageFileError, match=r"did not end within 0\.2 s"):
        call(forever, timeout=0.2)
    with pytest.raises(ImageFileError, match=r"cannot call os\._exit"):
        call(lambda: os._exit(3))
    call(lambda: print("said"))
    assert "".join(heard) == "said\n"


@pytest.mark.parametrize("name", ["TARGETARCH", "TARGETPLATFORM", "BUILDPLATFORM", "TARGETVARIANT"])
def test_an_argument_that_differs_by_platform_is_refused(name: str) -> None:
    error = refusal(f"from llb import build_arg\nbuild_arg({name!r})")
    assert "once for all platforms" in error.message


def test_a_print_that_is_not_text_is_shown_escaped() -> None:
    heard: list[str] = []
    execute(b"print('a\\ud800b')", "image.py", output=heard.append)
    assert "".join(heard) == "a\\ud800b\n"


def test_by_default_prints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    run('print("hello")')
    assert capsys.readouterr() == ("", "hello\n")


def test_warnings_of_the_compiler_are_shown() -> None:
    code = (
        "import sys; from llb.imagefile import execute\n"
        "heard = []; execute(b'x = \"\\\\d\"', 'image.py', output=heard.append); print(repr(''.join(heard)))"
    )
    shown = subprocess.check_output([sys.executable, "-W", "always", "-c", code], text=True)
    assert "image.py:1" in shown
    assert "invalid escape sequence" in shown


def test_printing_a_gigabyte_shows_its_beginning() -> None:
    heard: list[str] = []
    run("for _ in range(1000):\n    print('x' * 10**6)", output=heard.append)
    shown = "".join(heard)
    assert shown.startswith("xxx")
    assert shown.endswith("\n… and 999935464 characters more\n") or "characters more" in shown
    assert len(shown) < 70_000


# -- modules beside it


def test_modules_beside_it() -> None:
    modules = MemoryModules(
        mylib="from helpers import tools\nimport llb\nbase = llb.Image.from_scratch()\nvalue = tools.VALUE",
        helpers__init="",
        helpers__tools="from . import deep\nVALUE = deep.X",
        helpers__deep="X = 41",
    )
    file = run("import mylib\nfrom mylib import base\nx = mylib.value\nn = mylib.__file__", modules=modules)
    assert file.namespace["x"] == 41
    assert file.namespace["n"] == "mylib.py"
    assert list(file.targets) == ["base"]
    assert modules.prefetched == ["mylib"]
    assert "json" not in modules.asked


def test_a_directory_without_init_is_a_package() -> None:
    modules = MemoryModules(tools__one="X = 1", tools__two="Y = 2")
    assert (
        run("import tools.one, tools.two\nx = tools.one.X + tools.two.Y", modules=modules).namespace["x"] == 3
    )


def test_the_standard_library_wins() -> None:
    modules = MemoryModules(json="raise AssertionError")
    assert run("import json\nx = json.dumps(1)", modules=modules).namespace["x"] == "1"
    assert modules.asked == []


def test_libraries_import_nothing_from_beside_it() -> None:
    file = run(
        """
        import importlib
        mylib = importlib.import_module("mylib")
        """,
        modules=MemoryModules(mylib="X = 1", another=""),
    )
    assert file.namespace["mylib"].X == 1
    with pytest.raises(
        ModuleNotFoundError
    ):  # this process's own import, while that file's finder is installed
        importlib.import_module("another")


def test_errors_in_modules_beside_it() -> None:
    error = refusal("import mylib\n\nmylib.f()", modules=MemoryModules(mylib="def f():\n    return 1 / 0\n"))
    assert isinstance(error, UserCodeError)
    assert error.location == Location("mylib.py", 2)
    assert error.frames == (Location("image.py", 4), Location("mylib.py", 2))
    syntax = refusal("import mylib", modules=MemoryModules(mylib="def f(:\n"))
    assert syntax.location == Location("mylib.py", 1)


def test_each_execution_has_its_own_modules() -> None:
    for value in (1, 2):
        file = run("import mylib\nx = mylib.X", modules=MemoryModules(mylib=f"X = {value}"))
        assert file.namespace["x"] == value


def test_source_of_functions_can_be_read() -> None:
    file = run(
        """
        import inspect, mylib
        def f():
            return 7
        mine = inspect.getsource(f)
        theirs = inspect.getsource(mylib.g)
        """,
        modules=MemoryModules(mylib="def g(): ...\n"),
    )
    assert file.namespace["mine"] == "def f():\n    return 7\n"
    assert file.namespace["theirs"] == "def g(): ...\n"


def test_modules_on_disk(tmp_path: Path) -> None:
    (tmp_path / "mylib.py").write_text("X = 1")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "one.py").write_text("Y = 2")
    (tmp_path / "image.py").write_text("import mylib, pack.one\nx = mylib.X + pack.one.Y")
    path = str(tmp_path / "image.py")
    file = execute((tmp_path / "image.py").read_bytes(), path)
    assert file.namespace["x"] == 3
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a", ["a"]),
        ("import a.b as c, d", ["a", "d"]),
        ("from a.b import c", ["a"]),
        ("from . import x\nfrom .y import z", []),
        ("import os, json\nfrom llb import Image", []),
        ("    import a\nif 1:\n\timport b", []),
        ('"""\nfrom here to there\nimport of goods, and more\n"""', ["of", "and"]),
        ("from a import (\n    b,\n)\nimport a", ["a"]),
        ("import a;x=1", []),
        ("important = 1\nfromage = 2", []),
        ("import é\n", ["é"]),
    ],
)
def test_a_cheap_scan_of_imports(text: str, names: list[str]) -> None:
    assert imported_names(text.encode()) == names


def test_a_build_arg_call_of_the_test_process_itself() -> None:
    assert build_arg("NOT_DECLARED_ANYWHERE", "d") == "d"
