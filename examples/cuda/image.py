"""CUDA as its vendor ships it: no Python of its own, and an entrypoint that gets in the way of commands."""

from llb import Image

image = (
    Image.from_registry("nvidia/cuda:12.4.1-devel-ubuntu22.04", add_python="3.11")
    .dockerfile_commands(
        "ENTRYPOINT []",
        "COPY kernels /opt/kernels",
        """RUN <<EOT
set -e
for source in /opt/kernels/*.cu; do
  nvcc --cubin -arch=sm_90 -o "${source%.cu}.cubin" "$source"
done
EOT""",
    )
    .pip_install("numpy==2.1.3")
    .env({"KERNELS": "/opt/kernels"})
    .cmd(["python", "/opt/kernels/list.py"])
)
