import modal

app = modal.App()  # "example-inline", as deployed


@app.function(image=modal.Image.debian_slim("3.11").pip_install("six"))
def parse(text: str):
    import six

    return six.text_type(text)


@app.cls(image=modal.Image.debian_slim("3.11").apt_install("jq").pip_install(["idna", "attrs"]), gpu="T4", max_containers=5)
@modal.concurrent(max_inputs=8)
class Reader:
    path: str = modal.parameter()

    @modal.enter(snap=True)
    def prepare(self):
        self.count = 0

    @modal.method()
    def read(self):
        return self.count

    @modal.exit()
    def finish(self):
        pass


@app.function()
@modal.web_server(9000)
def plain():
    print("on the default image")


@app.function(schedule=modal.Period(hours=6))
def sweep():
    Reader(path="/x").read.spawn()
