"""Where a step is to run: `cloud` and `region` choose a builder by its labels, where several are known."""

from __future__ import annotations

from llb.image import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NOTE = "cloud= and region= choose among builders, and this build knows one: they have no effect"


def checked_placement(cloud: str | None, region: str | Sequence[str] | None) -> tuple[str, ...]:
    """What `cloud=` and `region=` were given: the cloud, then the regions in order of preference.

    Raises:
        InvalidTypeError: one is of a wrong type.
        InvalidError: one is empty.
    """
    example = 'region="us-east" or region=["us-east", "us-west"]'
    found = [] if cloud is None else [arguments.text("cloud", cloud, 'cloud="aws"')]
    if isinstance(region, list | tuple):
        return (*found, *arguments.texts("region", tuple(region), example))
    return (*found, arguments.text("region", region, example)) if region is not None else tuple(found)
