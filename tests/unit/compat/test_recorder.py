"""Scripts for the service: what `import modal` takes, which images they name, where their evaluation ends."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import pytest

from llb import Image, compile_to_llb
from llb.errors import ImageFileError, InvalidTypeError, LLBError, TargetError, UnsupportedError
from llb.image.chain import step_of
from llb.image.step import steps_of
from llb.imagefile import ImageFile, execute, pick
from llb.imagefile.modules import Modules
from llb.location import Location

PRELUDE = "import modal\n"


def run(text: str, **options: Any) -> ImageFile:
    options.setdefault("modules", Modules())
    return execute((PRELUDE + textwrap.dedent(text)).encode(), "app.py", timeout=20, **options)


def refusal(text: str, **options: Any) -> LLBError:
    with pytest.raises(LLBError) as caught:
        run(text, **options)
    return caught.value


def steps(file: ImageFile, target: str) -> list[str]:
    """The methods that made a target, from its base on."""
    return [step.method for step in steps_of(step_of(file.targets[target]))]


def line(file: ImageFile, target: str) -> int:
    return step_of(file.targets[target]).location.line


# -- targets


def test_module_level_images_are_targets_as_ever() -> None:
    file = run(
        """
        base = modal.Image.debian_slim()
        image = base.pip_install("six")
        _hidden = base.pip_install("idna")
        """
    )
    assert list(file.targets) == ["base", "image"]
    assert steps(file, "image") == ["debian_slim", "pip_install"]
    assert isinstance(file.targets["image"], Image)


def test_functions_and_classes_are_targets_by_their_names() -> None:
    file = run(
        """
        app = modal.App("example")

        @app.function(image=modal.Image.debian_slim().pip_install("six"), gpu="H100", anything={"a": 1})
        def train(): ...

        @app.cls(image=modal.Image.debian_slim().apt_install("git"))
        class Model:
            @modal.enter()
            def load(self): ...
            @modal.method()
            def predict(self): ...

        @app.server(image=modal.Image.debian_slim().env({"A": "1"}), port=8000)
        class Server: ...

        @app.function(image=modal.Image.debian_slim().workdir("/x"), name="renamed")
        @modal.fastapi_endpoint(method="POST", docs=True)
        @modal.concurrent(max_inputs=100)
        def web(): ...

        app.function(image=modal.Image.debian_slim().cmd(["x"]))(train.get_raw_f())
        """
    )
    assert list(file.targets) == ["train", "Model", "Server", "renamed"]
    assert steps(file, "train") == ["debian_slim", "cmd"]  # the later definition of that name
    assert steps(file, "Model") == ["debian_slim", "apt_install"]
    assert steps(file, "Server") == ["debian_slim", "env"]
    assert steps(file, "renamed") == ["debian_slim", "workdir"]


def test_without_an_image_the_apps_is_taken() -> None:
    file = run(
        """
        app = modal.App(name="example", image=modal.Image.debian_slim().pip_install("six"), secrets=[])

        @app.function()
        def f(): ...

        @app.function
        def g(): ...
        """
    )
    assert list(file.targets) == ["f", "g", "app"]
    assert len({id(image) for image in file.targets.values()}) == 1
    assert pick(file) == ("f", file.targets["f"])
    assert pick(file, "example")[0] == "app"


def test_without_an_apps_image_the_default_is_debian_slim() -> None:
    file = run(
        """
        app = modal.App()

        @app.function()
        def f(): ...
        """
    )
    assert steps(file, "f") == ["debian_slim"]
    assert step_of(file.targets["f"]).location == Location("app.py", 5)


def test_an_image_that_is_set_on_the_app_later_counts() -> None:
    file = run(
        """
        app = modal.App()

        @app.function()
        def f(): ...

        app.image = modal.Image.debian_slim().pip_install("six")
        """
    )
    assert steps(file, "f") == ["debian_slim", "pip_install"]


def test_functions_that_are_added_in_the_end_are_found() -> None:
    file = run(
        """
        def register(app):
            for version in ("3.11", "3.12"):
                image = modal.Image.debian_slim(version)
                app.function(image=image, name=f"on-{version}", serialized=True)(lambda: None)

        app = modal.App()
        register(app)
        """
    )
    assert list(file.targets) == ["on-3.11", "on-3.12"]


def test_a_stub_and_its_attributes() -> None:
    file = run(
        """
        stub = modal.Stub("old")
        stub.sd_image = modal.Image.debian_slim().pip_install("six")
        stub["other"] = modal.Image.debian_slim()

        if stub.is_inside(stub.sd_image):
            raise AssertionError

        @stub.function(image=stub.sd_image, shared_volumes={"/x": modal.SharedVolume().persist("v")})
        def f(): ...
        """
    )
    assert list(file.targets) == ["sd_image", "other", "f"]
    assert file.targets["f"] is file.targets["sd_image"]
    assert pick(file)[0] == "sd_image"


def test_names_that_collide() -> None:
    """A module-level image keeps its name; what else is called so goes by its app."""
    file = run(
        """
        web = modal.Image.debian_slim()
        app = modal.App("a")
        second = modal.App("b")

        @app.function(image=web.env({"A": "1"}), name="web")
        def f(): ...

        @second.function(image=web.env({"B": "1"}), name="web")
        def g(): ...

        @app.function(image=web, name="same")
        def h(): ...
        """
    )
    assert list(file.targets) == ["web", "app.web", "second.web", "same"]
    assert steps(file, "web") == ["debian_slim"]
    assert line(file, "second.web") == 10
    assert pick(file, "app.same")[0] == "same"


def test_the_image_that_all_functions_use_is_picked_before_one_called_image() -> None:
    file = run(
        """
        image = modal.Image.debian_slim()
        cuda = image.pip_install("six")
        app = modal.App()

        @app.function(image=cuda)
        def f(): ...

        @app.function(image=cuda)
        def g(): ...
        """
    )
    assert pick(file) == ("cuda", file.targets["cuda"])


def test_several_images_and_no_target() -> None:
    file = run(
        """
        app = modal.App()

        @app.function(image=modal.Image.debian_slim("3.11"))
        def f(): ...

        @app.function(image=modal.Image.debian_slim("3.12"))
        def g(): ...
        """
    )
    with pytest.raises(TargetError, match="Say which one with --target: f, g"):
        pick(file)


def test_an_image_that_is_none() -> None:
    error = refusal("app = modal.App()\n@app.function(image='debian')\ndef f(): ...")
    assert isinstance(error, InvalidTypeError)
    assert error.message == "the image of the function f is str, not an Image"
    assert error.location == Location("app.py", 3)


# -- what a script may say


def test_every_name_of_the_library_is_there() -> None:
    file = run(
        """
        import modal.experimental
        from modal import App, Image, Secret, Volume, asgi_app, gpu, method, web_endpoint
        from modal.exception import NotFoundError, TimeoutError
        from modal.volume import FileEntry
        from modal.functions import FunctionCall
        import modal.config

        volumes = {
            "/a": Volume.from_name("a", create_if_missing=True, version=2),
            "/b": modal.NetworkFileSystem.from_name("b"),
            "/c": modal.CloudBucketMount("bucket", secret=Secret.from_name("aws"), read_only=True),
            "/d": Volume.from_name("d").read_only(),
            "/e": Volume.lookup("e"),
            "/f": modal.Volume.persisted("f"),
        }
        queue, table = modal.Queue.from_name("q", create_if_missing=True), modal.Dict.from_name("d")
        elsewhere = modal.Function.from_name("app", "f")
        Other = modal.Cls.from_name("app", "C").with_options(gpu="A10G")
        other = Other(size=1)
        app = modal.App.lookup("x", create_if_missing=True)
        gpus = [gpu.A100(size="80GB", count=2), gpu.H100(), gpu.Any(), gpu.A100(memory=40), "L40S"]

        @app.function(
            image=Image.debian_slim(), volumes=volumes, gpu=gpus, schedule=modal.Cron("* * * * *"),
            retries=modal.Retries(max_retries=3), proxy=modal.Proxy.from_name("p"),
            secrets=[Secret.from_name("s", required_keys=["K"]), Secret.from_dict({"A": None})],
            scheduler_placement=modal.SchedulerPlacement(region="us"), **{"region": "eu", "cpu": 2.0},
        )
        @modal.experimental.clustered(size=2)
        @asgi_app(label="x")
        def f():
            raise AssertionError("never run")

        @app.local_entrypoint()
        def main(n: int = 3):
            f.remote()

        local = modal.is_local()
        found = isinstance(volumes["/a"], Volume)
        with modal.enable_output():
            nothing = modal.a_decorator_of_next_year(1)(main)
        try:
            raise NotFoundError("x")
        except modal.exception.Error:
            caught = True
        """
    )
    assert file.namespace["local"] is True
    assert file.namespace["found"] is True
    assert file.namespace["caught"] is True
    assert file.namespace["nothing"] is file.namespace["main"]
    assert file.namespace["gpus"] == ["A100-80GB:2", "H100", "any", "A100-40GB", "L40S"]
    assert list(file.targets) == ["f"]
    assert file.ended is None


def test_decorated_functions_can_be_called_here() -> None:
    file = run(
        """
        app = modal.App()

        @app.function()
        def double(x): return 2 * x

        @app.cls()
        class Model:
            SIZE = 3

        class Larger(Model):
            SIZE = Model.SIZE + 1

        here = double(4) + double.local(1)
        larger = Larger.SIZE
        name = double.__name__
        """
    )
    assert (file.namespace["here"], file.namespace["larger"], file.namespace["name"]) == (10, 4, "double")


def test_legacy_names() -> None:
    file = run(
        """
        image = (
            modal.Image.from_dockerhub("ubuntu:22.04")
            .workdir("/srv")
            .copy_local_dir("src", "app")
            .copy_local_file("a.txt")
            .copy_mount(modal.Mount.from_local_dir("data", remote_path="/data"))
        )
        with image.run_inside():
            import nowhere_to_be_found
        same = image.build(modal.App())
        """
    )
    added: list[Any] = [
        step for step in steps_of(step_of(file.targets["image"])) if step.method.startswith("add_local")
    ]
    places = [(step.method, step.remote_path, step.copy) for step in added]
    assert places == [
        ("add_local_dir", "/srv/app", True),
        ("add_local_file", "/srv/", True),
        ("add_local_dir", "/data", True),
    ]
    assert file.namespace["same"] is file.targets["image"]


def test_legacy_names_are_the_scripts_alone() -> None:
    with pytest.raises(AttributeError, match="does not exist any more"):
        getattr(Image, "from_dockerhub")  # noqa: B009


def test_what_images_themselves_refuse_is_refused_here_too() -> None:
    error = refusal('\nimage = modal.Image.debian_slim().conda_install("x")')
    assert "conda_install does not exist any more" in error.message
    assert error.location == Location("app.py", 3)


def test_a_class_that_is_built_by_its_methods_is_recorded_and_refused() -> None:
    file = run(
        """
        app = modal.App()

        @app.cls(image=modal.Image.debian_slim())
        class Model:
            @modal.build()
            def download(self): ...
        """
    )
    assert steps(file, "Model") == ["debian_slim", "build"]
    with pytest.raises(UnsupportedError) as caught:
        compile_to_llb(file.targets["Model"])
    assert caught.value.message == (
        "the image of Model needs Model.download, which is marked with @modal.build, run in it"
    )
    assert caught.value.hint == "Make it a function at module level, and write image.run_function(download)."
    assert caught.value.location == Location("app.py", 5)


def test_volumes_and_buckets_are_ours_and_take_what_only_the_service_knows() -> None:
    from llb import CloudBucketMount, NetworkFileSystem, Volume

    file = run(
        """
        volume = modal.Volume.from_name("v", create_if_missing=True, version=2, client=None)
        older = modal.NetworkFileSystem.persisted("n")
        bucket = modal.CloudBucketMount("b", oidc_auth_role_arn="arn:x", key_prefix="no-slash", new_option=1)
        app = modal.App()

        @app.function(volumes={"/v": volume, "/b": bucket}, network_file_systems={"/n": older})
        def f(): ...
        """
    )
    space = file.namespace
    assert isinstance(space["volume"], Volume)
    assert isinstance(space["older"], NetworkFileSystem)
    assert isinstance(space["bucket"], CloudBucketMount)


def test_a_step_is_given_only_what_it_can_mount() -> None:
    error = refusal(
        """
        bucket = modal.CloudBucketMount("b", oidc_auth_role_arn="arn:x")
        image = modal.Image.debian_slim().run_commands("ls /b", volumes={"/b": bucket})
        """
    )
    assert "oidc_auth_role_arn cannot be used" in error.message
    assert error.location == Location("app.py", 4)


# -- the end


@pytest.mark.parametrize(
    "use",
    [
        "f.remote(1)",
        "f.spawn()",
        "list(f.map([1, 2]))",
        "for x in f.starmap([(1,)]): pass",
        "with app.run(): main()",
        "app.deploy()",
        "Model().predict.remote()",
        "modal.Function.from_name('a', 'f').remote()",
        "modal.Queue.from_name('q').put(1)",
        "modal.Dict.from_name('d')['k'] = 1",
        "'k' in modal.Dict.from_name('d')",
        "with modal.Queue.ephemeral() as q: q.put(1)",
        "with modal.forward(8000) as tunnel: print(tunnel.url)",
        "modal.Volume.from_name('v').listdir('/')",
        "modal.Sandbox.create(app=app).exec('ls')",
        "import asyncio; asyncio.run(modal.Sandbox.create.aio()); asyncio.run(f.remote.aio())",
        "modal.interact()",
        "modal.Sandbox.list()",
    ],
)
def test_what_only_the_service_can_run_ends_the_evaluation_quietly(use: str) -> None:
    file = run(
        f"""
        app = modal.App()

        @app.function(image=modal.Image.debian_slim())
        def f(): ...

        @app.cls(image=modal.Image.debian_slim())
        class Model: ...

        {use}
        raise AssertionError
        """
    )
    assert set(file.targets) >= {"f", "Model"}
    assert file.ended == Location("app.py", 11)


def test_a_sandboxs_image_is_a_target() -> None:
    file = run(
        """
        app = modal.App.lookup("x", create_if_missing=True)
        image = modal.Image.debian_slim().pip_install("jupyter")
        sandbox = modal.Sandbox.create("jupyter", encrypted_ports=[8888], timeout=60, image=image, app=app)
        print("Sandbox:", sandbox.object_id)
        modal.Sandbox.create(image=image.env({"A": "1"}))
        modal.Sandbox.create(image=image.env({"B": "1"}), name="named")
        modal.Sandbox.create(image=image.env({"C": "1"}))
        tunnel = sandbox.tunnels()[8888]
        """
    )
    assert list(file.targets) == ["image", "sandbox", "sandbox-2", "named", "sandbox-3"]
    assert file.targets["sandbox"] is file.targets["image"]
    assert file.ended == Location("app.py", 10)


def test_a_target_behind_the_end_is_told_of_it() -> None:
    file = run("app = modal.App()\napp.deploy()\nimage = modal.Image.debian_slim()")
    with pytest.raises(TargetError) as caught:
        pick(file, "image")
    assert caught.value.message == (
        "app.py has no target 'image' before app.py:3, where it starts what only the service can run"
    )


def test_the_end_is_not_swallowed_by_the_scripts_handlers() -> None:
    file = run(
        """
        image = modal.Image.debian_slim()
        sandbox = modal.Sandbox.create(image=image)
        try:
            sandbox.exec("x")
        except Exception:
            raise AssertionError
        finally:
            sandbox.terminate()
        """
    )
    assert set(file.targets) == {"image", "sandbox"}


# -- where it is, and where it is not


def test_an_image_file_that_never_says_modal_pays_nothing() -> None:
    import subprocess

    code = (
        "import sys; from llb.imagefile import execute; "
        "execute(b'from llb import Image\\nimage = Image.from_scratch()', 'image.py'); "
        "print([name for name in sys.modules if 'compat' in name or name == 'ast'])"
    )
    assert subprocess.check_output([sys.executable, "-S", "-c", code], text=True) == "[]\n"


def test_it_is_nowhere_but_in_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    real = type(sys)("modal")
    monkeypatch.setitem(sys.modules, "modal", real)
    file = run("import torch\nmine = modal.Image")
    assert file.namespace["mine"] is not None
    assert sys.modules["modal"] is real
    assert "torch" not in sys.modules
    assert not any(type(finder).__module__.startswith("llb.compat") for finder in sys.meta_path)


def test_it_can_be_refused() -> None:
    error = refusal("x = 1", compat=False)
    assert error.message == "ModuleNotFoundError: No module named 'modal'"
    assert "--compat" in error.hint


def test_a_word_in_a_comment_makes_no_script() -> None:
    with pytest.raises(ImageFileError, match="No module named 'torch'"):
        execute(b"# not modal\nimport torch\n", "image.py", modules=Modules())


def test_build_arguments_are_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU", "none")
    file = run("import os\ngpu = os.environ['GPU']", build_args={"GPU": "h100"})
    assert file.namespace["gpu"] == "h100"
    assert [argument.name for argument in file.build_args] == ["GPU"]


def test_its_images_compile() -> None:
    file = run(
        """
        app = modal.App()

        @app.function(image=modal.Image.debian_slim("3.12").apt_install("git").pip_install("six"))
        def f(): ...
        """
    )
    assert compile_to_llb(pick(file)[1]).digest.startswith("sha256:")
