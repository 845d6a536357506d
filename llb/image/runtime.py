"""What the image says of its containers: ports, the signal that stops them, how their health is checked."""

from __future__ import annotations

from llb import _json as json
from llb.errors import InvalidError, InvalidTypeError
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from llb.image.build import Build

_PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535
_SIGNALS = (
    *("ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE"),
    *("POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU"),
    *("URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"),
)
_REAL_TIME = 15
"""RTMIN+1 to RTMIN+15, RTMAX-1 to RTMAX-14."""
_LAST_SIGNAL = 64


class Expose(Step):
    """Ports that containers listen on."""

    ports: tuple[str, ...]

    method = "expose"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        ports = tuple(dict.fromkeys((*below.config.exposed_ports, *self.ports)))
        history = build.history(f"EXPOSE [{' '.join(self.ports)}]", empty_layer=True)
        return below.configured(below.config.replace(exposed_ports=ports), history)


class StopSignal(Step):
    """The signal that stops a container."""

    signal: str

    method = "stop_signal"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        config = below.config.replace(stop_signal=self.signal)
        return below.configured(config, build.history(f"STOPSIGNAL {self.signal}", empty_layer=True))


class Healthcheck(Step):
    """How a container's health is checked; `check` is the member of the config, JSON."""

    check: str

    method = "healthcheck"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        config = below.config.replace(healthcheck=self.check)
        return below.configured(config, build.history(f"HEALTHCHECK {self.check}", empty_layer=True))


def parse_port(value: object) -> list[str]:
    """The ports that one argument names: `80` is `80/tcp`, `8000-8002/udp` is three.

    Raises:
        InvalidTypeError: it is neither a number nor text.
        InvalidError: it names no port.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidTypeError(
            f"a port must be a number or a string, not {arguments.kind(value)}: {arguments.shown(value)}",
            hint='Write expose(8080) or expose("53/udp").',
        )
    ports, slash, protocol = value.partition("/")
    first, dash, last = ports.partition("-")
    protocol = protocol.lower() if slash else "tcp"
    numbers = [
        int(one) if one.isascii() and one.isdigit() and len(one) < 10 else -1
        for one in (first, last or first)
    ]
    low, high = numbers
    if protocol not in _PROTOCOLS or (dash and not last) or not 0 < low <= high <= _LAST_PORT:
        hint = 'Write expose(8080), expose("53/udp") or expose("8000-8010").'
        if ":" in value:
            hint = "Name the container's port alone: the host's port is chosen when a container is run."
        raise InvalidError(f"{arguments.shown(value)} is no port", hint=hint)
    return [f"{number}/{protocol}" for number in range(low, high + 1)]


def parse_signal(value: object) -> str:
    """A signal as Docker takes it.

    Raises:
        InvalidTypeError: it is neither a number nor text.
        InvalidError: there is no such signal.
    """
    example = 'Write stop_signal("SIGINT").'
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidTypeError(
            f"signal must be a string, not {arguments.kind(value)}: {arguments.shown(value)}", hint=example
        )
    text = str(int(value)) if isinstance(value, int) else value  # a member of signal.Signals is a number
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name[:5], name[5:6], name[6:]
    if text.isascii() and text.isdigit():
        known = 0 < int(text[:9]) <= _LAST_SIGNAL
    elif offset:
        high = _REAL_TIME if base == "RTMIN" else _REAL_TIME - 1
        known = (base, sign) in (("RTMIN", "+"), ("RTMAX", "-")) and offset in map(str, range(1, high + 1))
    else:
        known = name in _SIGNALS
    if not known:
        raise InvalidError(f"{arguments.shown(value)} is no signal", hint=example)
    return text


def _nanoseconds(name: str, value: object) -> int:
    """Seconds as the config counts them."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTypeError(
            f"{name} must be a number of seconds, not {arguments.kind(value)}: {arguments.shown(value)}",
            hint=f"Write {name}=30.",
        )
    if not 0.001 <= value < 1 << 31:
        raise InvalidError(f"{name} is {arguments.shown(value)} seconds", hint=f"At least 0.001: {name}=30.")
    return round(value * 1_000_000) * 1_000


