"""Says which tools the image has."""

import shutil
import subprocess

from tabulate import tabulate

said = subprocess.run(["samtools", "--version"], capture_output=True, text=True, check=True)
print(tabulate([[shutil.which("samtools"), said.stdout.split()[1]]], tablefmt="plain"))
