"""Registries that ask for a login: by name and password (htpasswd), or by a token server's tokens.

The token server is ours, because none is packaged; its tokens are verified by the real registry,
and real Docker gets its own there. It checks the password, grants by repository, and its tokens
live as long as the test wants.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import bcrypt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

USER, PASSWORD = "carrier", "regpw-5Hq2Zk8v"
SERVICE, ISSUER = "site-registry", "site-tokens"
REGISTRY_LEEWAY_S = 60  # CNCF distribution takes a token so long after its end
_COST = 4  # rounds of bcrypt: it is asked for every request
Grant = Callable[[str, str, str], set[str]]
"""User (empty: nobody logged in), type and name of what is wanted -> what may be done."""


def htpasswd(directory: Path, user: str = USER, password: str = PASSWORD) -> dict[str, object]:
    """Return the registry's settings for logins by name and password."""
    path = directory / "htpasswd"
    packed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode("ascii")
    path.write_text(f"{user}:{packed}\n", encoding="ascii")
    return {"htpasswd": {"realm": "site", "path": str(path)}}


def everything(user: str, kind: str, name: str) -> set[str]:  # noqa: ARG001 - a Grant
    """Grant all to whoever is logged in."""
    return {"pull", "push", "delete", "*"} if user else set()


@dataclass
class TokenServer:
    """A token server.

    Args:
        certificate: Its certificate and key for TLS; they also sign the tokens.
        host: Where it listens.
        users: Names and passwords.
        identity_tokens: What `docker login` may have kept instead of a password, by user.
        grant: What a user may do.
        lifetime_s: How long its tokens live, as it tells.
        strict: The registry takes them no longer than that; else it adds a minute of its own.
        refused: Who came with a wrong password.
        issued: What tokens were given for.
        port: Where it listens; found when it is served.
    """

    certificate: tuple[Path, Path]
    host: str = "127.0.0.1"
    users: dict[str, str] = field(default_factory=lambda: {USER: PASSWORD})
    identity_tokens: dict[str, str] = field(default_factory=dict)
    grant: Grant = everything
    lifetime_s: int = 300
    strict: bool = False
    refused: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def realm(self) -> str:
        """Where it is asked for tokens."""
        return f"https://{self.host}:{self.port}/token"

    def settings(self) -> dict[str, object]:
        """Return the registry's settings for its tokens."""
        return {
            "token": {
                "realm": self.realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.certificate[0]),
            }
        }

    def user_of(self, header: str) -> str | None:
        """Return who logs in; an empty name for nobody, None for a wrong password."""
        if not header.startswith("Basic "):
            return ""
        user, _, password = base64.b64decode(header[6:]).decode().partition(":")
        if self.users.get(user) == password:
            return user
        self.refused.append(user)
        return None

    def token(self, user: str, scopes: list[str]) -> str:
        """Sign a token with what the user may do of what is wanted."""
        self.issued.append(" ".join(scopes))
        now = time.time()
        end_s = now + self.lifetime_s - (REGISTRY_LEEWAY_S if self.strict else 0)
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": int(end_s),
            "nbf": int(min(now, end_s) - 10),
            "iat": int(now),
            "jti": uuid.uuid4().hex,
            "access": [entry for scope in scopes if (entry := self._access(user, scope))],
        }
        key = serialization.load_pem_private_key(self.certificate[1].read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        head = _packed(json.dumps({"typ": "JWT", "alg": "ES256", "kid": _key_id(key)}).encode())
        signed = f"{head}.{_packed(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_packed(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _access(self, user: str, scope: str) -> dict[str, object]:
        kind, _, rest = scope.partition(":")
        name, _, wanted = rest.rpartition(":")
        allowed = sorted(self.grant(user, kind, name) & set(wanted.split(",")))
        return {"type": kind, "name": name, "actions": allowed} if allowed else {}


@contextmanager
def token_server(server: TokenServer) -> Iterator[TokenServer]:
    """Serve it on a free port; the port is in it."""

    class Handler(_Handler):
        tokens = server

    http = ThreadingHTTPServer((server.host, server.port), Handler)
    http.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server.certificate)
    # The handshake is made by the thread of each connection, when it first reads.
    http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer
    protocol_version = "HTTP/1.0"  # a connection for each question

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def do_GET(self) -> None:
        user = self.tokens.user_of(self.headers.get("Authorization", ""))
        query = parse_qs(urlsplit(self.path).query)
        self._give(user, " ".join(query.get("scope", [])).split(), "token")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        known = {token: user for user, token in self.tokens.identity_tokens.items()}
        user = known.get(form.get("refresh_token", ""))
        self._give(user, form.get("scope", "").split(), "access_token")

    def _give(self, user: str | None, scopes: list[str], name: str) -> None:
        if user is None:
            self._answer(401, {"details": "incorrect username or password"})
            return
        token = self.tokens.token(user, scopes)
        self._answer(200, {name: token, "expires_in": self.tokens.lifetime_s})

    def _answer(self, status: int, record: dict[str, object]) -> None:
        body = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _key_id(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the name by which the registry knows a key (libtrust's fingerprint)."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    letters = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode("ascii")
    return ":".join(letters[i : i + 4] for i in range(0, len(letters), 4))
