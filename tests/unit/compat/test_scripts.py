"""Twelve scripts as users of the service write them (tests/compat): evaluated unchanged, and compiled."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llb import compile_to_llb
from llb.compat import load
from llb.errors import LLBError, TargetError, UnsupportedError
from llb.image import LocalDirectory
from llb.image.chain import step_of
from llb.image.step import steps_of
from llb.imagefile import ImageFile, pick

SCRIPTS = Path(__file__).parents[2] / "compat"

# Each script: its targets, and the methods that made each from its base on; `=` is the target of that name.
_WEB = "debian_slim apt_install pip_install add_local_file add_local_dir"
_JOBS = (
    "debian_slim env apt_install pip_install run_commands env run_commands pip_install apt_install run_commands "
    "workdir"
)
_CUDA = "from_registry entrypoint apt_install env"
_BASE = "debian_slim pip_install env"
_COMFY = (
    "debian_slim apt_install pip_install pip_install run_commands run_commands run_commands pip_install env "
    "run_function add_local_file"
)
_RECIPE = "debian_slim apt_install pip_install"
EXPECTED: dict[str, dict[str, str]] = {
    "web/app.py": {
        "image": _WEB,
        "fastapi_app": "=image",
        "normalise": "=image",
        "files": "=image",
        "app": "=image",
    },
    "jobs/nightly.py": {"image": _JOBS, "nightly": "=image", "weekly": "=image", "app": "=image"},
    "sandbox_notebook.py": {"image": "debian_slim pip_install entrypoint", "sandbox": "=image"},
    "04_text-tools/words.py": {
        "image": "debian_slim pip_install",
        "words_image": "debian_slim pip_install pip_install add_local_python_source",
        "plural": "=words_image",
        "Counter": "=image",
    },
    "llm_server.py": {
        "cuda_image": _CUDA,
        "vllm_image": f"{_CUDA} uv_pip_install pip_install pip_install env",
        "llama_image": f"{_CUDA} run_commands run_commands",
        "serve": "=vllm_image",
        "complete": "=llama_image",
    },
    "diffusion.py": {
        "base_image": _BASE,
        "image": f"{_BASE} run_function env",
        "web_image": "debian_slim pip_install",
        "Inference": "=image",
        "upscale": "=base_image",
        "ui": "=web_image",
    },
    "comfy/comfyapp.py": {"image": _COMFY, "ui": "=image", "ComfyUI": "=image", "app": "=image"},
    "legacy/pages.py": {
        "pages_image": "from_registry setup_dockerfile_commands pip_install add_local_dir add_local_file",
        "page": "=pages_image",
        "site": "=pages_image",
        "Renderer": "debian_slim",
    },
    "training.py": {
        "train_image": f"{_RECIPE} pip_install pip_install pip_install pip_install",
        "eval_image": f"{_RECIPE} pip_install env pip_install apt_install",
        "debug_image": "=eval_image",
        "train": "=train_image",
        "evaluate": "=eval_image",
        "shell": "=eval_image",
        "finetune-small": "=train_image",
        "finetune-large": "=train_image",
    },
    "inline.py": {
        "parse": "debian_slim pip_install",
        "Reader": "debian_slim apt_install pip_install",
        "plain": "debian_slim",
        "sweep": "=plain",
    },
    "tools.py": {
        "ubuntu": "from_registry setup_dockerfile_commands run_commands run_commands dockerfile_commands",
        "server": "from_registry dockerfile_commands pip_install",
        "conda": "micromamba micromamba_install run_commands",
        "private": "debian_slim pip_install_private_repos",
        "build": "=ubuntu",
        "infer": "=server",
        "solve": "=conda",
        "call": "=private",
    },
    "scraper/scrape.py": {
        "image": "debian_slim pip_install add_local_file env",
        "scrape": "=image",
        "api": "=image",
    },
}
MEANT = {
    "04_text-tools/words.py": "image",
    "web/app.py": "image",
    "jobs/nightly.py": "image",
    "sandbox_notebook.py": "image",
    "diffusion.py": "image",
    "comfy/comfyapp.py": "image",
    "scraper/scrape.py": "image",
}
"""What is built without a target; where there is none, it has to be named."""
CONTEXTS = {"legacy/pages.py": "legacy"}
"""The directory that a script is run in, if it is not the one with all scripts."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The scripts in a directory of their own, which is the working directory."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    monkeypatch.chdir(tmp_path / "scripts")
    for name in ("GPU_TYPE", "DEBUG", "WANDB", "FAST_BOOT", "NOTEBOOK_PORT"):
        monkeypatch.delenv(name, raising=False)
    before, path = dict(os.environ), list(sys.path)
    yield tmp_path / "scripts"
    os.environ.clear()
    os.environ.update(before)
    assert sys.path == path


