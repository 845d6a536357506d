"""Buckets: objects of an S3 store that a step sees as files."""

from __future__ import annotations

from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError, UnsupportedError
from llb.image import arguments
from llb.image.secrets import Secret
from llb.location import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["CloudBucketMount"]

_EXAMPLE = 'CloudBucketMount("bucket", secret=Secret.from_name("s3", required_keys=["AWS_ACCESS_KEY_ID", …]))'


class CloudBucketMount(Value):
    """The objects of a bucket, there as files while a step runs.

    The objects are listed and downloaded when the step starts to run, which is not when it is cached: as with
    a volume, what is in the bucket is no part of a step's cache key. `force_build=True` looks again. What the
    step changed is uploaded when it has succeeded, and what it removed is removed in the bucket;
    `read_only=True` leaves the bucket alone. Nothing of it is in a layer, or stays on the engine.

    `run_function(volumes={…})` takes it.

    Args:
        bucket_name: the bucket.
        bucket_endpoint_url: where the store is, if it is not Amazon's, such as
            `https://storage.googleapis.com`.
        key_prefix: only objects whose keys start with this, which must end with `/`; files are named by what
            follows it.
        secret: has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and may have AWS_SESSION_TOKEN and
            AWS_REGION. The step itself does not see them. Without one, the bucket is asked anonymously.
        oidc_auth_role_arn: not supported: a build has no identity of its own to show.
        read_only: nothing is written back.
        requester_pays: who asks is charged for the transfer.
        force_path_style: the bucket is in the URL's path rather than in its host name.

    Raises:
        InvalidTypeError: an argument is of a wrong type.
        InvalidError: a name, URL or prefix is none.
        UnsupportedError: `oidc_auth_role_arn` is given.

    Example:
        ```python
        data = CloudBucketMount("datasets", key_prefix="v2/", secret=keys, read_only=True)
        image = image.run_function(prepare, volumes={"/data": data})
        ```
    """

    bucket_name: str
    bucket_endpoint_url: str | None = None
    key_prefix: str | None = None
    secret: Secret | None = None
    oidc_auth_role_arn: str | None = None
    read_only: bool = False
    requester_pays: bool = False
    force_path_style: bool = False

    def __post_init__(self) -> None:
        try:
            self._check()
        except (InvalidError, UnsupportedError) as error:
            raise error.at(caller(), "CloudBucketMount") from None

    def _check(self) -> None:
        name = arguments.text("bucket_name", self.bucket_name, _EXAMPLE)
        if "/" in name or any(one.isspace() for one in name):
            raise InvalidError(
                f"bucket_name cannot be {arguments.shown(name)}",
                hint="Write the bucket's name alone; what follows it goes to key_prefix.",
            )
        if self.bucket_endpoint_url is not None:
            _check_url(self.bucket_endpoint_url)
        if self.key_prefix is not None:
            prefix = arguments.text("key_prefix", self.key_prefix, 'key_prefix="models/"')
            if not prefix.endswith("/"):
                raise InvalidError(
                    f"key_prefix must end with a slash: {arguments.shown(prefix)}",
                    hint=f'Write key_prefix="{prefix[:80]}/".',
                )
            if prefix.startswith("/"):
                raise InvalidError(
                    f"key_prefix starts with a slash, as keys do not: {arguments.shown(prefix)}",
                    hint=f'Write key_prefix="{prefix[:80].lstrip("/")}".',
                )
        if self.secret is not None and not isinstance(self.secret, Secret):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(  # what it is may be a password
                f"secret must be a Secret, not {arguments.kind(self.secret)}", hint=f"Write {_EXAMPLE}."
            )
        for flag in ("read_only", "requester_pays", "force_path_style"):
            arguments.flag(flag, getattr(self, flag))
        if self.requester_pays and self.secret is None:
            raise InvalidError("requester_pays needs to know who pays", hint=f"Give it a secret: {_EXAMPLE}.")
        if self.oidc_auth_role_arn is not None:
            raise UnsupportedError(
                "oidc_auth_role_arn cannot be used: a build has no identity of its own to show",
                hint=f"Give it keys: {_EXAMPLE}.",
            )

    def __repr__(self) -> str:
        where = f"{self.bucket_name}/{self.key_prefix or ''}"
        return f"<CloudBucketMount {where}{', read-only' if self.read_only else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a bucket mount cannot be pickled: it holds a secret")


def _check_url(value: object) -> None:
    """A URL of http or https, without a password: it is part of the step."""
    example = 'bucket_endpoint_url="https://storage.googleapis.com"'
    url = arguments.text("bucket_endpoint_url", value, example)
    scheme, separator, rest = url.partition("://")
    host = rest.partition("/")[0]
    if "@" in host:
        raise InvalidError(
            "bucket_endpoint_url holds a user name or password",
            hint="Leave it out, and give secret= the keys: the URL is part of the step, and seen by all.",
        )
    if not separator or scheme not in ("http", "https") or not host or any(one.isspace() for one in url):
        raise InvalidError(
            f"bucket_endpoint_url must be a URL, not {arguments.shown(url)}", hint=f"Write {example}."
        )
