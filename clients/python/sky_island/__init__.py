"""Client of Sky Island, which turns any Go package into an API.

    client = Client("http://127.0.0.1:3280")
    print(client.call("strings", 'ToUpper("a")').data)

Needs the standard library only. A client holds no connection and may be used by many threads.
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import io
import json
import random
import re
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Union

__all__ = ["Answer", "Client", "DeadlineExceeded", "FunctionError", "PlatformError", "Problem", "RequestError", "SkyIslandError",
           "TransportError"]

_BACKOFF, _BACKOFF_MAX = 0.2, 10.0  # seconds before the first retry without Retry-After, and the most


# ---- what can go wrong ----


class SkyIslandError(Exception):
    """All errors of this module."""


class TransportError(SkyIslandError):
    """No answer came that could be read: whether the call ran is not known."""


class DeadlineExceeded(TransportError, TimeoutError):
    """The client's timeout passed."""


class Problem(SkyIslandError):
    """The server's answer was an error (RFC 9457). Its subclasses say whose fault it was; where an answer does not, such as that
    of a proxy in front, it is of this class itself, and `code` is empty.

    `members` has all that was answered, also what has no attribute of its own: `nearest`, `exit_status`, …
    """

    def __init__(self, status: int, members: Dict[str, Any], request_id: str = "", retry_after: Optional[float] = None):
        self.status = status
        self.members = members
        self.request_id = request_id
        self.retry_after = retry_after  # seconds
        self.code = _text(members, "code")
        self.fault = _text(members, "fault")
        self.stage = _text(members, "stage")
        self.detail = _text(members, "detail")
        self.stdout = _text(members, "stdout")  # what the function had written
        self.stderr = _text(members, "stderr")
        super().__init__("%s (%s)" % (self.detail or "the server answered with an error", self.code or "status %d" % status))

    @property
    def stdout_bytes(self) -> bytes:
        """`stdout` as it was written, also where it is not UTF-8."""
        return _bytes(self.members, "stdout")

    @property
    def stderr_bytes(self) -> bytes:
        return _bytes(self.members, "stderr")


class RequestError(Problem):
    """The request's fault: something in it has to be changed. 429, too many calls, is one too."""


class FunctionError(Problem):
    """The function's fault: it panicked, does not compile, took too long…"""


class PlatformError(Problem):
    """The server's fault, or that of a source it needs; the call did not run to its end."""


_BY_FAULT = {"request": RequestError, "function": FunctionError, "platform": PlatformError}


def _text(members: Dict[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _bytes(members: Dict[str, Any], name: str) -> bytes:
    encoded = members.get(name + "_base64")
    return base64.b64decode(encoded) if isinstance(encoded, str) else _text(members, name).encode()


# ---- answers ----


@dataclass(frozen=True)
class Answer:
    """What a call returned."""

    data: str  # what it printed, with its results unless those were asked for as JSON
    stderr: str
    results: List[Any]  # of Client.typed: its results
    error: Optional[str]  # of Client.typed: its last result where that is a Go error; None is nil
    timestamp: int  # seconds since 1970
    module: str  # which version ran: path@version
    request_id: str
    members: Dict[str, Any] = field(repr=False)

    @property
    def data_bytes(self) -> bytes:
        """`data` as it was written, also where it is not UTF-8."""
        return _bytes(self.members, "data")

    @property
    def stderr_bytes(self) -> bytes:
        return _bytes(self.members, "stderr")


@dataclass(frozen=True)
class _Response:
    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as e:
            raise TransportError("status %d, but the answer is no JSON: %s" % (self.status, e)) from e

    def object(self) -> Dict[str, Any]:
        said = self.json()
        if not isinstance(said, dict):
            raise TransportError("status %d, but not what a Sky Island answers" % self.status)
        return said

    def member(self, name: str, kind: type = dict) -> Any:
        value = self.object().get(name)
        if not isinstance(value, kind):
            raise TransportError("status %d, but not what a Sky Island answers: no %s" % (self.status, name))
        return value

    def retry_after(self) -> Optional[float]:
        given = (self.headers.get("Retry-After") or "").strip()
        if given.isascii() and given.isdigit():
            return float(given)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
        except (TypeError, ValueError, IndexError):
            return None

    def problem(self) -> Problem:
        members: Any = None
        if self.headers.get_content_type() in ("application/problem+json", "application/json"):
            try:
                members = json.loads(self.body)
            except ValueError:
                pass
        if not isinstance(members, dict):
            members = {}
        kind = _BY_FAULT.get(_text(members, "fault"), Problem)
        return kind(self.status, members, self.headers.get("X-Request-Id", ""), self.retry_after())


# ---- the wire ----


class _Reader(io.RawIOBase):
    """A socket to read until the end of its time: a timeout of a socket's own would begin anew with each byte."""

    def __init__(self, sock: socket.socket, end: float):
        self._sock, self._end = sock, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._end))
        return self._sock.recv_into(buffer)


