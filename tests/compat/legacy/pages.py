"""Written when apps were stubs, and never touched again."""

import modal

stub = modal.Stub("example-pages")
stub.pages_image = (
    modal.Image.from_dockerhub("python:3.11-slim-bookworm", setup_dockerfile_commands=["ENV PAGES=1"])
    .pip_install("markupsafe==3.0.2")
    .copy_local_dir("templates", "/templates")
    .copy_local_file("robots.txt", "/srv/robots.txt")
)
volume = modal.NetworkFileSystem.persisted("pages-cache")

if stub.is_inside(stub.pages_image):
    import markupsafe


@stub.function(image=stub.pages_image, network_file_systems={"/cache": volume}, gpu=modal.gpu.T4(), keep_warm=1)
@modal.web_endpoint(method="GET")
def page(name: str = "index"):
    return markupsafe.escape(name)


@stub.function(image=stub.pages_image, mounts=[modal.Mount.from_local_dir("templates", remote_path="/root/t")])
@modal.wsgi_app()
def site():
    from flask import Flask

    return Flask("site")


@stub.cls(gpu=modal.gpu.A100(memory=40, count=2), concurrency_limit=1, allow_concurrent_inputs=4)
class Renderer:
    def __enter__(self):
        self.ready = True

    @modal.method()
    def render(self, name: str):
        return name


@stub.local_entrypoint()
def main():
    print(page.web_url, Renderer().render.remote("index"))
