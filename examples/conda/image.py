"""An analysis with tools that only conda has, and packages of PyPI beside them."""

from llb import Image

image = (
    Image.micromamba("3.11")
    .micromamba_install(spec_file="environment.yml")
    .pip_install("tabulate==0.9.0")
    .add_local_file("analysis.py", "/srv/analysis.py", copy=True)
    .cmd(["python", "/srv/analysis.py"])
)
