"""Functions of the user's as steps: `run_function`, and `why`, which tells what they are made of."""

from __future__ import annotations

from llb import graph
from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError
from llb.image import arguments
from llb.image.build import require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import RunStep, run, run_options
from llb.image.step import Lowered, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, Self

    from llb.function import Payload
    from llb.graph import LinuxResources, ProxyEnv
    from llb.image.buckets import CloudBucketMount
    from llb.image.build import Build
    from llb.image.secrets import Secret
    from llb.image.volumes import NetworkFileSystem, Volume

_START = """\
# Finds a Python that can run the function.
for python in python3 python; do
  if command -v "$python" >/dev/null 2>&1; then
    exec "$python" -u -B -c '
import sys
if sys.version_info < (3, 8):
    sys.exit("run_function: the image has Python %d.%d; functions need 3.8 or newer" % sys.version_info[:2])
sys.path[0] = "/dev/.llb"
from llb_function.runner import main
del sys.path[0]
main()
'
  fi
done
echo 'run_function: the image has no Python; functions need 3.8 or newer.' >&2
echo 'Start from Image.debian_slim("3.12"), say add_python="3.12", or install one before.' >&2
exit 127
"""
"""What the step's shell is given: kept in a file, as an engine shows a failed command whole."""
_SMALL = 60_000
"""Bytes of a payload that goes along as a variable of the command: a vertex less. Linux allows twice that."""
_PERIOD = 100_000
"""Microseconds that a share of the processors is counted in."""


class Limits(Value):
    """What bounds the process."""

    timeout: float
    """Seconds."""
    cpu: float = 0
    """Cores; 0 is no limit."""
    memory: int = 0
    """MiB; 0 is no limit."""


