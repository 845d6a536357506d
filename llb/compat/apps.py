"""Apps, functions, classes and sandboxes of a script: recorded with the images that they ask for."""

from __future__ import annotations

from llb._value import Value
from llb.compat.handles import Described, Handle
from llb.compat.placeholders import Decorated, Placeholder, decorated, unknown
from llb.errors import InvalidTypeError
from llb.image.chain import Chain
from llb.location import Location, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from llb.compat.image import Image


class Use(Value):
    """An image that is asked for: by a function, a class, a sandbox, or under a name of an app's."""

    kind: str
    """`function`, `class`, `sandbox`, `attribute`."""
    name: str
    """Empty for a sandbox that has none."""
    app: App | None
    image: Image | None
    """None: the app's, else the default."""
    module: str
    """The file that asks, as the running code names it."""
    owner: object = None
    """What the script holds in its hands for it."""
    built: tuple[str, ...] = ()
    """Methods that must run while the image is built."""
    location: Location | None = None


class Recording:
    """What one evaluation has recorded so far."""

    current: Recording

    def __init__(self) -> None:
        self.apps: list[App] = []
        self.uses: list[Use] = []
        self._default: Image | None = None

    def use(
        self,
        kind: str,
        name: str,
        app: App | None,
        image: object,
        owner: object = None,
        built: tuple[str, ...] = (),
    ) -> None:
        """Notes an image that is asked for.

        Raises:
            InvalidTypeError: it is none.
            ImageFileError: what it is is not known.
        """
        place = caller()
        found = image_or_none(image, f"the {kind} {name}".rstrip(), place)
        if found is None and (app is None or app.image is None):
            self.default()  # at the line that asks for it
        self.uses.append(Use(kind, name, app, found, place.filename, owner, built, place))

    def default(self) -> Image:
        """The image of what asks for none."""
        from llb.compat.image import Image

        if self._default is None:
            self._default = Image.debian_slim()
        return self._default


Recording.current = Recording()


class _Built:
    """Methods that are marked to run while their class's image is built: by identity, as any may be."""

    def __init__(self) -> None:
        self._known: list[object] = []

    def __contains__(self, value: object) -> bool:
        return any(value is one for one in self._known)

    def mark(self, *direct: Any, **_: Any) -> Any:
        """The decorator `modal.build`."""

        def mark(function: Any) -> Any:
            self._known.append(function)
            return function

        return mark(direct[0]) if len(direct) == 1 and decorated(direct[0]) else mark


BUILT = _Built()


def image_or_none(image: object, whose: str, place: Location) -> Image | None:
    """What was given as `image=`, checked."""
    if image is None or isinstance(image, Chain):
        return image  # pyright: ignore[reportReturnType]
    if isinstance(image, Placeholder):
        raise unknown(image, f"is the image of {whose}")
    raise InvalidTypeError(
        f"the image of {whose} is {type(image).__name__}, not an Image",
        hint="Write image=modal.Image.debian_slim()….",
        location=place,
    )


class Function(Decorated):
    """A decorated function. It can be called as it was; calls of it at the service end the evaluation."""

    def __init__(self, raw: Any, name: str) -> None:
        self._raw = raw
        self._name = name
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
            if hasattr(raw, attribute):
                setattr(self, attribute, getattr(raw, attribute))
        self.__wrapped__ = raw

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._raw(*args, **kwargs)

    local = __call__

    def get_raw_f(self) -> Any:
        return self._raw

    def with_options(self, *_: Any, **__: Any) -> Function:
        return self

    with_concurrency = with_batching = with_options

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        bind = getattr(self._raw, "__get__", None)
        return self if instance is None or bind is None else Function(bind(instance, owner), self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"function {self._name} has no attribute {name!r}", name=name)
        return Handle(f"{self._name}.{name}")

    @staticmethod
    def from_name(*_: Any, **__: Any) -> Handle:
        return Handle("Function.from_name()")

    lookup = from_name

    def __repr__(self) -> str:
        return f"<Function {self._name}>"


class Cls(Decorated):
    """A decorated class: its objects' methods run at the service, so using them ends the evaluation."""

    def __init__(self, raw: Any, name: str) -> None:
        self._raw = raw
        self._name = name
        self.__name__ = name
        self.__doc__ = getattr(raw, "__doc__", None)
        self.__module__ = getattr(raw, "__module__", __name__)

    def __call__(self, *_: Any, **__: Any) -> Any:
        return Handle(f"{self._name}()")

    def with_options(self, *_: Any, **__: Any) -> Cls:
        return self

    with_concurrency = with_batching = with_options

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (self._raw,)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"class {self._name} has no attribute {name!r}", name=name)
        raw: Any = getattr(self._raw, name, None)
        if type(raw) in (str, int, float, bool, tuple, list, dict):
            return raw
        return Handle(f"{self._name}.{name}")

    @staticmethod
    def from_name(*_: Any, **__: Any) -> Handle:
        return _FoundCls("Cls.from_name()")

    lookup = from_name

    def __repr__(self) -> str:
        return f"<Cls {self._name}>"


