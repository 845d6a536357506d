# ---
# A small web service with a static front end
# ---
from pathlib import Path
from typing import Annotated

import modal
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

HERE = Path(__file__).parent.resolve()

image = (
    modal.Image.debian_slim(python_version="3.11")
    .apt_install("sqlite3")
    .pip_install("idna==3.10", "six~=1.16")
    .add_local_file(HERE / "settings.toml", "/root/settings.toml")
    .add_local_dir(HERE / "assets", remote_path="/assets")
)

app = modal.App("example-web", image=image)
web_app = FastAPI(title="notes", docs_url=None)
notes = modal.Volume.from_name("web-notes", create_if_missing=True)
token = modal.Secret.from_name("web-token", required_keys=["WEB_TOKEN"])

print("assets are served from", HERE / "assets")


class Note(BaseModel):
    title: str
    text: str = Field(default="", max_length=1000)
    tags: list[str] = []


class Notes(BaseModel):
    items: list[Note]


def authorised(authorization: Annotated[str | None, Header()] = None) -> None:
    import os

    if authorization != f"Bearer {os.environ['WEB_TOKEN']}":
        raise HTTPException(status_code=401)


@web_app.get("/notes")
async def list_notes(limit: int = 10) -> Notes:
    raise NotImplementedError


@web_app.post("/notes", dependencies=[Depends(authorised)])
async def add_note(note: Note, agent: str = Header(default="")) -> dict[str, int]:
    return {"id": 1}


@app.function(volumes={"/notes": notes}, secrets=[token], min_containers=1, max_containers=4)
@modal.concurrent(max_inputs=100)
@modal.asgi_app()
def fastapi_app():
    web_app.mount("/", StaticFiles(directory="/assets", html=True))
    return web_app


@app.function()
@modal.fastapi_endpoint(method="POST", docs=True)
def normalise(note: Note):
    import idna

    return idna.encode(note.title)


@app.function(timeout=3600, scaledown_window=300)
@modal.web_server(8000, startup_timeout=60)
def files():
    import subprocess

    subprocess.Popen("python -m http.server -d /assets 8000", shell=True)


@app.local_entrypoint()
def main(title: str = "hello"):
    print(normalise.get_web_url())
