"""Images that are built from the system up."""

import modal

app = modal.App("example-tools")

token = modal.Secret.from_name("github", required_keys=["GITHUB_TOKEN"])

ubuntu = (
    modal.Image.from_registry("ubuntu:22.04", add_python="3.11", setup_dockerfile_commands=["ENV DEBIAN_FRONTEND=noninteractive"])
    .run_commands("apt-get update && apt-get install -y software-properties-common curl ca-certificates")
    .run_commands(
        "curl -fsSL https://deb.example.com/setup_20.x | bash -",
        "curl -LsSf https://tools.example.com/install.sh | sh",
        "export TOOLS=/opt/tools",
        "git clone https://$GITHUB_TOKEN@github.com/example-org/private.git /src",
        secrets=[token],
    )
    .dockerfile_commands("ENTRYPOINT []")
)

server = modal.Image.from_registry("ghcr.io/example-org/inference-server:1.7", add_python="3.10").dockerfile_commands(
    ["ENTRYPOINT []", "RUN ln -sf /usr/bin/python3 /usr/bin/python"]
).pip_install("httpx")

conda = (
    modal.Image.micromamba(python_version="3.11")
    .micromamba_install("cudatoolkit=11.8", "cudnn", channels=["conda-forge", "nvidia"])
    .run_commands("pip install --upgrade numpy")
)

private = modal.Image.debian_slim("3.12").pip_install_private_repos(
    "github.com/example-org/private@main", git_user="bot", secrets=[token]
)


@app.function(image=ubuntu)
def build(): ...


@app.function(image=server, gpu="any")
def infer(): ...


@app.function(image=conda, gpu="A10G")
def solve(): ...


@app.function(image=private, secrets=[token])
def call(): ...
