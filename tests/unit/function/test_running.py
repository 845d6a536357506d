"""What the runner makes of a payload: the same function, by every Python from 3.8 on; and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.function.cases import BASE, HELPERS
from tests.unit.function.local import Done, call, payload, pythons, returned, version_of

PRINT = "\n    import json; print(json.dumps({value}))\n"


@pytest.mark.parametrize("python", pythons("3.8", "3.9", "3.10", "3.12", "3.13", "3.14"), ids=version_of)
@pytest.mark.parametrize("lines", [True, False])
def test_it_does_the_same_in_every_python(tmp_path: Path, python: str, lines: bool) -> None:
    source = (
        BASE.replace(
            "return PLACE, total, Settings().double(), json.dumps(",
            "print(json.dumps([str(PLACE), total, Settings().double(), ",
        ).replace('"k": f"{x!r:>{total}} {y}"}])', '"k": f"{x!r:>{total}} {y}"}]]))')
        if False
        else BASE.replace(
            "    return PLACE,",
            "    print(json.dumps([str(PLACE), total, Settings().double(), Settings.names]))\n    return PLACE,",
        )
    )
    given = payload(source, {"helpers.py": HELPERS}, args=(4,))
    assert returned(given, tmp_path, python=python, lines=lines) == ["/out", 6 + 10 + 12 + 11, 6, ["A", "B"]]


VALUES: dict[str, tuple[str, str, Any]] = {
    # name: (module-level code, an expression of the function, what it is)
    "big and small numbers": ("N = [2**80, -1, 1e300, float('inf'), -0.0, 1j, True]", "[repr(n) for n in N]", ["1208925819614629174706176", "-1", "1e+300", "inf", "-0.0", "1j", "True"]),
    "bytes and odd text": ("B = (b'\\0\\xff', '\\udc80é', ...)", "[repr(b) for b in B]", ["b'\\x00\\xff'", "'\\udc80é'", "Ellipsis"]),
    "containers": ("C = {'a': [1, (2, {3})], 'b': frozenset([1])}", "[sorted(C), C['a'][1][1] == {3}, list(C['b'])]", [["a", "b"], True, [1]]),
    "one list by two names": ("A = [1]\nB = {'a': A}", "[A.append(2), B['a']][1]", [1, 2]),
    "a list in itself": ("A = []\nA.append(A)", "A[0] is A", True),
    "a path": ("from pathlib import Path, PurePosixPath\nP = Path('/a') / 'b'\nQ = PurePosixPath('c')", "[str(P), P.exists(), type(Q).__name__]", ["/a/b", False, "PurePosixPath"]),
    "an instance": ("class A:\n  def __init__(self): self.x = [1]\n  def get(self): return self.x\na = A()", "[a.get(), type(a) is A, isinstance(a, A)]", [[1], True, True]),
    "a dataclass": ("from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass A:\n  x: int = 3\n  y: list = field(default_factory=list)\na = A(4)", "[a.x, A().x, A() == A(), a.y]", [4, 3, True, []]),
    "an enum": ("import enum\nclass E(enum.Enum):\n  A = 1\n  B = 'b'\nV = E.B", "[V is E.B, V.value, list(E)[0].name]", [True, "b", "A"]),
    "a named tuple": ("from collections import namedtuple\nP = namedtuple('P', 'x y', defaults=(2,))\np = P(1)", "[p.x, p.y, type(p) is P]", [1, 2, True]),
    "inheritance and super": ("class A:\n  def f(self): return 1\nclass B(A):\n  def f(self): return super().f() + 1", "B().f()", 2),
    "static and class methods": ("class A:\n  K = 2\n  @staticmethod\n  def s(x): return x + 1\n  @classmethod\n  def c(cls): return cls.s(cls.K)\ns = A.s", "[A.c(), s(1)]", [3, 2]),
    "a class in a class": ("class A:\n  class B:\n    x = 1\nB = A.B", "[B.x, A.B is B]", [1, True]),
    "a lambda": ("g, h = lambda x: x + 1, lambda x: x + 2", "[g(1), h(1)]", [2, 3]),
    "a closure": ("def make(n):\n  m = [n]\n  def inner(x):\n    return x + m[0] + n\n  return inner\ng = make(3)", "g(1)", 7),
    "a closure that counts": ("def make():\n  n = 0\n  def up():\n    nonlocal n\n    n += 1\n    return n\n  return up\nup = make()", "[up(), up()]", [1, 2]),
    "two closures of one variable": ("def make():\n  n = 0\n  def up():\n    nonlocal n\n    n += 1\n  def get():\n    return n\n  return up, get\nup, get = make()", "[up(), get()][1]", 1),
    "recursion": ("def fac(n):\n  return 1 if n < 2 else n * fac(n - 1)", "fac(5)", 120),
    "functions of each other": ("def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)", "even(4)", True),
    "a cached function": ("import functools\n@functools.lru_cache(maxsize=None)\ndef g(x): return x * 2", "[g(2), g.cache_info().misses]", [4, 1]),
    "a partial": ("import functools\ndef g(a, b): return a - b\nh = functools.partial(g, 5)", "h(2)", 3),
    "a pattern": ("import re\nR = re.compile('a+', re.I)", "R.findall('xAa')", ["Aa"]),
    "a logger": ("import logging\nlog = logging.getLogger('x')", "log.name", "x"),
    "a module and its parts": ("import os.path, xml.dom.minidom as m\nimport importlib.util", "[os.path.join('a', 'b'), m.__name__, importlib.util.__name__]", ["a/b", "xml.dom.minidom", "importlib.util"]),
    "functions of others": ("from os.path import join as j\nfrom math import pi", "[j('a', 'b'), round(pi, 2), len([1])]", ["a/b", 3.14, 1]),
    "what only the image has": ("try:\n  import surely_not_there as sqlite\nexcept ImportError:\n  import json as other", "other.dumps(1)", "1"),
    "an ordered dictionary": ("import collections\nd = collections.OrderedDict(b=1, a=2)\nc = collections.Counter('aab')\ne = collections.defaultdict(list, x=[1])", "[list(d), c['a'], e['y']]", [["b", "a"], 2, []]),
    "times and numbers": ("import datetime, decimal, fractions, uuid\nV = [datetime.date(2024, 1, 2), decimal.Decimal('1.5'), fractions.Fraction(1, 3), uuid.UUID(int=1)]", "[str(v) for v in V]", ["2024-01-02", "1.5", "1/3", "00000000-0000-0000-0000-000000000001"]),
    "comprehensions": ("N = 2\nx = 'global'", "[x * N for x in range(3)] + [y for y in x]", [0, 2, 4, *"global"]),
    "a name of the module that a local hides": ("import threading\ns = threading.Lock()", "(lambda s: s)(1)", 1),
    "annotations that nobody has": ("from __future__ import annotations\ndef g(x: Nowhere, y: 'int' = 1) -> Missing[x]: return y", "g(0)", 1),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_what_it_reads_comes_along(tmp_path: Path, case: str) -> None:
    code, expression, expected = VALUES[case]
    given = payload(code + "\ndef f():" + PRINT.format(value=expression))
    assert returned(given, tmp_path) == expected


def test_modules_beside_are_taken_along_for_imports_inside(tmp_path: Path) -> None:
    files = {
        "lib/__init__.py": "from .base import ONE",
        "lib/base.py": "ONE = 1",
        "lib/deep/more.py": "from ..base import ONE\nTWO = ONE + 1",
        "unread.py": "1 / 0",
    }
    source = "def f():\n    from lib.deep import more\n    import lib\n" + PRINT.format(
        value="[more.TWO, lib.ONE]"
    )
    given = payload(source, files)
    assert returned(given, tmp_path) == [2, 1]
    assert sorted(json.loads(given.data)["whole"]) == ["lib", "lib.base", "lib.deep", "lib.deep.more"]


def test_of_a_module_that_is_imported_before_only_what_is_read_comes_along(tmp_path: Path) -> None:
    files = {
        "lib/__init__.py": "",
        "lib/a.py": "import secrets\nK = 3\ndef g(): return K\ndef h(): return 5\n",
    }
    source = "import lib.a\nimport lib.a as short\ndef f():" + PRINT.format(value="[lib.a.g(), short.K]")
    given = payload(source, files)
    assert returned(given, tmp_path) == [3, 3]
    assert b"secrets" not in given.data


def test_a_coroutine_function_runs_to_its_end(tmp_path: Path) -> None:
    given = payload("import asyncio\nasync def f():\n    await asyncio.sleep(0)" + PRINT.format(value="1"))
    assert returned(given, tmp_path) == 1


def test_its_source_can_be_read(tmp_path: Path) -> None:
    source = "def g():\n    return 1  # here\n\ndef f():\n    import inspect" + PRINT.format(
        value="inspect.getsource(g)"
    )
    assert returned(payload(source), tmp_path) == "def g():\n    return 1  # here\n"


FAIL = """\
import os

