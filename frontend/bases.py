"""Questions about base images: asked early, asked once.

A registry takes its time, so the question about the likely base is on its way while we still import the
compiler. A guess that was wrong costs one question; nothing else depends on it.
"""

from __future__ import annotations

from llb import _json
from llb.errors import InvalidError
from llb.graph import LINUX_AMD64, Platform, normalize_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from frontend.environment import Environment
    from llb.gateway import Bridge, ImageMeta, Pending

_CALL = ".from_registry("


def wished_platforms(environment: Environment) -> tuple[Platform, ...]:
    """The platforms that the build was asked for; none without a wish.

    Raises:
        InvalidError: one of them is none.
    """
    text = environment.options.get("platform", "")
    return tuple([Platform.parse(part).normalized() for part in text.split(",")]) if text else ()


def default_platform(environment: Environment) -> Platform:
    """The daemon's own platform."""
    try:
        first: dict[str, Any] = _json.loads(environment.workers)[0]["platforms"][0]
        return Platform(first["os"], first["architecture"], first.get("variant", "")).normalized()
    except (ValueError, LookupError, TypeError):
        return LINUX_AMD64


class BaseQuestions:
    """Questions to registries that are under way or answered."""

    def __init__(self, bridge: Bridge, environment: Environment) -> None:
        self._bridge = bridge
        self._environment = environment
        self._asked: dict[tuple[str, Platform, str], Pending[ImageMeta]] = {}
        self._guessed = False

    def ask(self, reference: str, platform: Platform, *, prefix: str = "") -> Pending[ImageMeta]:
        """Asks for digest and config of an image.

        Args:
            reference: in full.
            platform: what it is for.
            prefix: put before the question's name in the progress.
        """
        key = (reference, platform, prefix)
        pending = self._asked.get(key)
        if pending is None:
            pending = self._asked[key] = self._bridge.resolve_image(
                reference,
                platform=platform,
                mode=self._environment.options.get("image-resolve-mode", ""),
                log_name=f"[{prefix}internal] load metadata for {reference}",
            )
        return pending

    def guess(self, data: bytes) -> None:
        """Asks for the one base that an image file names, if it is clear from its text."""
        if self._guessed:
            return
        self._guessed = True
        options = self._environment.options
        if "requestid" in options or "multi-platform" in options:
            return
        if any(name.startswith("context:") for name in options):
            return
        name = only_base(data)
        if not name:
            return
        try:
            platforms = wished_platforms(self._environment) or (default_platform(self._environment),)
            reference = normalize_reference(name)
        except InvalidError:  # it is told where it matters
            return
        if len(platforms) == 1:
            self.ask(reference, platforms[0])


def only_base(data: bytes) -> str:
    """The literal argument of all `from_registry` calls of an image file, if it is one and the only base."""
    found = ""
    for line in data.decode("utf-8", "replace").split("\n"):
        if line.lstrip().startswith("#"):
            continue
        if ".debian_slim(" in line:
            return ""
        for call in line.split(_CALL)[1:]:
            quote = call[:1]
            name, closed, _ = call[1:].partition(quote or "'")
            if quote not in ("'", '"') or not closed or "\\" in name or (found and name != found):
                return ""
            found = name
    return found
