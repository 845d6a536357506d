"""Text to image: the weights are in the image, the class loads them once."""

import io
import random
import time
from pathlib import Path

import modal

MODEL_ID = "example-org/tiny-diffusion"
CACHE = Path("/cache")

app = modal.App("example-diffusion")

cache = modal.Volume.from_name("hf-cache", create_if_missing=True)
hf = modal.Secret.from_name("huggingface-secret", required_keys=["HF_TOKEN"])


def download_model():
    from huggingface_hub import snapshot_download

    snapshot_download(MODEL_ID, ignore_patterns=["*.bin"], local_dir=CACHE / MODEL_ID)


base_image = modal.Image.debian_slim(python_version="3.12").pip_install(
    "accelerate==0.33.0",
    "diffusers==0.31.0",
    "fastapi[standard]==0.115.4",
    "huggingface-hub[hf_transfer]==0.25.2",
    "sentencepiece==0.2.0",
    "torch==2.5.1",
    "torchvision==0.20.1",
    "transformers~=4.44.0",
).env({"HF_HUB_ENABLE_HF_TRANSFER": "1", "HF_HUB_CACHE": str(CACHE)})

image = base_image.run_function(download_model, volumes={str(CACHE): cache}, secrets=[hf], timeout=3600, gpu="T4").env(
    {"TORCHINDUCTOR_CACHE_DIR": "/root/.inductor"}
)

with image.imports():
    import diffusers
    import torch
    from fastapi import Response

    torch.backends.cuda.matmul.allow_tf32 = True


@app.cls(image=image, gpu=modal.gpu.A100(size="80GB", count=1), timeout=10 * 60, volumes={CACHE: cache})
class Inference:
    variant: str = modal.parameter(default="fp16")

    @modal.enter()
    def load_pipeline(self):
        self.pipe = diffusers.DiffusionPipeline.from_pretrained(MODEL_ID, torch_dtype=torch.bfloat16).to("cuda")

    @modal.method()
    def run(self, prompt: str, batch_size: int = 4, seed: int | None = None) -> list[bytes]:
        seed = seed if seed is not None else random.randint(0, 2**32 - 1)
        images = self.pipe(prompt, num_images_per_prompt=batch_size).images
        out = []
        for one in images:
            with io.BytesIO() as buffer:
                one.save(buffer, format="PNG")
                out.append(buffer.getvalue())
        return out

    @modal.fastapi_endpoint(docs=True)
    def web(self, prompt: str, seed: int | None = None):
        return Response(content=self.run.local(prompt, batch_size=1, seed=seed)[0], media_type="image/png")

    @modal.exit()
    def leave(self):
        print("bye")


@app.function(image=base_image, gpu="T4")
@modal.batched(max_batch_size=4, wait_ms=1000)
def upscale(images: list[bytes]) -> list[bytes]:
    return images


frontend_path = Path(__file__).parent / "frontend"
web_image = modal.Image.debian_slim(python_version="3.12").pip_install("jinja2==3.1.4", "fastapi[standard]==0.115.4")


@app.function(image=web_image, min_containers=1)
@modal.asgi_app()
def ui():
    import fastapi

    return fastapi.FastAPI()


@app.local_entrypoint()
def entrypoint(samples: int = 4, prompt: str = "a cat"):
    service = Inference(variant="fp16")
    for sample in range(samples):
        start = time.time()
        service.run.remote(prompt)
        print(sample, time.time() - start)
