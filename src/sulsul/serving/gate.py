"""What every request passes before and after its route: host, key, body, time, headers, log and metrics."""

import asyncio
import json
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sulsul.serving.authentication import KeyCheck
from sulsul.serving.logs import log_failure, log_request
from sulsul.serving.settings import ServingSettings

PUBLIC_PATHS = frozenset({"/", "/page/style.css", "/page/script.js", "/healthz", "/readyz", "/openapi.json"})
"""Answered without the API key: they show nothing of the model or its use."""

_SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class Refusal(Exception):  # noqa: N818
    """A request is answered with a status and a reason instead of what it asked for."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


class Gate:
    """ASGI middleware around the routes.

    A page of another site that resolves its own name to this machine (DNS rebinding) is turned away by the Host check;
    the key is compared before a byte of the body is read; the body is read up to its limit and within the time limit;
    an unexpected error becomes a 500 whose cause is only logged.

    Parameters
    ----------
    app
        The routes.
    settings
        Limits.
    key_check
        Who may ask; None for everybody.
    on_answer
        Called with route, status and seconds after every request.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServingSettings,
        key_check: KeyCheck | None,
        on_answer: Callable[[str, int, float], None],
    ) -> None:
        self._app = app
        self._settings = settings
        self._key_check = key_check
        self._on_answer = on_answer
        names = settings.allowed_hosts or (_LOOPBACK_NAMES if settings.on_loopback else ())
        self._hosts = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        answer = _Answer(send)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._pass(scope, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except TimeoutError:
            busy = f"no answer within {self._settings.timeout_s:g} s; send fewer or shorter texts, or try again"
            await answer.refuse(Refusal(503, busy, {"Retry-After": "1"}))
        except Exception as error:
            log_failure("a request failed", error)
            await answer.refuse(Refusal(500, "internal error; the server's log says where"))
        seconds = time.perf_counter() - start
        route = getattr(scope.get("route"), "path", "other")
        self._on_answer(route, answer.status, seconds)
        log_request(scope["method"], scope["path"], answer.status, seconds)

    async def _pass(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = Headers(scope=scope)
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            raise Refusal(400, "this server does not answer to that host name; see --set allowed_hosts=NAME")
        if self._key_check is not None and scope["path"] not in PUBLIC_PATHS:
            authorization = headers.get("authorization")
            if not self._key_check.admits(None if authorization is None else authorization.encode("latin-1")):
                raise Refusal(401, "send the API key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})
        if scope["method"] in _BODY_METHODS:
            receive = _replay(await self._read_body(headers, receive))
        await self._app(scope, receive, answer.send)

    async def _read_body(self, headers: Headers, receive: Receive) -> bytes:
        most = self._settings.max_body_bytes
        too_large = Refusal(413, f"the body is larger than {most:,} bytes; send fewer texts", {"Connection": "close"})
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the body ended early")
            body += message.get("body", b"")
            if len(body) > most:
                raise too_large
            if not message.get("more_body", False):
                return bytes(body)


class _Answer:
    """The sending side of a request: adds the headers, remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 499  # what is counted where the client left before an answer
        self._started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self._started:
            return
        body = json.dumps({"detail": refusal.detail}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **refusal.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


def _replay(body: bytes) -> Receive:
    waiting = [body]

    async def receive() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return {"type": "http.disconnect"}

    return receive


def _host_name(header: str) -> str:
    """Return the Host header without its port.

    Examples
    --------
    >>> _host_name("LOCALHOST:8000"), _host_name("[::1]:8000"), _host_name("example.org")
    ('localhost', '[::1]', 'example.org')
    """
    end = header.find("]") + 1 if header.startswith("[") else header.find(":")
    return (header if end <= 0 else header[:end]).lower()
