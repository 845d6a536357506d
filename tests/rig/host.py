"""What this host has of its own and a container would lack: certificate authorities, name servers, proxies, a pip index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY")


def extra_authorities() -> list[str]:
    """Certificates this host trusts beyond its distribution's, as behind a proxy that signs TLS anew."""
    bundle = next((path for path in map(Path, _BUNDLES) if path.exists()), None)
    shipped = Path("/usr/share/ca-certificates")
    if bundle is None or not shipped.is_dir():
        return []
    # Compared as values: the files differ in line ends and comments.
    known = {_bare(pem) for file in shipped.rglob("*.crt") for pem in _PEM.findall(file.read_text(errors="replace"))}
    return [pem for pem in _PEM.findall(bundle.read_text(errors="replace")) if _bare(pem) not in known]


def _bare(pem: str) -> str:
    return "".join(pem.split())


def with_extra_authorities(bundle: str) -> str:
    return bundle.rstrip("\n") + "\n" + "".join(f"{pem}\n" for pem in extra_authorities())


def resolv_conf() -> str:
    """The host's name servers; systemd's stub is replaced by what stands behind it."""
    behind = Path("/run/systemd/resolve/resolv.conf")
    text = Path("/etc/resolv.conf").read_text()
    return behind.read_text() if "127.0.0.53" in text and behind.exists() else text


def docker_proxies() -> dict[str, str]:
    """As the client's config.json has them (httpProxy, ...)."""
    found: dict[str, str] = {}
    for name in _PROXIES:
        if value := os.environ.get(name) or os.environ.get(name.lower()):
            first, _, second = name.partition("_")
            found[first.lower() + second.capitalize()] = value
    return found


def pip_config() -> str:
    """An /etc/pip.conf that names the host's index, or nothing where the host uses the public one."""
    lines: list[str] = []
    settings = _pip_settings()
    for name in ("index-url", "extra-index-url", "trusted-host"):
        if value := settings.get(name):
            lines.append(f"{name} = {value}\n")
    return "[global]\n" + "".join(lines) if lines else ""


def _pip_settings() -> dict[str, str]:
    found: dict[str, str] = {}
    if shutil.which("pip"):
        run = subprocess.run(["pip", "config", "list"], capture_output=True, text=True, check=False)
        # Lines such as global.index-url='https://...'; what comes from the environment is listed last, and wins.
        for name, value in re.findall(r"^\S*\.([a-z-]+)='(.*)'$", run.stdout, re.MULTILINE):
            found[name] = value
    for name in ("index-url", "extra-index-url", "trusted-host"):
        if value := os.environ.get("PIP_" + name.upper().replace("-", "_")):
            found[name] = value
    return found


def apt_options() -> str:
    """The host's own word on Release files past their date, for apt inside the images."""
    if not shutil.which("apt-config"):
        return ""
    run = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    wanted = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
    return "".join(f"{line}\n" for line in run.stdout.splitlines() if line.split(" ")[0] in wanted and "false" in line)