class Problem(Exception):
    pass


def helper(x):
    # why
    raise Problem(
        f"no {x}")

def f(x):
    try:
        os.listdir("/nowhere")
    except OSError:
        helper(x)
"""


def test_an_exception_shows_the_users_own_lines(tmp_path: Path) -> None:
    done = call(payload(FAIL, args=(7,)), tmp_path)
    assert done.status == 1
    assert [line.strip() for line in done.stderr.splitlines() if line.startswith("  File")] == [
        'File "image.py", line 14, in f',
        'File "image.py", line 16, in f',
        'File "image.py", line 9, in helper',
    ]
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'" in done.stderr
    assert done.stderr.endswith("Problem: no 7\n")
    assert "raise Problem(" in done.stderr


def test_without_the_users_lines_it_shows_the_code(tmp_path: Path) -> None:
    done = call(payload(FAIL, args=(7,)), tmp_path, lines=False)
    assert "raise Problem(f'no {x}')" in done.stderr
    assert "in helper" in done.stderr


ENDS: dict[str, tuple[str, int, str]] = {
    # name: (body, exit status, what is said)
    "an exit status": ("import sys; sys.exit(7)", 7, ""),
    "an exit without": ("import sys; sys.exit()", 0, ""),
    "an exit with a text": ("import sys; sys.exit('so')", 1, "so\n"),
    "a hard exit": ("import os; os._exit(9)", 9, ""),
    "a signal": ("import os; os.kill(os.getpid(), 9)", 137, "f was killed by signal 9 (SIGKILL): out of memory?"),
    "a crash": ("import ctypes; ctypes.string_at(0)", 139, "f was killed by signal 11 (SIGSEGV)\nIt was at image.py:2, in f"),
    "endless recursion": ("f()", 1, "RecursionError: maximum recursion depth exceeded"),
    "a missing module": ("import yaml_nowhere", 1, 'the image has no module yaml_nowhere. Add its package before run_function: .pip_install("yaml_nowhere")'),
    "a module whose package is called otherwise": ("import cv2", 1, '.pip_install("opencv-python-headless")'),
    "an interrupt": ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
    "standard input": ("input()", 1, "EOFError"),
    "an exception whose text fails": ("\n    class E(Exception):\n        def __str__(self): raise ValueError\n    raise E", 1, "E"),
    "an exception when Python's own files are gone": ("import sys; sys.modules.pop('traceback', 0), sys.path.clear(); raise OSError('so')", 1, 'Traceback (most recent call last):\n  File "image.py", line 2, in f\n    import sys; sys.modules.pop(\'traceback\', 0), sys.path.clear(); raise OSError(\'so\')\nOSError: so\n'),
    "orphans": ("import os, time; os.fork() or time.sleep(3)", 0, ""),
    "children that end as any process does": ("import os\n    if os.fork(): assert os.wait()[1] == 0", 0, ""),
    "no descriptors": ("import os; os.closerange(0, 100)", 0, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_ends(tmp_path: Path, case: str) -> None:
    body, status, said = ENDS[case]
    done = call(payload(f"def f():\n    {body}\n"), tmp_path)
    assert done.status == status, done.stderr
    assert said in done.stderr
    assert not re.search(r"llb_function|site-packages|-c|<string>", done.stderr), done.stderr


def test_it_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    source = """
    import os, subprocess, time
    def wait():
        time.sleep(60)
    def f():
        started = subprocess.Popen(["sleep", "61"])
        with open("pid", "w") as file:
            file.write(str(started.pid))
        wait()
    """
    done = call(payload(source), tmp_path, timeout=1)
    assert done.status == 124
    assert "f did not end within 1 s (timeout=): it and all that it started were killed" in done.stderr
    assert "It was at image.py:3, in wait" in done.stderr
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_what_was_not_taken_along_is_told_where_it_is_missed(tmp_path: Path) -> None:
    given = payload("import threading\ns = threading.Lock()\ndef f():\n    print(s.locked())\n")
    assert given.notes == ("f reads s (image.py), which is not taken along: it is a _thread.lock",)
    done = call(given, tmp_path)
    assert "NameError: name 's' is not defined" in done.stderr
    assert "s was not taken along: it is a _thread.lock. Make it inside the function." in done.stderr


def test_a_computed_import_is_told() -> None:
    given = payload("import importlib\ndef f(name):\n    importlib.import_module(name)\n", args=("x",))
    assert given.notes == (
        "f imports a module by a computed name (image.py:3, importlib.import_module): it is not taken along, "
        "and edits in it do not make the step run again",
    )


def test_without_source_modules_beside_are_named(tmp_path: Path) -> None:
    given = payload("def f():\n    import helpers\n", {"helpers.py": "X = 1"}, include_source=False)
    done = call(given, tmp_path)
    assert "helpers lies beside the image file: include_source=True takes it along" in done.stderr


def test_syntax_that_is_too_new_names_the_python_that_has_it(tmp_path: Path) -> None:
    found = pythons("3.8", "3.9")[1:]
    if not found:
        pytest.skip("no Python older than 3.10 on this machine")
    done = call(
        payload("def f(x):\n    match x:\n        case 1: pass\n", args=(1,)),
        tmp_path,
        python=found[0],
    )
    assert re.search(r"f uses match, which needs Python 3\.10; the image has Python 3\.[89]", done.stderr)
    assert done.status == 1


def run_text(tmp_path: Path, body: str) -> Done:
    return call(payload(f"import sys, time\ndef f():\n    {body}\n"), tmp_path)


def test_a_progress_bar_is_a_line_now_and_then(tmp_path: Path) -> None:
    body = (
        r'for i in range(501): sys.stderr.write(f"\r{i:3}/500 {chr(9608) * (i // 20)}")'
        + '\n    sys.stderr.write("\\n")\n    print("done")'
    )
    done = run_text(tmp_path, body)
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("500/500")
    assert len(lines) <= 3


def test_lines_pass_as_they_are(tmp_path: Path) -> None:
    done = run_text(tmp_path, r"sys.stdout.buffer.write(b'a\r\nb\n\n\x00\xff\nno end'); print(' ', end='')")
    assert done.stdout == "a\r\nb\n\n\x00\\xff\nno end " or done.stdout == "a\nb\n\n\x00\\xff\nno end "


def test_a_line_without_an_end_is_seen_before_the_end(tmp_path: Path) -> None:
    done = run_text(tmp_path, "print('waiting', end='', flush=True); time.sleep(0.6); print(' ended')")
    assert done.stdout == "waiting ended\n"


def test_much_output_passes(tmp_path: Path) -> None:
    done = run_text(tmp_path, "[print('x' * 9999) for _ in range(5000)]")
    assert len(done.stdout) == 5000 * 10_000