class _Socket:
    """What http.client uses of a socket. It closes this when it likes; the socket is closed by who opened it."""

    def __init__(self, sock: socket.socket, end: float):
        self._sock, self._end = sock, end

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(_left(self._end))
        self._sock.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._end))

    def close(self) -> None:
        pass


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise socket.timeout("timed out")
    return left


def _connect(address: "_Address", end: float) -> socket.socket:
    if address.path is None:
        sock = socket.create_connection((address.host, address.port), _left(end))
    else:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_left(end))
        if address.path is not None:
            sock.connect(address.path)
        return sock if address.tls is None else address.tls.wrap_socket(sock, server_hostname=address.host)
    except BaseException:
        sock.close()
        raise


class _Address:
    """http://host:port, https://host:port or unix:/path, with a path before all others where a proxy wants one."""

    def __init__(self, text: str):
        self.path: Optional[str] = None
        self.tls: Optional[ssl.SSLContext] = None
        self.host, self.port, self.prefix = "localhost", 0, ""
        if text.startswith("unix:") and len(text) > 5:
            self.path = text[5:]
            return
        parts = urllib.parse.urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("%r is no address: it must be such as http://127.0.0.1:3280, https://sky.example.com or unix:/path" % text)
        if parts.scheme == "https":
            self.tls = ssl.create_default_context()
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.prefix = parts.path.rstrip("/")


