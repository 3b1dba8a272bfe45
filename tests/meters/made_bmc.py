"""A BMC on loopback: a real HTTPS server with certificates of its own, which answers as a test wants it to."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

USER, PASSWORD = "power-reader", "corr3ct-horse-b4ttery"
ROOT = "/redfish/v1"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def authority(folder: Path) -> Path:
    """A certificate authority; its certificate."""
    _openssl("req", "-x509", *CURVE, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-subj", "/CN=Test CA")
    return folder / "ca.pem"


def certificate(folder: Path, name: str, san: str, days: int = 2) -> Path:
    """A key and a certificate for `san` by the authority in `folder`, in one file; negative `days`: expired."""
    key, request, found = (folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
    _openssl("req", *CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    (folder / f"{name}.ext").write_text(f"subjectAltName={san}\n")
    signed = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-days", days, "-extfile", folder / f"{name}.ext"]
    _openssl("x509", "-req", "-in", request, *signed, "-out", found)
    whole = folder / f"{name}.pem"
    whole.write_bytes(key.read_bytes() + found.read_bytes())
    return whole


def self_signed(folder: Path) -> Path:
    """A key and a certificate that nobody vouches for."""
    key, found = folder / "self.key", folder / "self.crt"
    alternative = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    _openssl("req", "-x509", *CURVE, "-keyout", key, "-out", found, "-subj", "/CN=localhost", *alternative)
    whole = folder / "self.pem"
    whole.write_bytes(key.read_bytes() + found.read_bytes())
    return whole


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Bmc:
    """What the server says, and what it was asked. Change `documents`, or set `before` to answer something else."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {
            f"{ROOT}/Chassis": {"Members": [{"@odata.id": f"{ROOT}/Chassis/1"}]},
            f"{ROOT}/Chassis/1": {"Id": "1", "ChassisType": "RackMount"},
            f"{ROOT}/Chassis/1/EnvironmentMetrics": {
                "PowerWatts": {"Reading": 412.5, "DataSourceUri": f"{ROOT}/Chassis/1/Sensors/power"},
                "EnergykWh": {"Reading": 1234.5},
            },
            f"{ROOT}/Chassis/1/Sensors/power": {"Reading": 412.5, "SensingInterval": "PT2.5S"},
        }
        self.asked: list[tuple[str, str]] = []
        self.received: list[bytes] = []
        self.tokens: set[str] = set()
        self.password = PASSWORD
        self.connections = 0
        self.url = ""
        self.before: Callable[[BaseHTTPRequestHandler], bool] = lambda handler: False

    def handler(self) -> type[BaseHTTPRequestHandler]:
        bmc = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words: object) -> None:
                pass

            def setup(self) -> None:
                bmc.connections += 1
                super().setup()

            def body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def do_GET(self) -> None:
                bmc.asked.append(("GET", self.path))
                if bmc.before(self):
                    return
                if self.headers.get("X-Auth-Token") not in bmc.tokens:
                    answer(self, 401, b'{"error": {}}')
                elif (found := bmc.documents.get(self.path)) is None:
                    answer(self, 404, b'{"error": {}}')
                else:
                    answer(self, 200, found if isinstance(found, bytes) else json.dumps(found).encode())

            def do_POST(self) -> None:
                bmc.asked.append(("POST", self.path))
                body = self.body()
                bmc.received.append(body)
                if bmc.before(self):
                    return
                if json.loads(body) != {"UserName": USER, "Password": bmc.password}:
                    # Some services quote what they were sent.
                    answer(self, 401, b'{"error": "no login with ' + body + b'"}')
                    return
                token = f"t0ken-{len(bmc.asked)}-abcdef"
                bmc.tokens.add(token)
                place = f"{ROOT}/SessionService/Sessions/{token}"
                answer(self, 201, b'{"Id": "1"}', {"X-Auth-Token": token, "Location": place})

            def do_DELETE(self) -> None:
                bmc.asked.append(("DELETE", self.path))
                bmc.tokens.discard(self.path.rpartition("/")[2])
                answer(self, 204, b"")

        return Handler


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    if status != 204:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *where: object) -> None:
        """A client that refuses the certificate breaks the connection: as it should."""


@contextmanager
def serving(bmc: Bmc, pem: Path | None) -> Iterator[Bmc]:
    """`bmc` on a port of its own at 127.0.0.1; plain HTTP without `pem`."""
    server = _Quiet(("127.0.0.1", 0), bmc.handler())
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        # The handshake in the handler's thread: a client that breaks it off must not end the server.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    bmc.url = f"{'https' if pem else 'http'}://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield bmc
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def slowly(handler: BaseHTTPRequestHandler) -> None:
    """An answer of which a byte comes now and then, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass
