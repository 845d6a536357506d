"""Secrets for the engine: values by id, looked up when a step asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llb.client.http2 import NOT_FOUND, CallError, Handler
from llb.client.session import Service, unary
from llb.errors import ExecutionError, LLBError
from llb.pb.secrets_pb2 import GetSecretRequest, GetSecretResponse
from llb.pb.services import Secrets

_MAX = 500 << 10
"""The largest secret that BuildKit takes."""

_SHORTEST = 6
"""Shorter values are not hidden in a log: they may be parts of ordinary words."""

Provider = Callable[[], "str | bytes"]


class SecretService(Service):
    """Serves secrets.

    Args:
        secrets: what gives the value of each, by id; ids may be added later. Values are asked for when a step
            needs them, and shown nowhere. An id that is not here does not exist for the engine.
    """

    name = Secrets.NAME

    def __init__(self, secrets: Mapping[str, Provider | str | bytes]) -> None:
        super().__init__()
        self._secrets = secrets
        self._served: set[bytes] = set()

    def handlers(self) -> Mapping[str, Handler]:
        return {"GetSecret": unary(Secrets.GetSecret, self._get)}

    def _get(self, request: GetSecretRequest) -> GetSecretResponse:
        known = self._secrets.get(request.ID)
        if known is None:
            raise CallError(NOT_FOUND, f"secret {request.ID}: not found")
        try:
            value = known() if callable(known) else known
            data = value.encode() if isinstance(value, str) else value
            if len(data) > _MAX:
                raise ExecutionError(
                    f"the secret {request.ID} has {len(data)} bytes: BuildKit takes {_MAX}",
                    hint="Put the data in a file that only the step downloads or mounts.",
                )
        except LLBError as error:
            self.failed(error)
        except Exception as error:  # noqa: BLE001 - a provider is anybody's code, and may quote the value
            self.failed(ExecutionError(f"the secret {request.ID} cannot be had: {type(error).__name__}"))
        self._served |= {part for part in (data.strip(), *data.splitlines()) if len(part) >= _SHORTEST}
        return GetSecretResponse(data=data)

    def hidden(self, text: bytes) -> bytes:
        """What a step wrote, without the values that it was given: a command may print its environment."""
        for value in sorted(self._served, key=len, reverse=True):
            text = text.replace(value, b"***")
        return text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(sorted(self._secrets))}>"