def methods(file: ImageFile, target: str) -> str:
    return " ".join([step.method for step in steps_of(step_of(file.targets[target]))])


def test_there_are_twelve() -> None:
    found = {str(path.relative_to(SCRIPTS)) for path in SCRIPTS.rglob("*.py")}
    assert set(EXPECTED) == found - {
        "04_text-tools/common.py",
        "04_text-tools/wordlist.py",
        "scraper/lib/sites.py",
    }
    assert len(EXPECTED) == 12


@pytest.mark.parametrize("script", EXPECTED)
def test_a_script_names_its_images(script: str, project: Path) -> None:
    file = load(script)
    expected = EXPECTED[script]
    assert list(file.targets) == list(expected)
    for target, made in expected.items():
        if made.startswith("="):
            assert file.targets[target] is file.targets[made[1:]], target
        else:
            assert methods(file, target) == made
    if script in MEANT:
        assert pick(file)[0] == MEANT[script]
    else:
        with pytest.raises(TargetError, match="Say which one with --target"):
            pick(file)


@pytest.mark.parametrize("script", EXPECTED)
def test_a_script_compiles(script: str, project: Path) -> None:
    file = load(script)
    for target, made in EXPECTED[script].items():
        image = file.targets[target]
        resolver = LocalDirectory(CONTEXTS.get(script, "."), search=[os.path.dirname(script), "."])
        if made.startswith("="):
            continue
        if "dockerfile_commands" in made:  # needs an engine to ask: tests/integration/test_compat.py
            with pytest.raises(
                UnsupportedError, match="dockerfile_commands needs BuildKit's Dockerfile frontend"
            ):
                compile_to_llb(image, resolver=resolver)
        else:
            assert compile_to_llb(image, resolver=resolver).digest.startswith("sha256:")


def test_the_sandbox_script_ends_where_it_talks_to_its_sandbox(project: Path) -> None:
    ended = load("sandbox_notebook.py").ended
    assert ended is not None
    assert "sandbox.tunnels()" in (SCRIPTS / ended.filename).read_text().splitlines()[ended.line - 1]


