#!/usr/bin/env python
"""Scrapes pages with whatever `lib` knows, from anywhere: `modal run scraper/scrape.py`."""

import argparse
import asyncio
import os
import sys
import typing as t
from pathlib import Path

import modal

os.environ["MODAL_IMAGE_BUILDER_VERSION"] = "2025.06"
sys.path.insert(0, str(Path(__file__).parent / "lib"))

import sites  # noqa: E402
from aiohttp import ClientSession, ClientTimeout, web  # noqa: E402
from dotenv import load_dotenv  # noqa: E402
from pydantic import BaseModel, ConfigDict, HttpUrl  # noqa: E402
from typing_extensions import TypedDict  # noqa: E402

load_dotenv()
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=2)
options, _ = parser.parse_known_args()

config = Path(__file__).parent / "scrape.ini"
if not config.exists():
    config.write_text("[scrape]\ndepth = 2\n")

image = modal.Image.debian_slim(python_version="3.11").pip_install("idna", *sites.REQUIREMENTS)
if (Path(__file__).parent / "robots.txt").exists():
    image = image.add_local_file(Path(__file__).parent / "robots.txt", "/etc/robots.txt", copy=True)
libraries = sorted(path.name for path in (Path(__file__).parent / "lib").glob("*.py"))
image = image.env({"SITES": ",".join(sites.NAMES), "DEPTH": str(options.depth), "LIBS": " ".join(libraries)})

app = modal.App(name="example-scraper")
results = modal.Dict.from_name("results", create_if_missing=True)
queue = modal.Queue.from_name("pages", create_if_missing=True)
Parser = modal.Cls.from_name("example-parser", "Parser")
routes = web.RouteTableDef()


class Page(BaseModel):
    model_config = ConfigDict(frozen=True)
    url: HttpUrl
    links: list["Page"] = []


class Row(TypedDict):
    url: str


@routes.get("/")
async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


class Client:
    timeout = ClientTimeout(total=10)

    def __init__(self, session: t.Optional[ClientSession] = None):
        self.session = session

    async def get(self, url: str) -> t.AsyncIterator[Page]:
        yield Page(url=url)


@app.function(image=image, retries=3, schedule=modal.Period(days=1))
async def scrape(url: str = "https://example.com") -> list[Page]:
    await asyncio.gather(queue.put.aio(url))
    return [page async for page in Client().get(url)]


@app.function(image=image)
@modal.asgi_app(label="scraper")
def api():
    from fastapi import FastAPI

    return FastAPI()


@app.local_entrypoint()
def main():
    print(scrape.remote())
