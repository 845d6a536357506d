"""Modules that are not installed where a script is evaluated: used as anything, refused as a value."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from llb.errors import ImageFileError, LLBError
from llb.imagefile import ImageFile, execute
from llb.imagefile.modules import Modules
from llb.location import Location

HINT = "evaluate the file with `llb compile` in an environment that has what it imports."


def run(text: str, **options: Any) -> ImageFile:
    source = "import modal\n" + textwrap.dedent(text)
    return execute(source.encode(), "app.py", timeout=20, modules=Modules(), **options)


def refusal(text: str) -> LLBError:
    with pytest.raises(LLBError) as caught:
        run(text)
    return caught.value


def test_uses_that_need_no_value() -> None:
    file = run(
        """
        from abc import ABC
        from dataclasses import dataclass
        from enum import Enum
        from typing import Annotated, Generic, Optional, TypeVar

        import fastapi
        import torch
        import torch.nn as nn
        import torch.nn.functional as F
        from fastapi import Depends, FastAPI, Header
        from pydantic import BaseModel, Field
        from starlette.middleware.cors import CORSMiddleware

        T = TypeVar("T")
        web = FastAPI(title="x", lifespan=None)
        web.add_middleware(CORSMiddleware, allow_origins=["*"])
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.settings["a"] = 1

        class Item(BaseModel):
            name: str
            size: int = Field(default=1, gt=0)

        class Page(BaseModel, Generic[T]):
            items: list[T]

        class Net(nn.Module, ABC):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(1, 2)

            def forward(self, x: torch.Tensor, y: "Optional[torch.Tensor]" = None) -> dict[str, torch.Tensor]: ...

        class Table(fastapi.SQLModel, table=True): ...

        @dataclass
        class Options:
            device: torch.device = torch.device("cpu")

        @web.get("/")
        async def root(user: Annotated[str, Depends(Item)], agent: str = Header(None)) -> Item | torch.Tensor: ...

        @torch.inference_mode
        def infer(x: Optional[torch.Tensor], dtype=torch.float16 if False else torch.bfloat16): ...

        with torch.device("meta"):
            net = Net()
        item = Item(name="x")
        text = f"torch {torch.__version__}"
        total = (torch.ones(1) + 1) * 2 @ torch.eye(1) > 0
        fields = (item.name, Item.schema(), Net.layers)
        """
    )
    space = file.namespace
    assert space["root"].__name__ == "root"
    assert space["infer"].__name__ == "infer"
    assert isinstance(space["item"], space["Item"])
    assert "torch.__version__" in space["text"]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("if torch.cuda.is_available(): x = 1", "torch.cuda.is_available() is tested, but its value is not known"),
        ("for x in torch.kinds: pass", "torch.kinds is gone through, but"),
        ("x = len(torch.kinds)", "torch.kinds is measured, but"),
        ("x = int(torch.size)", "torch.size is needed as a number, but"),
        ("x = ['a'][torch.size]", "torch.size is needed as a number, but"),
        ("x = 'a' in torch.kinds", "torch.kinds is searched, but"),
        ("x = torch.a > 1 and 3", "torch.a > … is tested, but"),
        ("image.pip_install(torch.name)", "torch.name is given to pip_install, but"),
        ("image.pip_install(f'torch=={torch.__version__}')", "pip_install is given text with torch.__version__,"),
        ("image.env({'A': str(torch.x).upper()})", "env is given text with TORCH.X,"),
        ("image.run_commands(['a', f'echo {torch.x!r}'])", "run_commands is given text with torch.x,"),
        ("modal.Image.from_registry('a:' + torch.tag)", "'a:' + …"),
        ("import pathlib; image.add_local_dir(pathlib.Path(torch.home) / 'x', '/x')", "add_local_dir is given text with torch.home,"),
        ("modal.App(image=torch.image)", "torch.image is the image of the app, but"),
        ("modal.App().function(image=torch.f(image))(lambda: 1)", "torch.f() is the image of the function <lambda>, but"),
        ("image.env({'A': modal.config._profile})", "modal.config._profile is given to env, but"),
        ("from torch import *", "from torch import *: what it has is not known"),
    ],
)  # fmt: skip
def test_values_that_would_shape_an_image_are_refused(use: str, message: str) -> None:
    if "'a:' + …" in message:
        message = "from_registry"
    error = refusal(f"import torch, modal.config\nimage = modal.Image.debian_slim()\n{use}")
    assert isinstance(error, ImageFileError)
    assert message in error.message
    assert error.location == Location("app.py", 4)
    assert "not known" in error.message
    if "import *" not in use and "_profile" not in use:
        assert error.hint.endswith(HINT)


def test_why_a_value_is_not_known() -> None:
    error = refusal("import torch\nif torch.x: pass")
    assert error.message.endswith(": torch is not installed where this file is evaluated")
    error = refusal("if modal.something_new(): pass")
    assert error.message.endswith(": only the service has it")


def test_fields_of_what_derives_from_a_missing_class_are_not_known() -> None:
    """Its defaults may not be what it would give: a settings class reads the environment."""
    error = refusal(
        """
        from pydantic_settings import BaseSettings
        class Settings(BaseSettings):
            version: str = "1.0"
        settings = Settings()
        image = modal.Image.debian_slim().pip_install(f"six=={settings.version}")
        """
    )
    assert "pip_install is given text with Settings().version, whose value is not known here" in error.message


def test_what_is_installed_is_itself() -> None:
    assert run("import click\nx = click.__name__").namespace["x"] == "click"


def test_an_optional_import_fails_as_the_script_expects() -> None:
    file = run(
        """
        try:
            import torch
            import tqdm_of_nobody
        except ImportError:
            torch = None
        try:
            import tomli_of_nobody as toml
        except (ImportError, AttributeError):
            import toml_of_somebody as toml
        fast = torch is not None
        """
    )
    assert file.namespace["fast"] is False
    assert "toml_of_somebody" in repr(file.namespace["toml"])


def test_an_import_that_ends_the_script_otherwise_is_a_placeholder() -> None:
    file = run(
        """
        import sys
        try:
            import torch
        except ImportError:
            print("pip install torch")
            sys.exit(1)
        """
    )
    assert "torch" in repr(file.namespace["torch"])


def test_what_is_asked_for_is_not_there() -> None:
    file = run("import importlib.util\nfound = importlib.util.find_spec('torch') is not None")
    assert file.namespace["found"] is False


def test_imports_before_the_librarys_own_may_be_missing_too() -> None:
    file = execute(b"import aiohttp\nimport modal\nx = aiohttp.ClientSession", "app.py", modules=Modules())
    assert "aiohttp.ClientSession" in repr(file.namespace["x"])


def test_images_of_a_missing_package_are_told_so() -> None:
    from llb.errors import TargetError
    from llb.imagefile import pick

    file = run("import torch\nimage = torch.image(modal.Image.debian_slim())")
    with pytest.raises(TargetError, match="not an image, but a Placeholder"):
        pick(file, "image")
