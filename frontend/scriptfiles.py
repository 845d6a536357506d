"""The client's files, where a script that was written for its author's machine looks for them.

Such a script looks beside itself and in its working directory: whether a file is there, what a directory
holds, what a file says. What it asks for is brought here at that moment, and nothing else; what it writes
stays here. Only scripts that use `modal` get this: an image file describes, and has no need to look.
"""

from __future__ import annotations

import builtins
import glob
import io
import os
import posixpath

from frontend.loading import CONTEXT, DEFINITION
from llb.errors import LLBError, UnsupportedError
from llb.imagefile.execution import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from frontend.loading import Loaded
    from frontend.resolver import GatewayResolver

PLACES = (f"{CONTEXT}/", f"{DEFINITION}/")
_LOOKS = ("stat", "lstat", "access", "readlink")
_HOME = "/tmp"  # noqa: S108 - the container's own
_LISTS = ("listdir", "scandir")


class ScriptFiles:
    """Brings files while it is entered.

    Args:
        resolver: who answers, made when there is something to ask.
        loaded: the script itself.
    """

    def __init__(self, resolver: Callable[[], GatewayResolver], loaded: Loaded) -> None:
        self._make_resolver = resolver
        self._resolver: GatewayResolver | None = None
        self._loaded = loaded
        self._kinds: dict[str, str] = {}
        """What the client has, by its path here: `dir`, `file`, `missing`."""
        self._empty: set[str] = set()
        """Files whose names alone are here so far."""
        self._saved: list[tuple[Any, str, Any]] = []

    def enter(self) -> None:
        script = posixpath.join(DEFINITION, self._loaded.filename)
        try:
            os.makedirs(posixpath.dirname(script), exist_ok=True)
            os.makedirs(CONTEXT, exist_ok=True)
            with open(script, "xb") as file:
                file.write(self._loaded.data)
        except FileExistsError:  # entered again
            pass
        os.chdir(CONTEXT)
        # Its author's home is not here; an empty one is.
        os.environ["HOME"] = _HOME
        for name in _LOOKS:
            self._replace(os, name, self._looking)
        for name in _LISTS:
            self._replace(os, name, self._listing)
        # Python 3.13's have the function itself.
        globbers: list[Any] = [one for name, one in vars(glob).items() if name.endswith("Globber")]
        for globber in globbers:
            members: dict[str, Any] = dict(globber.__dict__)
            if hasattr(members.get("scandir"), "__wrapped__"):
                self._saved.append((globber, "scandir", members["scandir"]))
                globber.scandir = staticmethod(os.scandir)
        for owner, name in ((builtins, "open"), (io, "open"), (os, "open")):
            self._replace(owner, name, self._opening)

    def leave(self) -> None:
        for owner, name, value in reversed(self._saved):
            setattr(owner, name, value)
        self._saved.clear()
        os.chdir("/")

    def _replace(self, owner: Any, name: str, around: Callable[[Any], Any]) -> None:
        real = getattr(owner, name)
        self._saved.append((owner, name, real))
        setattr(owner, name, around(real))

    def _looking(self, real: Any) -> Any:
        def look(path: Any, *args: Any, **kwargs: Any) -> Any:
            self._bring(path)
            return real(path, *args, **kwargs)

        return look

    def _listing(self, real: Any) -> Any:
        def list_(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            self._bring(path, entries=True)
            return real(path, *args, **kwargs)

        return list_

    def _opening(self, real: Any) -> Any:
        def open_(path: Any, how: Any = "r", *args: Any, **kwargs: Any) -> Any:
            if how == "r" and "mode" in kwargs:
                how = kwargs.pop("mode")
            fresh = "w" in how if isinstance(how, str) else bool(how & os.O_TRUNC)
            self._bring(path, content=not fresh)
            return real(path, how, *args, **kwargs)

        return open_

    # -- bringing

    def _bring(self, path: Any, *, content: bool = False, entries: bool = False) -> None:
        """Makes a path be here as it is at the client, as far as it is asked about."""
        run = Run.current
        if isinstance(path, int) or run is None or run.busy:
            return
        place = self._place(path)
        if place is None:
            return
        run.busy += 1
        try:
            self._look_at(place)
            if entries and self._kinds.get(place) == "dir":
                self._list(place)
            if content and place in self._empty:
                with io.open(place, "wb") as file:  # noqa: UP020 - `open` is what this stands for
                    file.write(self._asked().read(*self._named(place)))
                self._empty.discard(place)
        finally:
            run.busy -= 1

    @staticmethod
    def _place(path: Any) -> str | None:
        try:
            name = os.fsdecode(path)
        except (TypeError, LLBError):
            return None
        if not name or "\0" in name:
            return None
        name = posixpath.normpath(posixpath.join(os.getcwd(), name))
        return name if name.startswith(PLACES) or f"{name}/" in PLACES else None

    def _asked(self) -> GatewayResolver:
        if self._resolver is None:
            self._resolver = self._make_resolver()
        return self._resolver

    def _named(self, place: str) -> tuple[str, str]:
        found = self._asked().place(place)
        if found is None:
            raise UnsupportedError(
                f"{posixpath.basename(place)} cannot be looked for: the script comes from another build",
                hint="Build with a directory as context.",
            )
        return found

    def _look_at(self, place: str) -> None:
        if place in self._kinds:
            return
        if f"{place}/" in PLACES:
            self._kinds[place] = "dir"
            return
        above = posixpath.dirname(place)
        if os.path.lexists(place) or self._kinds.get(above) == "missing":
            return  # the script's own doing
        context, path = self._named(place)
        resolver = self._asked()
        resolver.look_up([(context, path)])
        entry = resolver.stat(context, path)
        if entry is None:
            raise UnsupportedError(
                f"this BuildKit cannot tell whether {path} is there", hint="Build with a newer one."
            )
        self._put(place, entry.kind)

    def _list(self, place: str) -> None:
        context, path = self._named(place)
        for entry in self._asked().walk(context, path):
            if "/" not in entry.path:
                self._put(f"{place}/{entry.path}", entry.kind)

    def _put(self, place: str, kind: str) -> None:
        if self._kinds.setdefault(place, kind) != kind or os.path.lexists(place):
            return
        if kind == "dir":
            os.makedirs(place, exist_ok=True)
        elif kind != "missing":
            os.makedirs(posixpath.dirname(place), exist_ok=True)
            with io.open(place, "xb"):  # noqa: UP020 - as above
                self._empty.add(place)
