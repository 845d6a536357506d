"""The service that examples/web builds an image of."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Sum(BaseModel):
    total: int


@app.get("/healthy")
def healthy() -> str:
    return "yes"


@app.get("/sum/{first}/{second}")
def add(first: int, second: int) -> Sum:
    return Sum(total=first + second)
