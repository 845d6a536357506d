"""A scientific stack: compilers from the base, arrays and tables from wheels, data made while it is built."""

from llb import Image

image = (
    Image.debian_slim("3.11")
    .apt_install("libgomp1")
    .uv_pip_install("numpy==2.1.3", "pandas==2.2.3")
    .env({"DATA": "/data/readings.csv"})
    .add_local_dir("scripts", "/opt/scripts", copy=True)
    .run_commands("mkdir /data && python /opt/scripts/readings.py > $DATA")
    .cmd(["python", "/opt/scripts/report.py"])
)