class Client:
    """A server's client.

    address: http://host:port, https://host:port or unix:/path
    timeout: seconds for one call in all, its retries included
    retries: how often a call is tried again at most. It is where the fault is the platform's, or the status 429 or 503, after as
    long as Retry-After says; never where a function failed, nor where no answer came
    """

    def __init__(self, address: str = "http://127.0.0.1:3280", *, function_token: Optional[str] = None,
                 admin_token: Optional[str] = None, admin_token_header: str = "X-Sky-Island-Token", timeout: float = 300.0,
                 retries: int = 3):
        self._address = _Address(address)
        self._function_token, self._admin_token, self._admin_token_header = function_token, admin_token, admin_token_header
        self._timeout, self._retries = timeout, retries

    # calls

    def call(self, url: str, call: str, *, version: Optional[str] = None, imports: Sequence[str] = (), cache_bust: bool = False,
             ip4: Union[bool, str] = False, reuse: Optional[bool] = None, timeout: Optional[float] = None) -> Answer:
        """Calls by Go text: call("strings", 'ToUpper("a")'). `ip4` is True or a pool's name; `reuse` whether a jail of earlier
        calls will do, None as the server is configured."""
        return self._function({"url": url, "call": call}, version, imports, cache_bust, ip4, reuse, timeout)

    def typed(self, url: str, function: str, *args: Any, version: Optional[str] = None, cache_bust: bool = False,
              ip4: Union[bool, str] = False, reuse: Optional[bool] = None, timeout: Optional[float] = None) -> Answer:
        """Calls with arguments that become JSON, for results as JSON: typed("strconv", "Atoi", "12").results is [12]."""
        request = {"url": url, "function": function, "args": list(args), "output": "json"}
        return self._function(request, version, (), cache_bust, ip4, reuse, timeout)

    def _function(self, request: Dict[str, Any], version: Optional[str], imports: Sequence[str], cache_bust: bool,
                  ip4: Union[bool, str], reuse: Optional[bool], timeout: Optional[float]) -> Answer:
        given = {"version": version, "imports": list(imports), "cache_bust": cache_bust, "ip4": ip4}
        request.update({name: value for name, value in given.items() if value})
        if reuse is not None:
            request["reuse"] = reuse
        headers = {"Authorization": "Bearer " + self._function_token} if self._function_token is not None else {}
        response = self._send("POST", "/api/v1/function", headers, request, timeout)
        said = response.object()
        return Answer(data=_text(said, "data"), stderr=_text(said, "stderr"), results=said.get("results", []), error=said.get("error"),
                      timestamp=said.get("timestamp", 0), module=response.headers.get("X-Sky-Island-Module", ""),
                      request_id=response.headers.get("X-Request-Id", ""), members=said)

    # for administrators

    def jails(self) -> List[Dict[str, Any]]:
        """All jails, the oldest first; docs/api.md has their members."""
        found: List[Dict[str, Any]] = []
        for response in self._pages("/api/v1/admin/jails"):
            found += response.member("jails", list)
        return found

    def jail(self, jid: int) -> Dict[str, Any]:
        return self._admin("GET", "/api/v1/admin/jails/%d" % jid).member("details")

    def kill(self, jid: int) -> int:
        """Ends a jail; its call ends with jail_killed."""
        return self._admin("DELETE", "/api/v1/admin/jails/%d" % jid).member("deleted", int)

    def kill_all(self) -> List[int]:
        return self._admin("DELETE", "/api/v1/admin/jails").member("deleted", list)

    def ips(self, pool: Optional[str] = None) -> Dict[str, Optional[str]]:
        """All addresses, each with the name of the jail that holds it, or None."""
        found: Dict[str, Optional[str]] = {}
        for response in self._pages("/api/v1/admin/ips" + _query(pool=pool)):
            found.update(response.object())
        return found

    def ips_in_state(self, state: str, pool: Optional[str] = None) -> List[str]:
        """The addresses in a state, "available" or "unavailable"."""
        found: List[str] = []
        for response in self._pages("/api/v1/admin/ips" + _query(state=state, pool=pool)):
            found += response.member(state, list)
        return found

    def set_ip(self, ip: str, state: str) -> None:
        """Makes an address "unavailable", or "available" again."""
        self._admin("PUT", "/api/v1/admin/ips", {"ip": ip, "state": state})

    def api_stats(self) -> Dict[str, Any]:
        return self._admin("GET", "/api/v1/admin/api-stats").object()

    def health(self) -> None:
        """Returns where the server answers, and raises otherwise."""
        self._send("GET", "/healthcheck", {}, None, None)

    # sending

    def _admin(self, method: str, path: str, body: Any = None) -> _Response:
        headers = {self._admin_token_header: self._admin_token} if self._admin_token is not None else {}
        return self._send(method, path, headers, body, None)

    def _pages(self, path: Optional[str]) -> Any:
        while path:
            response = self._admin("GET", path)
            yield response
            more = re.search(r'<(/[^>]*)>; rel="next"', response.headers.get("Link", ""))
            path = more.group(1) if more else None

    def _send(self, method: str, path: str, headers: Dict[str, str], body: Any, timeout: Optional[float]) -> _Response:
        end = time.monotonic() + (self._timeout if timeout is None else timeout)
        text = None if body is None else json.dumps(body, allow_nan=False).encode()
        if text is not None:
            headers["Content-Type"] = "application/json"
        tries = 0
        while True:
            response = self._exchange(method, path, headers, text, end)
            if 200 <= response.status < 300:
                return response
            problem = response.problem()
            wait = _wait(problem, tries)
            if tries >= self._retries or wait is None or time.monotonic() + wait >= end:
                raise problem
            time.sleep(wait)
            tries += 1

    def _exchange(self, method: str, path: str, headers: Dict[str, str], body: Optional[bytes], end: float) -> _Response:
        sock = None
        connection = http.client.HTTPConnection(self._address.host, self._address.port)
        try:
            sock = _connect(self._address, end)
            connection.sock = _Socket(sock, end)  # type: ignore[assignment]
            connection.request(method, self._address.prefix + path, body, {**headers, "Connection": "close"})
            response = connection.getresponse()
            return _Response(response.status, response.headers, response.read())
        except socket.timeout as e:
            raise DeadlineExceeded("the server did not answer in time") from e
        except (OSError, http.client.HTTPException) as e:
            raise TransportError("no answer came: %s" % (e or type(e).__name__)) from e
        finally:
            connection.close()
            if sock is not None:
                sock.close()


def _query(**fields: Optional[str]) -> str:
    given = {name: value for name, value in fields.items() if value is not None}
    return "?" + urllib.parse.urlencode(given) if given else ""


def _wait(problem: Problem, tries: int) -> Optional[float]:
    """Seconds until the next try, or None where another would not help. What is added at random keeps clients that were
    refused together from coming back together."""
    if problem.fault == "function" or not (problem.fault == "platform" or problem.status in (429, 503)):
        return None
    backoff = min(_BACKOFF * 2**tries, _BACKOFF_MAX)
    if problem.retry_after is not None:
        return problem.retry_after + random.uniform(0, backoff / 2)
    return random.uniform(backoff / 2, backoff)