def test_a_script_finds_its_files_from_anywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own place, not by the working directory."""
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    file = load("../web/app.py")
    compile_to_llb(file.targets["image"], resolver=LocalDirectory(".."))


def test_what_a_script_writes_and_reads(project: Path) -> None:
    file = load("scraper/scrape.py")
    assert (project / "scraper/scrape.ini").read_text() == "[scrape]\ndepth = 2\n"
    step: Any = step_of(file.targets["image"])
    assert dict(step.variables) == {
        "SITES": "example.com,example.org",
        "DEPTH": "2",
        "LIBS": "sites.py",
    }


def test_a_builder_version_set_in_the_script_is_the_images(project: Path) -> None:
    source = project / "scraper/scrape.py"
    source.write_text(source.read_text().replace('= "2025.06"', '= "1999.01"'))
    with pytest.raises(
        LLBError, match=r"unknown builder version '1999\.01' \(from MODAL_IMAGE_BUILDER_VERSION\)"
    ):
        compile_to_llb(load("scraper/scrape.py").targets["image"], resolver=LocalDirectory("."))


# -- the census of public scripts: what five of them or more do is in these

_ROWS = {
    "App(image=)": r"App\([^)]*image=image",
    "image= of a function": r"\.function\([^\n]*image=\w",
    "image= of a class": r"\.cls\([^\n]*image=\w",
    "an inline chain": r"\.function\(image=modal\.Image",
    "the same name again": r"(?m)^(image) = [\s\S]*^\1 = image\.",
    "a derived image": r"(?m)^(?!image)\w+_image = \(?\s*\w+_image\.",
    "Stub": r"modal\.Stub\(",
    "local_entrypoint": r"\.local_entrypoint\(\)",
    "enter": r"@modal\.enter\(",
    "exit": r"@modal\.exit\(",
    "method": r"@modal\.method\(",
    "concurrent": r"@modal\.concurrent\(",
    "asgi_app": r"@modal\.asgi_app\(",
    "wsgi_app": r"@modal\.wsgi_app\(",
    "fastapi_endpoint": r"@modal\.fastapi_endpoint\(",
    "web_server": r"@modal\.web_server\(",
    "parameter": r"modal\.parameter\(",
    "**dict of keywords": r"\.function\([^\n]*\*\*\w",
    "Volume.from_name": r"Volume\.from_name\(",
    "Secret.from_name": r"Secret\.from_name\(",
    "required_keys": r"required_keys=\[",
    "Secret.from_dict": r"Secret\.from_dict\(",
    "CloudBucketMount": r"CloudBucketMount\(",
    "Period": r"modal\.Period\(",
    "Sandbox.create at module level": r"(?m)^(    )?sandbox = modal\.Sandbox\.create",
    "App.lookup": r"App\.lookup\(",
    "modal.gpu": r"modal\.gpu\.\w+\(",
    "imports()": r"with \w+\.imports\(\)",
    "a missing import at the top": r"(?m)^from fastapi import",
    "pydantic": r"(?m)^from pydantic import",
    "a missing base class": r"class \w+\(BaseModel\)",
    "a missing decorator": r"@web_app\.get\(",
    "a missing default": r"= Field\(default",
    "a missing subscript": r"AsyncIterator\[|Annotated\[",
    "__file__": r"Path\(__file__\)",
    "print": r"(?m)^print\(",
    "the environment": r"os\.environ\.get\(",
    "a relative import": r"(?m)^from \.common import",
    "$PATH in env": r"\"PATH\": \"[^\"]*\$(\{PATH\}|PATH)\"",
    "env before other steps": r"\.env\([\s\S]{0,300}?\)\s*\.?\w*\s*[\s\S]{0,80}\.(run_commands|apt_install|pip_install)\(",
    "pip after apt": r"\.apt_install\([^\n]*\)\s*\.pip_install",
    "apt after pip": r"\.pip_install\([^\n]*\)\s*\.apt_install",
    "several pip calls": r"\.pip_install\([^\n]*\)\n\s*\.pip_install",
    "a special index": r"index_url=\"https://download\.pytorch\.org",
    "an extra index": r"extra_index_url=",
    "extra_options": r"extra_options=\"",
    "pre": r"pre=True",
    "git in pip's arguments": r"pip_install\(\s*\"git\+https://",
    "a wheel by URL": r"\.whl\"",
    "git clone": r"git clone https://",
    "wget": r"wget -q",
    "curl to a shell": r"curl [^|\"]*\| (ba)?sh",
    "the comfy command": r"comfy --skip-prompt install",
    "pip in commands": r"run_commands\([^)]*pip install",
    "apt in commands": r"apt-get install -y",
    "an entrypoint reset": r"\.entrypoint\(\[\]\)",
    "an entrypoint reset by a Dockerfile line": r"ENTRYPOINT \[\]",
    "add_python on CUDA": r"nvidia/cuda:\{tag\}\", add_python=",
    "a computed tag": r"tag = f\"",
    "a list argument": r"\.pip_install\(\[|\.pip_install\(PACKAGES\)",
    "run_function": r"\.run_function\(",
    "run_function with a volume": r"\.run_function\([^\n]*volumes=",
    "run_function with a secret": r"\.run_function\([^\n]*secrets=",
    "a model's download": r"snapshot_download|hf_hub_download|from_pretrained",
    "secrets of a step": r"run_commands\([\s\S]*?secrets=\[",
    "a GPU of a step": r"run_commands\([\s\S]*?gpu=\"",
    "uv_pip_install": r"\.uv_pip_install\(",
    "add_local_dir": r"\.add_local_dir\(",
    "add_local_file": r"\.add_local_file\(",
    "from_registry": r"Image\.from_registry\(",
    "python_version": r"debian_slim\(python_version=",
    "a GPU in lower case, with a count, with !": r"gpu=\"l40s\"[\s\S]*|gpu=f\"H100!:\{",
}


@pytest.mark.parametrize("row", _ROWS)
def test_what_five_public_scripts_do_is_in_one_of_these(row: str) -> None:
    assert any(
        re.search(_ROWS[row], (SCRIPTS / script).read_text("utf-8"))
        for script in [*EXPECTED, "04_text-tools/common.py"]
    )
