"""Platforms and image references. tests/golden holds both against containerd's and Docker's own parsers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llb.errors import InvalidError, InvalidTypeError
from llb.graph import LINUX_AMD64, Platform, Reference, image, marshal, normalize_reference

WORDS = st.text("abcxyzABC019._-()+%/ä", max_size=12)


def test_a_platform_is_read_and_written_as_text() -> None:
    assert Platform.parse("linux/amd64") == LINUX_AMD64
    assert str(Platform.parse("linux/arm/v7")) == "linux/arm/v7"
    assert str(Platform.parse("aarch64")) == "linux/arm64"
    assert (
        str(Platform("windows", "amd64", "", "10.0.17763", ("win32k",))) == "windows(10.0.17763+win32k)/amd64"
    )
    assert str(Platform("", "amd64")) == "unknown"


def test_normalized_platforms_are_equal_if_they_mean_the_same() -> None:
    same = [Platform("linux", "arm64"), Platform("Linux", "aarch64"), Platform("linux", "arm64", "v8")]
    assert {platform.normalized() for platform in same} == {Platform("linux", "arm64")}


def test_an_operating_system_alone_would_mean_this_machine() -> None:
    with pytest.raises(InvalidError, match="'linux' is not a platform") as caught:
        Platform.parse("linux")
    assert "linux/amd64" in caught.value.hint


def test_something_else_than_a_platform_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="not int"):
        marshal(image("a"), platform=5)  # pyright: ignore[reportArgumentType]


@given(WORDS)
def test_a_platform_survives_text_and_bytes(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except InvalidError:
        return
    assert Platform.parse(str(platform)).normalized() == platform.normalized()
    assert platform.normalized().normalized() == platform.normalized()
    assert Platform.decode(platform.encode()) == platform


def test_a_reference_has_its_full_form() -> None:
    assert normalize_reference("python") == "docker.io/library/python:latest"
    assert normalize_reference("ghcr.io/a/b:1") == "ghcr.io/a/b:1"
    reference = Reference.parse(f"localhost:5000/a@sha256:{'0' * 64}")
    assert (reference.domain, reference.path, reference.tag) == ("localhost:5000", "a", "")
    assert reference.tagged() is reference
    assert reference.name == "localhost:5000/a"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Debian", "lowercase"),
        ("a:b:c", "not a tag"),
        ("a@sha256:12", "not a digest"),
        ("0" * 64, "bare digest"),
        ("a b", "not an image reference"),
        ("x/" * 130 + "x", "255 characters"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(text: str, why: str) -> None:
    with pytest.raises(InvalidError, match=why) as caught:
        image(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["user:hunter2@ghcr.io/a/b:1", "USER:hunter2@x:5000/B", "hunter2@x/y", "u:hunter2/3@x/y"]
)
def test_a_login_in_a_reference_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidError, match="names a user") as caught:
        image(text)
    assert "hunter2" not in str(caught.value)
    assert text.rpartition("@")[2] in caught.value.message
    assert "docker login" in caught.value.hint


@given(st.text("ab:/@.-_0[]A", max_size=20))
def test_a_normalized_reference_stays_as_it_is(text: str) -> None:
    try:
        full = normalize_reference(text)
    except InvalidError:
        return
    assert normalize_reference(full) == full
