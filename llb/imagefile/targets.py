"""Which image of an image file is meant."""

from __future__ import annotations

from llb.errors import TargetError
from llb.imagefile.values import kind_of
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from llb.image import Image
    from llb.imagefile.values import ImageFile


def images_in(namespace: Mapping[str, Any]) -> dict[str, Image]:
    from llb.image import Image

    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and isinstance(value, Image)
    }


def pick(file: ImageFile, target: str | None = None) -> tuple[str, Image]:
    """The image that is meant: `target`, else the one that all of a script's functions use, else `image`,
    else the only one.

    Raises:
        TargetError: there is none such, or it is not clear which one is meant.
    """
    targets = file.targets
    if target:
        name = (file.aliases or {}).get(target, target)
        if name in targets:
            return name, targets[name]
        raise _no_such_target(file, target)
    if len(file.used) == 1:
        return next((name, image) for name, image in targets.items() if image is file.used[0])
    if "image" in targets:
        return "image", targets["image"]
    if len({id(image) for image in targets.values()}) == 1:
        return next(iter(targets.items()))
    if not targets:
        raise TargetError(
            f"{file.name} defines no image{_ended(file)}",
            hint='Give one a name at module level: image = Image.debian_slim("3.12")…',
            location=Location(file.name, 1),
        )
    raise TargetError(
        f"{file.name} defines {len(targets)} images, and none is called `image`",
        hint=f"Say which one with --target: {', '.join(targets)}.",
        location=_location(list(targets.values())[-1]),
    )


def _no_such_target(file: ImageFile, target: str) -> TargetError:
    if target in file.namespace:
        message = f"{target!r} in {file.name} is not an image, but {kind_of(file.namespace[target])}"
    else:
        message = f"{file.name} has no target {target!r}{_ended(file)}"
    if not file.targets:
        return TargetError(message, hint="It defines no image at all.", location=Location(file.name, 1))
    from difflib import get_close_matches

    hint = f"Its targets: {', '.join(file.targets)}."
    close = get_close_matches(target, file.targets, 1)
    if close:
        hint = f"Did you mean {close[0]!r}? {hint}"
    nearest = file.targets[close[0]] if close else list(file.targets.values())[-1]
    return TargetError(message, hint=hint, location=_location(nearest))


def _ended(file: ImageFile) -> str:
    if file.ended is None:
        return ""
    return f" before {file.ended}, where it starts what only the service can run"


def _location(image: Image) -> Location:
    from llb.image.chain import step_of

    return step_of(image).location