class Runtime(Chain):
    """The methods of `Image` that say how containers of it are to be treated."""

    __slots__ = ()

    @chained
    def expose(self, *ports: int | str) -> Self:
        """Say which ports containers listen on. It opens none: `docker run -P` and tools go by it.

        Args:
            *ports: numbers, or text with a protocol or a range: `8080`, `"53/udp"`, `"8000-8010"`. Without
                a protocol it is TCP. None at all: the image is returned as it is.

        Raises:
            InvalidTypeError: a port is neither a number nor text.
            InvalidError: it is not between 1 and 65535, or the protocol is not tcp, udp or sctp.

        Example:
            ```python
            image = image.expose(8080, "53/udp")
            ```
        """
        found = [port for value in ports for port in parse_port(value)]
        return self._then(Expose, tuple(dict.fromkeys(found))) if found else self

    @chained
    def stop_signal(self, signal: str | int) -> Self:
        """Set the signal that a container is stopped with; by default it is SIGTERM.

        Args:
            signal: its name, with or without SIG, or its number.

        Raises:
            InvalidTypeError: it is neither text nor a number.
            InvalidError: there is no such signal.

        Example:
            ```python
            image = image.stop_signal("SIGQUIT")
            ```
        """
        return self._then(StopSignal, parse_signal(signal))

    @chained
    def healthcheck(
        self,
        command: str | list[str] | None,
        *,
        interval: float | None = None,
        timeout: float | None = None,
        start_period: float | None = None,
        start_interval: float | None = None,
        retries: int | None = None,
    ) -> Self:
        """Set how an engine checks whether a container is healthy. It replaces the base's.

        Args:
            command: what is run in the container, healthy if it ends with 0: text is run in the image's
                shell, a list as it is. None: nothing is checked, whatever the base says.
            interval: seconds from one check to the next; the engine's default is 30.
            timeout: seconds after which a check has failed; default 30.
            start_period: seconds from the start in which failures do not count; default 0.
            start_interval: seconds between checks in that time; default 5.
            retries: how many failures in a row make a container unhealthy; default 3.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: the command is empty, or a number is out of range. Numbers without a command too.

        Example:
            ```python
            image = image.healthcheck("curl --fail http://localhost:8080/health", interval=10, retries=5)
            ```
        """
        check: dict[str, object] = {}
        example = 'healthcheck(["curl", "--fail", "http://localhost/"])'
        if command is None:
            check["Test"] = ["NONE"]
        elif isinstance(command, str):
            check["Test"] = ["CMD-SHELL", arguments.text("command", command, example)]
        else:
            words = arguments.words("command", command, example)
            if not words:
                raise InvalidError("command is empty", hint=f"Write {example}, or None for no check.")
            check["Test"] = ["CMD", *words]
        for key, name, seconds in (
            ("Interval", "interval", interval),
            ("Timeout", "timeout", timeout),
            ("StartPeriod", "start_period", start_period),
            ("StartInterval", "start_interval", start_interval),
        ):
            if seconds is not None:
                check[key] = _nanoseconds(name, seconds)
        if retries is not None:
            if isinstance(retries, bool) or not isinstance(retries, int):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidTypeError(
                    f"retries must be a number, not {arguments.kind(retries)}: {arguments.shown(retries)}",
                    hint="Write retries=3.",
                )
            if not 0 < retries < 1 << 31:
                raise InvalidError(f"retries is {arguments.shown(retries)}", hint="At least 1: retries=3.")
            check["Retries"] = retries
        if command is None and len(check) > 1:
            raise InvalidError("there is nothing to check without a command", hint=f"Write {example}.")
        return self._then(Healthcheck, json.dumps(check, ensure_ascii=False))
