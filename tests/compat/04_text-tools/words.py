"""Run with `modal run -m 04_text-tools.words` from the directory above."""

import modal

from . import common
from .common import MINUTES, app, image

words_image = common.extended(image, "inflection==0.5.1").add_local_python_source("wordlist", copy=True)

with words_image.imports():
    import inflection


@app.function(image=words_image, timeout=5 * MINUTES)
def plural(word: str) -> str:
    return inflection.pluralize(word)


@app.cls(image=image, cpu=(0.5, 1.0), memory=512)
@modal.concurrent(max_inputs=10)
class Counter:
    language: str = modal.parameter(default="en")

    @modal.enter()
    def load(self):
        self.words = {}

    @modal.method()
    def count(self, text: str) -> int:
        return len(text.split())

    @modal.exit()
    def report(self):
        print(self.words)
