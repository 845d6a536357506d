"""Fills the mounts of buckets, runs a command, and writes back what it changed. Runs inside the step.

Its arguments are a file with what is mounted, and the command. boto3 is on a path of its own. It must run
in any Python from 3.9 on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

PREFIX = "LLB_BUCKET_"
"""What the variables with the keys of buckets start with. The command does not get them."""

_TRANSFERS = 8
_SAY_EVERY = 5.0
_RIGHTS = "May the keys of the mount's secret list, read and (without read_only=True) write it?"
_HINTS = {
    "NoSuchBucket": "Is its name right, and bucket_endpoint_url?",
    "404": "Is its name right, and bucket_endpoint_url?",
    "InvalidAccessKeyId": "The store does not know AWS_ACCESS_KEY_ID of the mount's secret.",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY of the mount's secret does not fit AWS_ACCESS_KEY_ID.",
    "AccessDenied": _RIGHTS,
    "403": _RIGHTS,
    "ExpiredToken": "AWS_SESSION_TOKEN of the mount's secret has run out.",
}


class BucketError(Exception):
    """What a bucket refuses, in a sentence."""


class Bucket:
    """A bucket and the directory that it is seen in."""

    def __init__(self, spec: dict[str, Any], environment: dict[str, str]) -> None:
        self.name: str = spec["bucket"]
        self.path: str = spec["path"]
        self.prefix: str = spec["prefix"]
        self.read_only: bool = spec["read_only"]
        self.where: str = spec["endpoint"] or "Amazon S3"
        self._extra = {"RequestPayer": "requester"} if spec["requester_pays"] else {}
        own = f"{PREFIX}{spec['number']}_"
        self._keys = {name[len(own) :]: value for name, value in environment.items() if name.startswith(own)}
        self._client = self._connected(spec)
        self._known: dict[str, tuple[int, int, int]] = {}

    def _connected(self, spec: dict[str, Any]) -> Any:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        keys = self._keys
        wanted = [one for one in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if keys.get(one)]
        if keys and len(wanted) < 2:
            raise BucketError(
                f"the secret of the bucket {self.name} lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY"
            )
        config = Config(
            retries={"mode": "standard", "max_attempts": 5},
            connect_timeout=10,
            max_pool_connections=_TRANSFERS * 4,
            s3={"addressing_style": "path"} if spec["path_style"] else None,
            # Stores other than Amazon's do not know the newer ones.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            signature_version=None if keys else UNSIGNED,
        )
        library: Any = boto3
        session = library.Session(
            aws_access_key_id=keys.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=keys.get("AWS_SESSION_TOKEN"),
            region_name=keys.get("AWS_REGION") or keys.get("AWS_DEFAULT_REGION") or "us-east-1",
        )
        return session.client("s3", endpoint_url=spec["endpoint"] or None, config=config)

    # -- there

    def fill(self) -> None:
        """Downloads the objects."""
        found = self._ask("list its objects", self._listed)
        total = sum(size for _, size in found)
        say(f"bucket {self.name}: {len(found)} objects, {_amount(total)}")
        self._transfer(
            "downloaded", [(size, self._ask, "read an object", self._fetch, name) for name, size in found]
        )
        for name, _ in found:
            self._known[name] = _state(self._local(name))

    def _listed(self) -> list[tuple[str, int]]:
        """Names below the prefix and sizes. What ends in a slash stands for a directory."""
        found: list[tuple[str, int]] = []
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=self.prefix, **self._extra
        )
        for page in pages:
            for one in page.get("Contents", ()):
                name = one["Key"][len(self.prefix) :]
                if not name:
                    continue
                parts = name.rstrip("/").split("/")
                if name.startswith("/") or "\0" in name or any(part in ("", ".", "..") for part in parts):
                    raise BucketError(
                        f"the bucket {self.name} has an object whose key cannot be a file's name: "
                        f"{one['Key']!r}\nLeave it out by key_prefix=, or rename it."
                    )
                if name.endswith("/"):
                    os.makedirs(self._local(name), exist_ok=True)
                else:
                    found.append((name, one["Size"]))
        return found

    def _fetch(self, name: str) -> None:
        target = self._local(name)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            self._client.download_file(self.name, self.prefix + name, target, ExtraArgs=dict(self._extra))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise BucketError(
                f"the bucket {self.name} has an object that is a file and a directory at once: {name!r}"
            ) from None

    # -- and back

    def store(self) -> None:
        """Uploads what is new or has changed, and removes what is gone."""
        there = dict(self._files())
        changed = [name for name, state in there.items() if self._known.get(name) != state]
        gone = [name for name in self._known if name not in there]
        if not changed and not gone:
            return
        self._transfer(
            "uploaded",
            [(there[name][0], self._ask, "write an object", self._send, name) for name in sorted(changed)],
        )
        for name in sorted(gone):
            self._ask("remove an object", self._remove, name)
        say(f"bucket {self.name}: {len(changed)} objects written, {len(gone)} removed")

    def _files(self) -> Iterable[tuple[str, tuple[int, int, int]]]:
        for at, _, files in os.walk(self.path, followlinks=False):
            for one in files:
                path = os.path.join(at, one)
                if os.path.isfile(path):  # a link to one is one
                    yield os.path.relpath(path, self.path), _state(path)

    def _send(self, name: str) -> None:
        self._client.upload_file(
            self._local(name), self.name, self.prefix + name, ExtraArgs=dict(self._extra)
        )

    def _remove(self, name: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=self.prefix + name, **self._extra)

    # -- how

    def _local(self, name: str) -> str:
        return os.path.join(self.path, *name.split("/"))

    def _transfer(self, done: str, jobs: Sequence[tuple[Any, ...]]) -> None:
        """Several at once, with a line now and then."""
        total, moved, said = sum(job[0] for job in jobs), 0, time.monotonic()
        with ThreadPoolExecutor(_TRANSFERS) as pool:
            pending = {pool.submit(job[1], *job[2:]): job[0] for job in jobs}
            for count, one in enumerate(as_completed(pending), 1):
                try:
                    one.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                moved += pending[one]
                if time.monotonic() - said > _SAY_EVERY:
                    said = time.monotonic()
                    amount = f"{_amount(moved)} of {_amount(total)}"
                    say(f"bucket {self.name}: {done} {count} of {len(jobs)} objects, {amount}")

    def _ask(self, what: str, function: Callable[..., Any], *args: Any) -> Any:
        """Calls the store; its refusals become a sentence, without any key."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return function(*args)
        except (ClientError, BotoCoreError, Boto3Error) as error:
            answer: Any = error.response if isinstance(error, ClientError) else {}
            code: str = answer.get("Error", {}).get("Code", "")
            why = str(error)
            for value in self._keys.values():
                if value:
                    why = why.replace(value, "***")
            hint = next((text for known, text in _HINTS.items() if known == code or f"({known})" in why), "")
            if isinstance(error, BotoCoreError):
                hint = hint or "Can this address be reached from where the image is built?"
            raise BucketError(
                f"the bucket {self.name} at {self.where} does not let the build {what}: {why}"
                + (f"\n{hint}" if hint else "")
            ) from None


def _state(path: str) -> tuple[int, int, int]:
    """What shows that a file was written to."""
    about = os.stat(path)
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if unit != "B" else f"{int(size)} B"
        size /= 1000
    return f"{size:.3g} TB"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the step's log


def run(command: Sequence[str]) -> int:
    """Runs the command without the keys; its exit status, as a shell has it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    child = subprocess.Popen(command, env=environment)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda signum, _: child.send_signal(signum))
    status = child.wait()
    return status if status >= 0 else 128 - status


def main(arguments: Sequence[str]) -> int:
    """Before, the command, and after: only if it has succeeded."""
    with open(arguments[0], encoding="utf-8") as file:
        given = json.load(file)
    environment = dict(os.environ)
    try:
        buckets = [Bucket(one, environment) for one in given]
        for bucket in buckets:
            bucket.fill()
        status = run(arguments[1:])
        if status == 0:
            for bucket in buckets:
                if not bucket.read_only:
                    bucket.store()
        return status
    except BucketError as error:
        sys.stderr.write(f"CloudBucketMount: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
