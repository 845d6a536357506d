# Starts a notebook server in a sandbox and prints its address.
import json
import os
import secrets
import time
import urllib.request

import modal

app = modal.App.lookup("example-notebook", create_if_missing=True)

image = modal.Image.debian_slim(python_version="3.11").pip_install("notebook-shim==0.2.4", extra_options="--no-deps")
image = image.entrypoint([])

token = secrets.token_urlsafe(13)
token_secret = modal.Secret.from_dict({"JUPYTER_TOKEN": token})
PORT = int(os.environ.get("NOTEBOOK_PORT", "8888"))

print("🏖️  Creating sandbox")

with modal.enable_output():
    sandbox = modal.Sandbox.create(
        "python",
        "-m",
        "http.server",
        str(PORT),
        encrypted_ports=[PORT],
        secrets=[token_secret],
        timeout=5 * 60,
        image=image,
        app=app,
        gpu=None,
    )

print(f"🏖️  Sandbox ID: {sandbox.object_id}")

tunnel = sandbox.tunnels()[PORT]
url = f"{tunnel.url}/?token={token}"
deadline = time.time() + 60
while True:
    try:
        with urllib.request.urlopen(url) as response:
            if json.load(response)["started"]:
                break
    except Exception:
        if time.time() > deadline:
            raise
    time.sleep(1)

process = sandbox.exec("bash", "-c", "for i in 1 2 3; do date; sleep 0.5; done")
for line in process.stdout:
    print(line, end="")
sandbox.terminate()
raise SystemExit(process.returncode)
