"""What a registry's refusal of a base image means to who asked for it."""

from __future__ import annotations

from llb.errors import BaseError
from llb.gateway.transport import NOT_FOUND, PERMISSION_DENIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.gateway.transport import RpcError


def base_error(reference: str, platform: object, error: RpcError) -> BaseError:
    """The daemon's answer to a question about a base, in the user's terms.

    Args:
        reference: what was asked for, in full.
        platform: what it was asked for.
        error: the answer.
    """
    message = error.message.removeprefix(f"failed to resolve source metadata for {reference}: ")
    message = message.removeprefix(f"{reference}: ")
    shown = reference.removeprefix("docker.io/library/").removeprefix("docker.io/")
    if "no match for platform" in message:
        return BaseError(
            f"{shown} has no image for {platform}",
            hint="Build for another --platform, or start from another base.",
        )
    if error.code == NOT_FOUND or message.endswith("not found"):
        why = "" if message == "not found" else f": {message}"
        return BaseError(f"{shown} was not found{why}", hint="Are name and tag right?")
    if error.code == PERMISSION_DENIED or "authoriz" in message or "denied" in message:
        domain = reference.partition("/")[0]
        login = "docker login" if domain == "docker.io" else f"docker login {domain}"
        return BaseError(
            f"{shown} cannot be had: {message}",
            hint=f"Is the name right? If it is private, log in where the build is started: {login}.",
        )
    return BaseError(f"{shown} cannot be had: {message}")
