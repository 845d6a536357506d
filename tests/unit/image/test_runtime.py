"""What the image says of its containers: ports, stop signal, health check."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from llb.errors import InvalidError, InvalidTypeError
from llb.image import Image
from tests.unit.image.vertices import Answers, base, compiled


def loose() -> Any:
    """An image without its types, for calls that a type checker refuses."""
    return base()


class TestExpose:
    @pytest.mark.parametrize(
        ("ports", "expected"),
        [
            ((8080,), ["8080/tcp"]),
            (("8080",), ["8080/tcp"]),
            (("53/udp", 80), ["53/udp", "80/tcp"]),
            (("53/UDP",), ["53/udp"]),
            (("8000-8002/sctp",), ["8000/sctp", "8001/sctp", "8002/sctp"]),
            ((80, "80/tcp", "80-81"), ["80/tcp", "81/tcp"]),
            ((65535, 1), ["1/tcp", "65535/tcp"]),
        ],
    )
    def test_ports(self, ports: tuple[Any, ...], expected: list[str]) -> None:
        assert sorted(compiled(base().expose(*ports)).config["ExposedPorts"]) == expected

    def test_those_of_the_base_and_of_earlier_calls_stay(self) -> None:
        resolver = Answers(config={"config": {"ExposedPorts": {"22/tcp": {}}}})
        result = compiled(base().expose(80).expose(81, 80), resolver)
        assert sorted(result.config["ExposedPorts"]) == ["22/tcp", "80/tcp", "81/tcp"]
        assert result.history == ["EXPOSE [80/tcp]", "EXPOSE [81/tcp 80/tcp]"]

    def test_none_at_all(self) -> None:
        image = base()
        assert image.expose() is image

    @pytest.mark.parametrize(
        ("port", "hint"),
        [
            (0, "expose(8080)"),
            (-1, "expose(8080)"),
            (65536, "expose(8080)"),
            ("", "expose(8080)"),
            ("http", "expose(8080)"),
            ("80/", "expose(8080)"),
            ("80/icmp", "expose(8080)"),
            ("80-", "expose(8080)"),
            ("90-80", "expose(8080)"),
            ("1-2-3", "expose(8080)"),
            ("٨٠", "expose(8080)"),
            ("99999999999", "expose(8080)"),
            ("8080:80", "when a container is run"),
        ],
    )
    def test_what_is_no_port(self, port: Any, hint: str) -> None:
        with pytest.raises(InvalidError, match="is no port") as caught:
            base().expose(80, port)
        assert hint in caught.value.hint

    @pytest.mark.parametrize("port", [None, 80.0, True, [80], b"80"])
    def test_a_port_is_a_number_or_text(self, port: Any) -> None:
        with pytest.raises(InvalidTypeError, match="a port must be a number or a string"):
            base().expose(port)


class TestStopSignal:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("SIGTERM", "SIGTERM"),
            ("term", "term"),
            ("9", "9"),
            (9, "9"),
            (signal.SIGQUIT, "3"),
            ("SIGRTMIN+15", "SIGRTMIN+15"),
            ("RTMAX-14", "RTMAX-14"),
            (64, "64"),
        ],
    )
    def test_a_signal_by_name_or_number(self, given: Any, expected: str) -> None:
        result = compiled(base().stop_signal(given))
        assert result.config["StopSignal"] == expected
        assert result.history == [f"STOPSIGNAL {expected}"]

    @pytest.mark.parametrize(
        "given",
        ["", "NONE", "SIG", "0", 0, 65, -9, "RTMIN+16", "RTMIN-1", "RTMAX+1", "RTMAX-15", "TERM+1", "9" * 99],
    )
    def test_what_is_no_signal(self, given: Any) -> None:
        with pytest.raises(InvalidError, match="is no signal") as caught:
            base().stop_signal(given)
        assert 'stop_signal("SIGINT")' in caught.value.hint

    @pytest.mark.parametrize("given", [None, 9.0, True, ["SIGTERM"]])
    def test_a_signal_is_text_or_a_number(self, given: Any) -> None:
        with pytest.raises(InvalidTypeError, match="signal must be a string"):
            base().stop_signal(given)


class TestHealthcheck:
    def check(self, image: Image) -> dict[str, Any]:
        return compiled(image).config["Healthcheck"]

    def test_text_is_run_in_the_shell_and_a_list_as_it_is(self) -> None:
        assert self.check(base().healthcheck("curl $URL")) == {"Test": ["CMD-SHELL", "curl $URL"]}
        assert self.check(base().healthcheck(["curl", "ü"])) == {"Test": ["CMD", "curl", "ü"]}

    def test_seconds_become_nanoseconds(self) -> None:
        image = base().healthcheck(
            "x", interval=10, timeout=0.0015, start_period=1.1, start_interval=0.001, retries=4
        )
        assert self.check(image) == {
            "Test": ["CMD-SHELL", "x"],
            "Interval": 10_000_000_000,
            "Timeout": 1_500_000,
            "StartPeriod": 1_100_000_000,
            "StartInterval": 1_000_000,
            "Retries": 4,
        }

    def test_none_drops_the_bases(self) -> None:
        resolver = Answers(config={"config": {"Healthcheck": {"Test": ["CMD", "x"]}}})
        assert compiled(base(), resolver).config["Healthcheck"] == {"Test": ["CMD", "x"]}
        assert compiled(base().healthcheck(None), resolver).config["Healthcheck"] == {"Test": ["NONE"]}

    def test_the_history_tells_it(self) -> None:
        [entry] = compiled(base().healthcheck("x", retries=1)).history
        assert entry.startswith("HEALTHCHECK ")
        assert json.loads(entry.removeprefix("HEALTHCHECK ")) == {"Test": ["CMD-SHELL", "x"], "Retries": 1}

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            (lambda: loose().healthcheck(""), InvalidError, "command is empty"),
            (lambda: loose().healthcheck([]), InvalidError, "command is empty"),
            (lambda: loose().healthcheck(("x",)), InvalidTypeError, "command must be a list of strings"),
            (lambda: loose().healthcheck([1]), InvalidTypeError, "command must be a list of strings"),
            (lambda: loose().healthcheck("x", interval="10s"), InvalidTypeError, "interval must be a number"),
            (lambda: loose().healthcheck("x", timeout=0), InvalidError, "timeout is 0 seconds"),
            (lambda: loose().healthcheck("x", timeout=float("nan")), InvalidError, "timeout is nan seconds"),
            (lambda: loose().healthcheck("x", start_period=-1), InvalidError, "start_period is -1 seconds"),
            (lambda: loose().healthcheck("x", start_interval=1e-9), InvalidError, "start_interval is 1e-09"),
            (lambda: loose().healthcheck("x", retries=0), InvalidError, "retries is 0"),
            (lambda: loose().healthcheck("x", retries=1.5), InvalidTypeError, "retries must be a number"),
            (lambda: loose().healthcheck("x", retries=True), InvalidTypeError, "retries must be a number"),
            (
                lambda: loose().healthcheck(None, retries=3),
                InvalidError,
                "nothing to check without a command",
            ),
        ],
    )
    def test_mistakes(self, wrong: Callable[[], Any], error: type[InvalidError], message: str) -> None:
        with pytest.raises(error, match=message) as caught:
            wrong()
        assert type(caught.value) is error
        assert caught.value.hint


class TestShellOfTheBase:
    """A shell that the base image names runs the chain's commands, until the chain names another."""

    RESOLVER = Answers(config={"config": {"Shell": ["/bin/bash", "-euc"]}})

    def test_it_runs_commands_of_every_step(self) -> None:
        image = (
            base()
            .run_commands("a")
            .env({"A": "1"})
            .workdir("/w")
            .user("x")
            .pip_install("six")
            .run_commands("b")
        )
        result = compiled(image, self.RESOLVER)
        assert [list(run.meta.args)[:2] for run in result.execs] == [["/bin/bash", "-euc"]] * 3
        assert result.config["Shell"] == ["/bin/bash", "-euc"]

    def test_a_shell_of_the_chain_replaces_it(self) -> None:
        result = compiled(base().shell(["/bin/ash", "-c"]).workdir("/w").run_commands("a"), self.RESOLVER)
        assert result.execs[0].meta.args[0] == "/bin/ash"
        assert result.config["Shell"] == ["/bin/ash", "-c"]

    def test_an_empty_one_is_the_default(self) -> None:
        result = compiled(base().shell([]).run_commands("a"), self.RESOLVER)
        assert result.execs[0].meta.args[0] == "/bin/sh"
        assert "Shell" not in result.config
