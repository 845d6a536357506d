"""A stand-in for the Hugging Face hub on loopback: what `snapshot_download` of the real client asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """One repository of models.

    Args:
        files: what it has.
        token: what it asks for; empty for nothing.
        break_after: bytes after which the first download of a large file breaks off.
    """

    def __init__(self, files: Mapping[str, bytes], *, token: str = "", break_after: int = 0) -> None:
        self.files = dict(files)
        self.token = token
        self.break_after = break_after
        self.sent: dict[str, int] = {}
        """Bytes that were sent, by file."""
        self.ranges: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                    self.respond(401, b"", body=body)
                    return
                path = self.path.partition("?")[0]
                if path.startswith("/api/models/"):
                    siblings = [{"rfilename": name} for name in hub.files]
                    about = {
                        "id": "owner/model",
                        "modelId": "owner/model",
                        "sha": COMMIT,
                        "siblings": siblings,
                        "private": False,
                        "tags": [],
                        "downloads": 0,
                        "likes": 0,
                    }
                    if "/tree/" in path:
                        found: object = [
                            {"type": "file", "path": name, "size": len(data), "oid": COMMIT}
                            for name, data in hub.files.items()
                        ]
                    else:
                        found = about
                    self.respond(200, json.dumps(found).encode(), body=body, kind="application/json")
                    return
                name = path.rpartition(f"/resolve/{COMMIT}/")[2] or path.rpartition("/resolve/main/")[2]
                data = hub.files.get(name)
                if data is None:
                    self.respond(404, b"", body=body)
                    return
                asked = self.headers.get("Range", "")
                start = int(asked[len("bytes=") :].partition("-")[0]) if asked.startswith("bytes=") else 0
                if asked and body:
                    hub.ranges.append(asked)
                self.respond(
                    206 if asked else 200, data[start:], body=body, etag=data, start=start, name=name
                )

            def respond(
                self,
                status: int,
                data: bytes,
                *,
                body: bool,
                kind: str = "application/octet-stream",
                etag: bytes = b"",
                start: int = 0,
                name: str = "",
            ) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                if name:
                    self.send_header("ETag", f'"{hashlib.sha1(etag).hexdigest()}"')
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("Accept-Ranges", "bytes")
                if status == 206:
                    self.send_header("Content-Range", f"bytes {start}-{len(etag) - 1}/{len(etag)}")
                self.end_headers()
                if not body:
                    return
                if hub.break_after and len(data) > hub.break_after and name:
                    data = data[: hub.break_after]
                    hub.break_after = 0
                    self.close_connection = True
                self.wfile.write(data)
                hub.sent[name] = hub.sent.get(name, 0) + len(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
