"""What the results of a build say of themselves, whoever returns them."""

from __future__ import annotations

from llb import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from llb.graph import Platform


def platforms_metadata(platforms: Iterable[Platform]) -> bytes:
    """`refs.platforms`: outer keys in capitals, as BuildKit has them."""
    entries: list[dict[str, Any]] = []
    for platform in platforms:
        described: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
        if platform.os_version:
            described["os.version"] = platform.os_version
        if platform.os_features:
            described["os.features"] = list(platform.os_features)
        if platform.variant:
            described["variant"] = platform.variant
        entries.append({"ID": str(platform), "Platform": described})
    return _json.dumps({"Platforms": entries}).encode()
