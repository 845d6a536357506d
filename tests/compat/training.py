"""Fine-tuning jobs: one recipe, several images of it."""

import os
from dataclasses import dataclass

import modal
from torch import nn

GPU_TYPE = os.environ.get("GPU_TYPE", "a100-40gb")
TORCH = "torch==2.6.0"


@dataclass
class Config:
    rank: int = 16
    epochs: int = 3


class Head(nn.Module):
    """Only used on the GPU, but defined here."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 2)

    def forward(self, x: "nn.Tensor"):
        return self.linear(x)


def make_image(python: str, *extra: str) -> modal.Image:
    image = modal.Image.debian_slim(python_version=python).apt_install("git").pip_install(
        TORCH, index_url="https://download.pytorch.org/whl/cpu"
    )
    for package in extra:
        image = image.pip_install(package)
    return image


train_image = make_image("3.12", "datasets>=2.19,<3", "peft", "wandb").pip_install(
    "tensorrt-llm==0.18.0", extra_index_url="https://pypi.nvidia.com", pre=True
)
eval_image = make_image("3.11", "lm-eval").env({"TOKENIZERS_PARALLELISM": "false"})
eval_image = eval_image.pip_install("git+https://github.com/example-org/metrics.git@main").apt_install("ffmpeg")
debug_image = train_image if os.environ.get("DEBUG") else eval_image

app = modal.App("example-training")
runs = modal.Volume.from_name("runs", create_if_missing=True)
wandb = [modal.Secret.from_name("wandb")] if os.environ.get("WANDB", "1") == "1" else []

with train_image.imports():
    import numpy as np
    import torch


@app.function(image=train_image, gpu=f"{GPU_TYPE}:4", volumes={"/runs": runs}, secrets=wandb, retries=modal.Retries(max_retries=2, initial_delay=0.0))
@modal.experimental.clustered(size=2, rdma=True)
def train(config: Config = Config()):
    torch.manual_seed(0)
    np.random.seed(0)


@app.function(image=eval_image, gpu=["h100", "a100", "any"])
def evaluate(run: str) -> float:
    return 0.0


@app.function(image=debug_image)
def shell():
    import subprocess

    subprocess.run(["bash"])


for size in ("small", "large"):

    def finetune(size=size):
        train.remote(Config(rank=8))

    app.function(image=train_image, name=f"finetune-{size}", serialized=True)(finetune)


@app.local_entrypoint()
def main(detach: bool = False):
    scores = list(evaluate.map(["a", "b"]))
    print(max(scores))
