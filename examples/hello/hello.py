# pyright: basic, reportMissingImports=false
import platform

import cowsay

cowsay.cow(f"Hello from Python {platform.python_version()}, in an image!")
