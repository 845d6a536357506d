"""Nightly jobs: an environment that grew over the years, one step at a time."""

import os
from datetime import datetime, timezone

import modal

PACKAGES = ["attrs==24.2.0", "six"]
EXTRA = {"idna": "3.10", "toolz": "1.0.0"}
STARTED = datetime.now(timezone.utc)

image = modal.Image.debian_slim(python_version="3.11").env(
    {"JOBS_HOME": "/opt/jobs", "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
)
image = image.apt_install(["git", "curl"]).pip_install(PACKAGES)
image = image.run_commands(
    "mkdir -p $JOBS_HOME/bin && printf '#!/bin/sh\\necho hello from jobs\\n' > $JOBS_HOME/bin/hello",
    "chmod +x $JOBS_HOME/bin/hello",
)
image = (
    image.env({"PATH": "/opt/jobs/bin:$PATH"})
    .run_commands("hello > /opt/jobs/said", "git --version && curl --version", "python -c 'import six'")
    .pip_install(*[f"{name}=={version}" for name, version in EXTRA.items()], extra_options="--no-deps")
    .apt_install("jq")
    .run_commands("pip install --no-cache-dir certifi", "apt-get update && apt-get install -y --no-install-recommends less")
    .workdir("/opt/jobs")
)

app = modal.App("example-nightly", image=image)
defaults = {"timeout": 60 * 60, "retries": modal.Retries(max_retries=3, backoff_coefficient=2.0), "cpu": 0.5}
bucket = modal.CloudBucketMount(
    os.environ.get("JOBS_BUCKET", "jobs"),
    secret=modal.Secret.from_name("jobs-aws", required_keys=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
    read_only=True,
)


@app.function(schedule=modal.Period(days=1), volumes={"/data": bucket}, **defaults)
def nightly():
    import attrs

    print(attrs, STARTED)


@app.function(schedule=modal.Cron("0 6 * * 1"), secrets=[modal.Secret.from_dict({"LEVEL": "info"})], **defaults)
def weekly():
    nightly.spawn()


if __name__ == "__main__":
    with modal.enable_output(), app.run():
        nightly.remote()
