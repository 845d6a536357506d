"""What this host has and a container would lack: authorities, name servers, proxies, a pip index."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PIP_NAMES = ("index-url", "extra-index-url", "trusted-host")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY")


def extra_authorities() -> list[str]:
    """Certificates this host trusts beyond its distribution's, as behind a proxy that signs TLS anew."""
    bundle = next((path for path in map(Path, _BUNDLES) if path.exists()), None)
    shipped = Path("/usr/share/ca-certificates")
    if bundle is None or not shipped.is_dir():
        return []
    # Compared as values: the files differ in line ends and comments.
    known = {_bare(pem) for file in shipped.rglob("*.crt") for pem in _certificates(file)}
    return [pem for pem in _certificates(bundle) if _bare(pem) not in known]


def _certificates(file: Path) -> list[str]:
    return _PEM.findall(file.read_text(errors="replace"))


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
    settings = _pip_settings()
    lines = [f"{name} = {settings[name]}\n" for name in _PIP_NAMES if settings.get(name)]
    return "[global]\n" + "".join(lines) if lines else ""


def _pip_settings() -> dict[str, str]:
    """Read from pip's files and variables: asking pip itself takes a third of a second."""
    home = Path.home()
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    if chosen := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(chosen))
    parser = configparser.RawConfigParser(strict=False)
    parser.read(files)
    found = dict(parser.items("global")) if parser.has_section("global") else {}
    for name in _PIP_NAMES:
        if value := os.environ.get("PIP_" + name.upper().replace("-", "_")):
            found[name] = value
    return found


def apt_options() -> str:
    """The host's own word on Release files past their date, for apt inside the images."""
    if not shutil.which("apt-config"):
        return ""
    run = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    lines = re.findall(r'^Acquire::Check-(?:Valid-Until|Date) "false";$', run.stdout, re.MULTILINE)
    return "".join(f"{line}\n" for line in sorted(set(lines)))