class _FoundCls(Handle):
    """A class that was deployed: an object of it is only named."""

    __slots__ = ()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return Handle(f"{self._llb_name}()")

    def __getattr__(self, name: str) -> Any:
        return (
            self
            if name in ("with_options", "with_concurrency", "with_batching")
            else super().__getattr__(name)
        )


class App:
    """An app, which a script registers its functions with. Takes whatever keywords come."""

    def __init__(self, name: object = None, *_: Any, image: object = None, **__: Any) -> None:
        self.__dict__["name"] = name if isinstance(name, str) else None
        self.__dict__["image"] = image_or_none(image, f"the app {name or ''}".rstrip(), caller())
        self.__dict__["registered_functions"] = {}
        self.__dict__["registered_classes"] = {}
        self.__dict__["registered_entrypoints"] = {}
        Recording.current.apps.append(self)

    name: str | None
    image: Image | None
    registered_functions: dict[str, Function]
    registered_classes: dict[str, Cls]
    registered_entrypoints: dict[str, Function]
    app_id = None
    is_interactive = False
    description = property(lambda self: self.name)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "image":
            value = image_or_none(value, f"the app {self.name or ''}".rstrip(), caller())
        elif isinstance(value, Chain):
            Recording.current.use("attribute", name, self, value)
        self.__dict__[name] = value

    def __setitem__(self, name: str, value: object) -> None:
        setattr(self, name, value)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __getattr__(self, name: str) -> Any:
        """A decorator that nobody here has heard of yet: it registers what it decorates."""
        if name.startswith("_"):
            raise AttributeError(f"App has no attribute {name!r}", name=name)
        return self._registering

    def _registering(self, direct: object = None, *_: Any, image: object = None, **keywords: Any) -> Any:
        def register(decorated_: Any) -> Any:
            name = keywords.get("name")
            if isinstance(decorated_, type):
                return self._class(decorated_, name, image)
            return self._function(decorated_, name, image)

        return register(direct) if decorated(direct) else register

    function = cls = server = _registering

    def _function(self, raw: Any, name: object, image: object) -> Any:
        if isinstance(raw, Placeholder):  # of a decorator that is not there
            return raw
        given = name if isinstance(name, str) else str(getattr(raw, "__name__", "function"))
        function = raw if isinstance(raw, Function) else Function(raw, given)
        self.registered_functions[given] = function
        Recording.current.use("function", given, self, image, function)
        return function

    def _class(self, raw: type, name: object, image: object) -> Cls:
        given = name if isinstance(name, str) else raw.__name__
        made = Cls(raw, given)
        self.registered_classes[given] = made
        built = tuple([method for method, value in vars(raw).items() if value in BUILT])
        Recording.current.use("class", given, self, image, made, built)
        return made

    def local_entrypoint(self, direct: object = None, *_: Any, name: str | None = None, **__: Any) -> Any:
        """What a script's own machine runs: it asks for no image."""

        def register(raw: Any) -> Any:
            given = name or str(getattr(raw, "__name__", "main"))
            made = self.registered_entrypoints[given] = Function(raw, given)
            return made

        return register(direct) if decorated(direct) else register

    def include(self, other: App, *_: Any, **__: Any) -> App:
        """Takes another app's functions as its own."""
        self.registered_functions.update(other.registered_functions)
        self.registered_classes.update(other.registered_classes)
        return self

    def set_description(self, *_: Any) -> None: ...

    def is_inside(self, *_: Any) -> bool:
        return False

    @staticmethod
    def lookup(name: object = None, *_: Any, **__: Any) -> App:
        return App(name)

    from_name = lookup

    @property
    def run(self) -> Handle:
        return Handle(f"{self.name or 'app'}.run")

    @property
    def deploy(self) -> Handle:
        return Handle(f"{self.name or 'app'}.deploy")

    serve = run

    def __repr__(self) -> str:
        return f"<App {self.name or ''}>"


class Stub(App):
    """What apps were called before."""


class _Create:
    """`Sandbox.create`, also awaited."""

    def __call__(
        self, *_: Any, image: object = None, app: object = None, name: object = None, **__: Any
    ) -> Sandbox:
        made = Sandbox()
        given = name if isinstance(name, str) else ""
        Recording.current.use("sandbox", given, app if isinstance(app, App) else None, image, made)
        return made

    async def aio(self, *args: Any, **kwargs: Any) -> Sandbox:
        return self(*args, **kwargs)


class Sandbox(Described):
    """A container that a script starts: recorded, and then there is nothing to talk to."""

    __slots__ = ()

    create: Callable[..., Sandbox] = _Create()
    _experimental_create = create
