import json
import subprocess
import uuid
from pathlib import Path
from typing import Dict

import modal

image = (  # build up an image with ComfyUI
    modal.Image.debian_slim(python_version="3.11")
    .apt_install("git", "wget")
    .pip_install("fastapi[standard]==0.115.4")
    .pip_install("comfy-cli==1.5.1")
    .run_commands("comfy --skip-prompt install --fast-deps --nvidia --version 0.3.59")
)

image = image.run_commands("comfy node install --fast-deps was-ns@3.0.1")
image = image.run_commands(
    "wget -q https://example.com/models/vae.safetensors -P /root/comfy/ComfyUI/models/vae",
    "curl -fsSL https://example.com/install.sh | bash",
)


def hf_download():
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(repo_id="example-org/flux", filename="flux.safetensors", cache_dir="/cache")
    subprocess.run(f"ln -s {path} /root/comfy/ComfyUI/models/checkpoints/flux.safetensors", shell=True, check=True)


vol = modal.Volume.from_name("hf-hub-cache", create_if_missing=True)

image = (
    image.pip_install("huggingface_hub[hf_transfer]==0.34.4")
    .env({"HF_HUB_ENABLE_HF_TRANSFER": "1"})
    .run_function(hf_download, volumes={"/cache": vol})
)
image = image.add_local_file(Path(__file__).parent / "workflow_api.json", "/root/workflow_api.json")

app = modal.App(name="example-comfyapp", image=image)


@app.function(max_containers=1, gpu="L40S", volumes={"/cache": vol})
@modal.concurrent(max_inputs=10)
@modal.web_server(8000, startup_timeout=60)
def ui():
    subprocess.Popen("comfy launch -- --listen 0.0.0.0 --port 8000", shell=True)


@app.cls(scaledown_window=300, gpu="L40S", volumes={"/cache": vol})
class ComfyUI:
    port: int = 8000

    @modal.enter()
    def launch(self):
        subprocess.run(f"comfy launch --background -- --port {self.port}", shell=True, check=True)

    @modal.method()
    def infer(self, workflow_path: str = "/root/workflow_api.json"):
        return Path(workflow_path).read_bytes()

    @modal.fastapi_endpoint(method="POST")
    def api(self, item: Dict):
        from fastapi import Response

        workflow = json.loads((Path(__file__).parent / "workflow_api.json").read_text())
        workflow["9"]["inputs"]["filename_prefix"] = uuid.uuid4().hex
        return Response(self.infer.local(), media_type="image/jpeg")
