"""An inference server on a CUDA base, compiled where a GPU is."""

import os
from pathlib import Path

import aiohttp
import modal

CUDA = "12.8.1"
FLAVOR = "devel"
SYSTEM = "ubuntu24.04"
tag = f"{CUDA}-{FLAVOR}-{SYSTEM}"

MODEL = "example-org/small-instruct"
FLASH = (
    "https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3/"
    "flash_attn-2.8.3+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
)

cuda_image = (
    modal.Image.from_registry(f"nvidia/cuda:{tag}", add_python="3.12")
    .entrypoint([])  # no banner
    .apt_install("git", "build-essential", "cmake")
    .env({"HF_HOME": "/models", "PATH": "/usr/local/cuda/bin:${PATH}", "CUDA_VERSION_WANTED": CUDA})
)

vllm_image = (
    cuda_image.uv_pip_install(
        "vllm==0.10.2",
        "huggingface_hub[hf_transfer]==0.34.4",
        extra_index_url="https://wheels.vllm.ai/nightly",
        pre=True,
        extra_options="--index-strategy unsafe-best-match",
    )
    .pip_install(FLASH, extra_options="--no-build-isolation")
    .pip_install("git+https://github.com/example-org/tools@4f2e1c7", "torch==2.8.0", index_url="https://download.pytorch.org/whl/cu128")
    .env({"HF_XET_HIGH_PERFORMANCE": "1", "VLLM_USE_V1": "1"})
)

llama_image = cuda_image.run_commands("git clone https://github.com/ggerganov/llama.cpp").run_commands(
    "cmake llama.cpp -B llama.cpp/build -DGGML_CUDA=ON",
    "cmake --build llama.cpp/build --config Release -j 8 --target llama-cli",
    gpu="H100:1",
)

app = modal.App("example-llm-server")
models = modal.Volume.from_name("models", create_if_missing=True)
compiled = modal.Volume.from_name("vllm-cache", create_if_missing=True)
N_GPU = 2
FAST_BOOT = os.environ.get("FAST_BOOT", "1") == "1"
kwargs = {"volumes": {"/models": models, "/root/.cache/vllm": compiled}, "timeout": 600}


@app.function(image=vllm_image, gpu=f"H100!:{N_GPU}", scaledown_window=15 * 60, **kwargs)
@modal.concurrent(max_inputs=32)
@modal.web_server(port=8000, startup_timeout=600)
def serve():
    import subprocess

    command = ["vllm", "serve", MODEL, "--tensor-parallel-size", str(N_GPU)]
    command += ["--enforce-eager"] if FAST_BOOT else []
    subprocess.Popen(" ".join(command), shell=True)


@app.function(image=llama_image, gpu="l40s", volumes={"/root/out": modal.Volume.from_name("out")})
def complete(prompt: str) -> str:
    import subprocess

    return subprocess.check_output(["/llama.cpp/build/bin/llama-cli", "-p", prompt]).decode()


@app.local_entrypoint()
async def test(prompt: str = "hi"):
    async with aiohttp.ClientSession(base_url=serve.get_web_url()) as session:
        await ask(session, prompt)


async def ask(session: aiohttp.ClientSession, prompt: str) -> dict[str, aiohttp.ClientResponse]:
    raise NotImplementedError


results = Path(__file__).with_name("results")
