"""Executing an image file, and everything that may go wrong in it."""

from __future__ import annotations

import os
import sys

from llb.errors import ImageFileError, InvalidError, InvalidTypeError, LLBError
from llb.imagefile.modules import DirectoryModules, Finder, Loader, Modules, imported_names
from llb.imagefile.targets import images_in
from llb.imagefile.values import BuildArg, ImageFile, ModuleFile, UserCodeError, compile_file, kind_of
from llb.imagefile.watch import TimeIsUpError, Watch, too_long
from llb.location import Location, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType, TracebackType
    from typing import NoReturn, TextIO, TypeVar

    from llb.compat.evaluation import Evaluation

    _T = TypeVar("_T")

MODULE_NAME = "__image__"
"""What an image file is called as a module: the same through every door, and never `__main__`."""

_PRINT_LIMIT = 1 << 16
"""How many characters that an image file prints are shown."""
_MESSAGE_LIMIT = 4000


def execute(
    source: bytes,
    filename: str,
    *,
    build_args: Mapping[str, str] | None = None,
    timeout: float = 60,
    modules: Modules | None = None,
    output: Callable[[str], object] | None = None,
    on_stuck: Callable[[UserCodeError], object] | None = None,
    directory: str = "",
    compat: bool = True,
) -> ImageFile:
    """Executes an image file.

    Standard output is closed to it: what it prints goes to `output`, what it writes to descriptor 1 to
    descriptor 2. It cannot end the process; a child that it forks ends with it, unseen.

    Args:
        source: the file's bytes.
        filename: its display name, which error messages use; its directory is where modules are looked for.
        build_args: values for `build_arg`.
        timeout: seconds it may take; only kept on the main thread.
        modules: the modules beside it; default: those on disk beside `filename`.
        output: takes what it prints; default: standard error.
        on_stuck: told, in a process of its own, of code that even the timeout cannot interrupt; the process
            that executes the file ends soon after.
        directory: what `filename` is relative to; `__file__` is below it.
        compat: `import modal` gives a recorder, whether `modal` is installed or not (`llb.compat`); else it
            is a module like any other.

    Raises:
        ImageFileError: it cannot be compiled, raises, exits, or takes too long.
        LLBError: it calls something of this library wrongly.
    """
    run = Run(
        source,
        filename,
        dict(build_args or {}),
        modules if modules is not None else DirectoryModules(os.path.dirname(filename)),
        output if output is not None else sys.stderr.write,
        directory,
        compat,
    )
    names = imported_names(source)
    if names:
        run.modules.prefetch(names)
    return run.execute(timeout, on_stuck)


def call(
    function: Callable[[], _T],
    *,
    timeout: float = 60,
    on_stuck: Callable[[UserCodeError], object] | None = None,
) -> _T:
    """Calls a function of the image file that was executed last, under the same guards as the file itself."""
    run = Run.current
    return function() if run is None else run.guarded(function, timeout, on_stuck)


_PER_PLATFORM = ("TARGET", "BUILD")
_PLATFORM_PARTS = ("PLATFORM", "OS", "ARCH", "VARIANT")