class RunFunction(RunStep):
    """A call of a function of the user's, one vertex."""

    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    limits: Limits
    include_source: bool

    method = "run_function"

    @property
    def vertices(self) -> int:
        return 1

    def payload(self, call: Callable[[Callable[[], Any]], Any]) -> Payload:
        """What the step is given; `call` runs code of the user's."""
        from llb.function import payload_of

        return payload_of(
            self.function, self.args, self.kwargs, include_source=self.include_source, guard=call
        )

    def lower(self, below: Lowered, build: Build) -> Lowered:
        from llb.function import HOME, PAYLOAD, SPARE_SETTINGS, runner_files

        require_linux(build, "run_function")
        name = self.function.__name__
        payload = self.payload(build.resolver.call)
        for note in payload.notes:
            build.note(f"{self.location}: run_function: {note}")
        resources, cores, memory = self._resources(build)
        settings = payload.settings(timeout=self.limits.timeout, cores=cores, memory=memory)
        proxy, private = _with_settings(build.options.proxy, settings, SPARE_SETTINGS)
        runner = graph.scratch().file(
            graph.mkdir("/llb_function"),
            graph.mkfile("/llb_function/__init__.py"),
            *[
                graph.mkfile(f"/llb_function/{name}", data=data)
                for name, data in sorted(runner_files().items())
            ],
            graph.mkfile("/run_function", data=_START.encode()),
            meta=graph.Meta(name="[internal] what runs functions"),
        )
        text = payload.data.decode()
        if len(text) <= _SMALL:
            private = (*private, (PAYLOAD, text))
        else:
            runner = runner.file(
                graph.mkfile("/payload", data=payload.data),
                meta=graph.Meta(name=f"[internal] the function {name}"),
            )
        # By its definition, not by its content, which would have to be looked at.
        by_definition = build.supports("exec.mount.cache.content")
        mounted = graph.bind(HOME, runner, readonly=True, content_cache="off" if by_definition else "default")
        return run(
            self,
            below,
            build,
            text,
            f"run_function {name}",
            words=("/bin/sh", f"{HOME}/run_function", name),
            mounts=[mounted],
            options=self.options,
            proxy=proxy,
            resources=resources,
            history=f"run_function {name}",
            private=private,
        )

    def _resources(self, build: Build) -> tuple[LinuxResources | None, int, int]:
        """The limits as the engine sets them, or else as the process can do it itself: cores and bytes."""
        cpu, memory = self.limits.cpu, self.limits.memory << 20
        if not cpu and not memory:
            return None, 0, 0
        if build.supports("exec.meta.linux.resources"):
            asked = build.options.linux_resources or graph.LinuxResources()
            if cpu:
                asked = asked.replace(cpu_period=_PERIOD, cpu_quota=round(cpu * _PERIOD))
            if memory:
                asked = asked.replace(memory=memory, memory_swap=memory)
            return asked, 0, 0
        build.note(
            "this engine limits neither processor time nor memory of a step: run_function keeps to cpu= and "
            "memory= by the processors it may use and the addresses it may have"
        )
        return None, -int(-cpu // 1), memory


def _with_settings(
    proxy: ProxyEnv | None, settings: str, spare: str
) -> tuple[ProxyEnv | None, tuple[tuple[str, str], ...]]:
    """The proxies of a step with its settings among them, which keeps them out of its cache key.

    The user's lines, and how long it may take, are no reason to run a step again. Proxies are the one thing
    that a command can be given and that BuildKit leaves out of its cache key.
    """
    if proxy is None:
        return graph.ProxyEnv(ftp_proxy=settings), ()
    if not proxy.ftp_proxy:
        return proxy.replace(ftp_proxy=settings), ()
    return proxy, ((spare, settings),)


class Functions(Chain):
    """The methods of `Image` about functions."""

    __slots__ = ()

    @chained
    def run_function(
        self,
        raw_f: Callable[..., object],
        *,
        secrets: Collection[Secret] | None = None,
        volumes: Mapping[str, Volume | CloudBucketMount] | None = None,
        network_file_systems: Mapping[str, NetworkFileSystem] | None = None,
        gpu: str | list[str] | None = None,
        cpu: float | None = None,
        memory: int | None = None,
        timeout: float = 3600,
        cloud: str | None = None,
        region: str | Sequence[str] | None = None,
        force_build: bool = False,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        include_source: bool | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> Self:
        """Run a function of yours in the image so far; what it leaves on disk becomes the next layer.

        It is run by the image's own Python (3.8 or newer), with the packages of the image. It travels as
        source, with all that it reads: your own functions and classes that it calls, and those that they
        call, the values of globals and class variables, closures, defaults. The step runs again when one of
        these changes; comments, formatting and what it does not read are no change. `why()` shows what it is
        made of.

        An exception fails the build. What it returns is ignored; a coroutine function runs to its end. It has
        no terminal and no input.

        Args:
            raw_f: the function, defined at the top of a file.
            secrets: given to it only, as environment variables; later ones win.
            volumes: directories that stay on the engine, and buckets, by the path where it sees them.
            network_file_systems: what the original's older interface calls volumes.
            gpu: a GPU of the builder: `"any"`, or a type such as `"A100"`; a list is an order of preference.
            cpu: processor cores that it may use.
            memory: MiB of memory that it may use.
            timeout: seconds after which it is stopped, with all that it started.
            cloud: accepted; the build runs where its engine is.
            region: accepted, likewise.
            force_build: run it even if cached, and all steps that follow.
            args: its arguments; at most 2 MiB with `kwargs`.
            kwargs: its arguments by name.
            include_source: take along the modules beside the file that it imports while it runs (default).
                False: it can import only what the image has.
            env: environment variables for it only; those whose value is None are left out.

        Raises:
            InvalidTypeError: an argument is of a wrong type, or `raw_f` is no function (a class, a method, a
                builtin, a partial).
            LocalFunctionError: the function is defined inside another one.
            InvalidError: it is a lambda or a generator, or an argument cannot be taken along. That its source
                cannot be found is told when the image is compiled.

        Example:
            ```python
            def download(model: str) -> None:
                from huggingface_hub import snapshot_download

                snapshot_download(model, local_dir="/models")

            image = (
                Image.debian_slim("3.12")
                .pip_install("huggingface_hub")
                .run_function(download, args=("openai/whisper-tiny",))
            )
            ```
        """
        from llb import function

        function.check_function(raw_f)
        given = _sequence("args", args)
        named = dict(arguments.dictionary("kwargs", {} if kwargs is None else kwargs, 'kwargs={"size": 1}'))
        if given or named:
            function.check_arguments(given, named)
        options = run_options(
            env=env,
            secrets=secrets,
            gpu=gpu,
            force_build=force_build,
            volumes=volumes,
            network_file_systems=network_file_systems,
            cloud=cloud,
            region=region,
            of_function=True,
        )
        limits = Limits(
            _positive("timeout", timeout, "seconds"),
            _positive("cpu", cpu, "cores") if cpu is not None else 0,
            int(_positive("memory", memory, "MiB", whole=True)) if memory is not None else 0,
        )
        source = True if include_source is None else arguments.flag("include_source", include_source)
        return self._then(RunFunction, options, raw_f, given, named, limits, source)

    def why(self) -> str:
        """What the functions that the chain runs are made of: a change of it makes a step run again.

        Returns:
            A line for each step with a function, and below it what is taken along.

        Example:
            ```python
            print(image.why())
            ```
        """
        lines: list[str] = []
        for step in steps_of(self._step):
            if isinstance(step, RunFunction):
                lines += _explained(step)
        return "\n".join(lines)


def _explained(step: RunFunction) -> list[str]:
    payload = step.payload(lambda function: function())
    options = step.options
    lines = [f"{step.location}: run_function {step.function.__name__}"]
    lines += [f"  {part}" for part in payload.parts]
    lines += [f"  argument {_shown(value)}" for value in step.args]
    lines += [f"  argument {name} = {_shown(value)}" for name, value in step.kwargs.items()]
    lines += [f"  env {name} = {value}" for name, value in options.env]
    lines += [f"  {secret!r}" for secret in options.secrets]
    lines += [f"  {at.path}: {at.volume!r}" for at in options.volumes]
    lines += [f"  gpu {gpu}" for gpu in options.gpu]
    lines += [f"  not seen: {note}" for note in payload.notes]
    return lines


def _shown(value: object) -> str:
    return arguments.shown(value)


def _sequence(name: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidTypeError(
            f"{name} must be a tuple or list, not {arguments.kind(value)}: {arguments.shown(value)}",
            hint=f"Write {name}=({arguments.shown(value)},).",
        )
    return tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _positive(name: str, value: object, unit: str, *, whole: bool = False) -> float:
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise InvalidTypeError(
            f"{name} must be a {'whole ' if whole else ''}number of {unit}, not {arguments.shown(value)}",
            hint=f"Write {name}={'1024' if whole else '2'}.",
        )
    if not 0 < value < 1 << 40:
        raise InvalidError(f"{name} cannot be {value} {unit}", hint="It must be more than 0.")
    return value
