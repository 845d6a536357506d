import modal

app = modal.App("example-text-tools")

image = modal.Image.debian_slim(python_version="3.11").pip_install("six==1.17.0")

MINUTES = 60


def extended(base: modal.Image, *packages: str) -> modal.Image:
    """The same tools for everything of this package."""
    return base.pip_install(*packages)