def build_arg(name: str, default: str | None = None, description: str = "") -> str | None:
    """The value that the build was given for an argument (`--build-arg NAME=VALUE`).

    Args:
        name: the argument's name.
        default: the value if none was given.
        description: what it is for, shown by `docker build --call outline`.

    Raises:
        InvalidTypeError: an argument is not a string.
        InvalidError: the name is none, or one of a Dockerfile's per-platform arguments (`TARGETARCH`…): the
            file is executed once for all platforms.
    """
    for what, value in (("name", name), ("description", description)):
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(
                f"{what} must be a string, not {kind_of(value)}", step="build_arg", location=caller()
            )
    if default is not None and not isinstance(default, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(
            f"default must be a string or None, not {kind_of(default)}",
            hint=f'Arguments are text: build_arg({name!r}, "{default}").',
            step="build_arg",
            location=caller(),
        )
    if not name or "=" in name:
        raise InvalidError(f"{name!r} cannot be the name of an argument", step="build_arg", location=caller())
    if any(name == part + rest for part in _PER_PLATFORM for rest in _PLATFORM_PARTS):
        raise InvalidError(
            f"{name} has no one value: an image file is executed once for all platforms",
            hint="Ask for it in a command, such as `uname -m`, which runs for each.",
            step="build_arg",
            location=caller(),
        )
    run = Run.current
    if run is None:  # the file is not executed as an image file, but run or imported as plain Python
        return default
    value = run.build_args.get(name, default)
    run.declared.setdefault(name, BuildArg(name, default, description, value, caller()))
    return value


class _Forbidden:
    """Functions of `os` that would end this process; refused while an image file is executed."""

    names = ("_exit", "abort", "execv", "execve")

    def __init__(self) -> None:
        self._saved = {name: getattr(os, name) for name in self.names if hasattr(os, name)}

    def __enter__(self) -> None:
        for name in self._saved:
            setattr(os, name, self._refusing(name))

    def __exit__(self, *_: object) -> None:
        for name, function in self._saved.items():
            setattr(os, name, function)

    def _refusing(self, name: str) -> Callable[..., NoReturn]:
        process = os.getpid()

        def refuse(*arguments: object) -> NoReturn:
            if os.getpid() != process:  # a child may
                self._saved[name](*arguments)
            raise ImageFileError(f"an image file cannot call os.{name}", location=caller())

        return refuse


class _Output:
    """Stands for `sys.stdout` and `sys.stderr`."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    closed = False
    name = "<output>"
    mode = "w"

    def __init__(self, take: Callable[[str], object]) -> None:
        self._take = take
        self._room = _PRINT_LIMIT
        self._dropped = 0

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        shown = text[: self._room]
        self._room -= len(shown)
        self._dropped += len(text) - len(shown)
        if shown:
            # Half of a surrogate pair, as a file name that is not UTF-8 has, is no text to anybody else.
            self._take(shown.encode("utf-8", "backslashreplace").decode())
        return len(text)

    def finish(self) -> None:
        """Says how much was not shown."""
        if self._dropped:
            self._take(f"\n… and {self._dropped} characters more\n")
            self._dropped = 0

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None: ...
    def close(self) -> None: ...

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def fileno(self) -> int:
        return 2

    @property
    def buffer(self) -> _Bytes:
        return _Bytes(self)


class _Bytes:
    """`sys.stdout.buffer`."""

    def __init__(self, output: _Output) -> None:
        self._output = output

    def write(self, data: bytes) -> int:
        self._output.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None: ...


class Run:
    """One execution of an image file."""

    current: Run | None = None

    def __init__(
        self,
        source: bytes,
        filename: str,
        build_args: dict[str, str],
        modules: Modules,
        output: Callable[[str], object],
        directory: str,
        compat: bool,
    ) -> None:
        self.filename = filename
        self.directory = directory
        self.build_args = build_args
        self.modules = modules
        self.declared: dict[str, BuildArg] = {}
        self.sources = {filename: source}
        """The user's files that took part, by display name."""
        self._inside = False
        self.busy = 0
        """Nonzero while code of ours runs for the user's, which must not be interrupted."""
        self.finder = Finder(self)
        self.evaluation: Evaluation | None = None
        """Of a script that uses `modal`."""
        self._compat = compat
        self._output = _Output(output)
        self._pid = os.getpid()

    def execute(self, timeout: float, on_stuck: Callable[[UserCodeError], object] | None) -> ImageFile:
        source = self.sources[self.filename]
        module = type(sys)(MODULE_NAME)
        namespace = module.__dict__
        file = ModuleFile(self.filename, source)
        loader = Loader(file, self.directory, self.modules)
        namespace |= {"__file__": loader.path, "__loader__": loader, "__package__": self.finder.package}
        self._take_over(module)

        ended: list[Location] = []

        def body() -> None:
            try:
                # Compiled in there too, so that its warnings are shown.
                exec(compile_file(source, self.filename), namespace)  # noqa: S102
            except BaseException as error:
                if self.evaluation is None or not self._ends(error):
                    raise
                ended.extend(self.frames(error.__traceback__)[-1:])

        self.look_at(source)
        self.guarded(body, timeout, on_stuck)
        images = images_in(namespace)
        declared = tuple(self.declared.values())
        if self.evaluation is None:
            return ImageFile(self.filename, namespace, images, declared)
        found = self.evaluation.targets(namespace, images, self.filename)
        for name in self.build_args:  # the script sees them as environment variables
            if name not in self.declared and not name.startswith("LLB_"):
                declared += (BuildArg(name, None, "", self.build_args[name], Location(self.filename, 1)),)
        return ImageFile(self.filename, namespace, found.images, declared, found.aliases, found.used, *ended)

    @staticmethod
    def _ends(error: BaseException) -> bool:
        """Whether a script has come to where only the service it was written for can go on."""
        from llb.compat.handles import EndedError

        return isinstance(error, EndedError)

    def look_at(self, source: bytes) -> None:
        """Told of each file of the user's before it runs: one that uses `modal` makes this a script's run."""
        if self._compat and self.evaluation is None and b"modal" in source:
            from llb.compat.detection import imports_library

            if imports_library(source):
                from llb.compat.evaluation import Evaluation

                self.evaluation = Evaluation(self.sources.get, self.build_args)
                if self._inside:
                    self._enter(self.evaluation)

    def _enter(self, evaluation: Evaluation) -> None:
        evaluation.enter()
        self.modules.enter_script()

    def guarded(
        self, function: Callable[[], _T], timeout: float, on_stuck: Callable[[UserCodeError], object] | None
    ) -> _T:
        """Runs code of the user's: bounded in time, its prints taken, its errors told at its lines."""
        stdout, stderr, argv = sys.stdout, sys.stderr, sys.argv
        sys.stdout = sys.stderr = self._as_text()
        sys.argv = [self.filename]
        descriptor = _divert_stdout()
        self._inside = True
        if self.evaluation is not None:
            self._enter(self.evaluation)
        watch = Watch(self, timeout, on_stuck)
        watch.start()
        try:
            try:
                with _Forbidden():
                    return function()
            finally:
                watch.stop()
                self._inside = False
                if self.evaluation is not None:
                    self.modules.leave_script()
                    self.evaluation.leave()
        except BaseException as error:  # noqa: BLE001 - whatever the user's code does
            raise self._explained(error, timeout) from None
        finally:
            if os.getpid() != self._pid:  # a child that was forked behind our back ends here
                os._exit(1)
            self._output.finish()
            _restore_stdout(descriptor)
            sys.stdout, sys.stderr, sys.argv = stdout, stderr, argv

    def _as_text(self) -> TextIO:
        return self._output  # pyright: ignore[reportReturnType]

    def _take_over(self, module: ModuleType) -> None:
        """Becomes the execution that imports and `build_arg` belong to, instead of the one before."""
        before = Run.current
        if before is not None:
            if before.finder in sys.meta_path:
                sys.meta_path.remove(before.finder)
            for name in before.finder.loaded:
                sys.modules.pop(name, None)
            if (lines := sys.modules.get("linecache")) is not None:
                for name in before.sources:
                    lines.cache.pop(name, None)
        Run.current = self
        sys.meta_path.insert(0, self.finder)
        sys.modules[MODULE_NAME] = module

    # -- what went wrong

    def frames(self, traceback: TracebackType | None) -> list[Location]:
        """The user's lines on a traceback, outermost first."""
        found: list[Location] = []
        while traceback is not None:
            name = traceback.tb_frame.f_code.co_filename
            if name in self.sources:
                found.append(Location(name, traceback.tb_lineno))
            traceback = traceback.tb_next
        return found

    def _explained(self, error: BaseException, timeout: float) -> BaseException:
        frames = self.frames(error.__traceback__)
        if isinstance(error, LLBError):
            if frames and not isinstance(error, UserCodeError):
                error.at(frames[-1])
            return error
        if isinstance(error, TimeIsUpError):
            return too_long(self.filename, timeout, frames)
        if isinstance(error, KeyboardInterrupt):
            return error
        if isinstance(error, SystemExit):
            given = error.code if isinstance(error.code, str) else f"SystemExit({error.code or ''})"
            return UserCodeError(
                f"the image file ends the process: {given}",
                frames,
                hint="Raise an exception where a build cannot go on; otherwise just go on.",
            )
        message = _described(error)
        while error.__cause__ is not None and error.__cause__ is not error:
            error = error.__cause__
            message += f"\ncaused by {_described(error)}"
            if len(message) > _MESSAGE_LIMIT:
                break
        if isinstance(error, ModuleNotFoundError):
            if (error.name or "").partition(".")[0] == "modal":
                hint = "With --compat, or --build-arg LLB_COMPAT=1, `import modal` gives a recorder."
                return UserCodeError(message, frames, hint=hint)
            return UserCodeError(message, frames, hint=_missing_module(error.name or ""))
        hint = ""
        if self.evaluation is not None and isinstance(error, KeyError) and _of_environment(error):
            hint = f"Give it a value: --build-arg {error.args[0]}=…"
        if len(frames) > 1:
            shown = frames if len(frames) <= 8 else [*frames[:3], *frames[-4:]]
            message += "".join(f"\n  at {frame}" for frame in shown)
        return UserCodeError(message, frames, hint=hint)


def _of_environment(error: KeyError) -> bool:
    """Whether it is `os.environ` that lacks a key."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals.get("__name__") == "os"


def _described(error: BaseException) -> str:
    from traceback import format_exception_only

    try:
        lines = format_exception_only(error)
    except Exception:  # noqa: BLE001 - an exception of the user's whose own str() fails
        lines = [type(error).__name__]
    text = "".join(lines).strip()
    return text if len(text) <= _MESSAGE_LIMIT else f"{text[:_MESSAGE_LIMIT]} …"


def _missing_module(name: str) -> str:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"{top!r} belongs to the standard library, but this Python comes without it."
    return (
        "An image file can import the standard library, llb, and modules that lie beside it. "
        "Import everything else inside the functions that use it in the image."
    )


def _divert_stdout() -> int:
    """Lets descriptor 1 lead where 2 leads; what it led to before, or -1."""
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        return -1
    return saved


def _restore_stdout(saved: int) -> None:
    if saved >= 0:
        try:
            os.dup2(saved, 1)
            os.close(saved)
        except OSError:  # the user's code closed it
            pass
