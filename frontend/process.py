"""The process: standard input and output are the connection to BuildKit, and nothing else may touch them."""

from __future__ import annotations

import gc
import os
import sys

from frontend import clock
from frontend.environment import Environment
from frontend.loading import Loading
from llb.errors import LLBError
from llb.gateway import Bridge, ConnectionLostError, StdioTransport, encode_status
from llb.gateway.transport import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from frontend.bases import BaseQuestions
    from frontend.loading import Loaded
    from llb.gateway import Pending, Result
    from llb.imagefile import UserCodeError

_HIGHEST = 1 << 16
"""Below this, at the top of what the limit of open files allows, the connection's descriptors are kept:
above what a program that closes all of its own gets to."""


_NOBODY = 65532
"""The user and group of the image's config (docker/frontend_image.py)."""


def main() -> NoReturn:
    """Runs one build, and ends the process: with status 0 if BuildKit was told how it went."""
    clock.tick("started")
    transport = StdioTransport(*_take_stdio())
    _drop_root()
    status = Frontend(transport, Environment.take()).run()
    clock.tick("returned")
    clock.report()
    # Not sys.exit: tearing the interpreter down takes longer than the rest of a small build.
    os._exit(status)


def _take_stdio() -> tuple[int, int]:
    """The connection's descriptors, moved away; the user's code gets an empty input and the log as output."""
    top = min(os.sysconf("SC_OPEN_MAX"), _HIGHEST)
    moved = (os.dup2(0, top - 2, inheritable=False), os.dup2(1, top - 1, inheritable=False))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return moved


_PASSES_ON_EXCERPTS = "exec.secretenv"
"""A capability as old as the daemons (0.10) that do not drop the source lines of a frontend's error."""


def _drop_root() -> None:
    """The user's code is to be nobody: BuildKit starts a frontend as root, whatever user its image names."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


class Frontend:
    """One build over a connection to BuildKit."""

    def __init__(self, transport: StdioTransport, environment: Environment) -> None:
        self._transport = transport
        self._environment = environment
        self._bridge = Bridge(transport)
        self._files: dict[str, bytes] = {}
        self._excerpts = True

    def run(self) -> int:
        """Builds, and tells BuildKit the result or the error."""
        try:
            try:
                result = self._result()
                self._bridge.return_result(result).result()
            except LLBError as error:
                self._fail(error)
            except KeyboardInterrupt:  # nobody is at a keyboard here
                self._fail(LLBError("the image file raises KeyboardInterrupt"))
            except Exception as error:  # noqa: BLE001 - ours; the user must hear of it in one line
                self._fail(_internal(error))
        except ConnectionLostError as error:
            _log(f"llb frontend: {error.message}\n")
            return 1
        except LLBError as error:
            _log(f"llb frontend: BuildKit does not take the result: {error}\n")
            return 1
        return 0

    def _result(self) -> Result:
        bridge = self._bridge
        ping = bridge.ping()
        inputs = bridge.inputs()
        loading = Loading(bridge, self._environment)
        clock.tick("first requests sent")
        # The file is on its way now, and the imports that follow take as long. They come in parts: there is
        # something to do as soon as it is here, which is to ask for the base that it names.
        from frontend.bases import BaseQuestions

        questions = BaseQuestions(bridge, self._environment)
        loading.advance()
        from frontend.dockerfile import build as build_dockerfile
        from frontend.dockerfile import is_dockerfile
        from frontend.modules import GatewayModules

        self._guess(questions, loading, inputs)
        import llb.image  # noqa: F401  # pyright: ignore[reportUnusedImport]

        self._guess(questions, loading, inputs)
        from frontend.build import ImageBuild

        clock.tick("imports done")
        given = inputs.result()
        if loading.remote_dockerfile:
            return build_dockerfile(bridge, self._environment, given)
        loaded = loading.finish(given)
        clock.tick("image file here")
        if is_dockerfile(loaded.filename, loaded.data):
            return build_dockerfile(bridge, self._environment, given)
        gc.freeze()
        gc.enable()
        os.register_at_fork(after_in_child=self._transport.abandon)
        questions.guess(loaded.data)
        modules = GatewayModules(bridge, self._environment, loaded)
        pong = ping.result()
        self._excerpts = _PASSES_ON_EXCERPTS in pong.llb_caps
        build = ImageBuild(bridge, self._environment, loaded, given, pong, questions, modules)
        try:
            return build.run(lambda error: self._stuck(error, loaded))
        finally:
            self._files = build.files
            build.show_notices()

    @staticmethod
    def _guess(questions: BaseQuestions, loading: Loading, inputs: Pending[dict[str, bytes]]) -> None:
        likely = loading.advance()
        if likely and inputs.ready() and "dockerfile" not in inputs.result():
            questions.guess(likely)

    def _fail(self, error: LLBError) -> None:
        if isinstance(error, ConnectionLostError):
            raise error
        from frontend.report import status_of

        try:
            status = status_of(error, self._files, excerpts=self._excerpts)
        except Exception as ours:  # noqa: BLE001 - an error that cannot be told must be told all the same
            status = encode_status(UNKNOWN, f"{type(error).__name__}, and telling of it failed: {ours!r}")
        self._bridge.return_error(status).result()

    def _stuck(self, error: UserCodeError, loaded: Loaded) -> None:
        """In a child: tells of the parent, which is stuck and ends soon."""
        from frontend.report import status_of

        self._transport.take_over()
        self._bridge.return_error(status_of(error, {loaded.filename: loaded.data}))


def _log(text: str) -> None:
    from frontend.report import log

    log(text)


def _internal(error: Exception) -> LLBError:
    from traceback import format_exception

    _log("".join(format_exception(error)))
    summary = str(error).splitlines()[0][:300] if str(error) else ""
    message = f"internal error in the llb frontend: {type(error).__name__}: {summary}; please report"
    return LLBError(message, hint=f"Python {sys.version.split()[0]}; the daemon's log has the details.")
