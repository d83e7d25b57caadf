"""Pictures by their address, fetched so that nobody can make the server look where the asker cannot.

Only http and https; only addresses that are public, after a name has been resolved; the connection goes to the very
address that was checked, so a name that resolves differently the second time gains nothing; every redirect is checked
anew. Size and time are bounded as a whole, not per packet.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urljoin, urlsplit

from mattingkit.serve.problems import Problem
from mattingkit.serve.settings import Network
from mattingkit.version import __version__

__all__ = ["fetch", "is_public"]

_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Networks of IPv6 whose addresses hold one of IPv4 in their last 32 bits (RFC 6052, RFC 8215, RFC 4291).
_WRAPPERS = [ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")]


def is_public(address: str, networks: Sequence[Network] = ()) -> bool:
    """Whether an address belongs to the public internet, or to a network that is allowed.

    An IPv6 address that carries one of IPv4 in it (mapped, 6to4, Teredo, NAT64) is public where both are.

    Examples
    --------
    >>> is_public("93.184.215.14"), is_public("127.0.0.1"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
    (True, False, False, False)
    >>> is_public("10.1.2.3", [ipaddress.ip_network("10.0.0.0/8")])
    True
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if any(found in network for network in networks if network.version == found.version):
        return True
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _unwrapped(found))


def _unwrapped(address: Address) -> list[Address]:
    """The address, and those of IPv4 that it carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in wrapper for wrapper in _WRAPPERS):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found: list[Address] = [one for one in inner if one is not None]
    # A mapped address is that of IPv4, whatever a version of Python thinks of its wrapper.
    return found if address.ipv4_mapped is not None else [address, *found]


def fetch(url: str, *, megabytes: float = 50.0, seconds: float = 20.0, networks: Sequence[Network] = ()) -> bytes:
    """Fetch a picture from an address.

    Parameters
    ----------
    url : str
        Of http or https.
    megabytes, seconds : float
        The most that all of it may have and take.
    networks : sequence of ip_network
        Allowed although not public.

    Returns
    -------
    bytes

    Raises
    ------
    Problem
        422 where the address is none, or not one to be asked; 413 and 504 where a bound is reached; 502 where the other
        server does not answer with a picture.

    Examples
    --------
    >>> fetch("http://localhost/")
    Traceback (most recent call last):
    ...
    mattingkit.serve.problems.Problem: 422: url: only public addresses are fetched from, and 'localhost' is none...
    """
    watch = _Watch(seconds)
    try:
        for _ in range(_REDIRECTS + 1):
            content, moved = _get(url, int(megabytes * 1e6), networks, watch)
            if moved is None:
                return content
            url = urljoin(url, moved)
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as failure:
        if watch.over:
            raise Problem(504, f"url: the other server took longer than {seconds:g} seconds.", field="url") from None
        reason = str(failure) or type(failure).__name__
        raise Problem(502, f"url: the other server gave no picture ({reason[:200]}).", field="url") from None
    finally:
        watch.stop()
    raise Problem(502, f"url: more than {_REDIRECTS} redirects.", field="url")


class _Watch:
    """Closes whatever is open when the time is over, even if the other side sends a byte now and then."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self.seconds = seconds
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def on(self, opened: socket.socket) -> None:
        self._socket = opened
        if self.over:
            self._end()

    def stop(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _get(url: str, limit: int, networks: Sequence[Network], watch: _Watch) -> tuple[bytes, str | None]:
    """One request: the content, or where it has moved to."""
    try:
        parts = urlsplit(url)
        host, port, secure = parts.hostname, parts.port, parts.scheme == "https"
    except ValueError:
        raise Problem(422, "url: this is no address; give http://… or https://…", field="url") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.password is not None:
        raise Problem(422, "url: give an address of http or https, without a user name.", field="url")
    port = port or (443 if secure else 80)
    address = _public_address(host, port, networks)
    opened = socket.create_connection((address, port), timeout=watch.seconds)
    try:
        watch.on(opened)
        if secure:
            opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
            watch.on(opened)
        connection = http.client.HTTPConnection(host, port, timeout=watch.seconds)
        connection.sock = opened
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": parts.netloc,
            "Accept": "image/*, */*;q=0.1",
            "Accept-Encoding": "identity",
            "User-Agent": f"mattingkit/{__version__}",
            "Connection": "close",
        }
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        if response.status in _MOVED and (location := response.getheader("Location")):
            return b"", location
        if response.status != 200:
            raise Problem(502, f"url: the other server answered {response.status}, not 200.", field="url")
        content = response.read(limit + 1)
        if len(content) > limit:
            raise Problem(413, f"url: the picture has more than {limit / 1e6:g} MB.", field="url")
        if watch.over:  # a body without a length ends where the connection does
            raise OSError("cut short")
        return content, None
    finally:
        opened.close()


def _public_address(host: str, port: int, networks: Sequence[Network]) -> str:
    """The address of a name, where all that it resolves to are public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Problem(422, f"url: the name {host[:80]!r} cannot be resolved.", field="url") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address, networks) for address in addresses):
        raise Problem(
            422,
            f"url: only public addresses are fetched from, and {host[:80]!r} is none. Send the picture itself by POST, "
            "or start the server with --allow-network.",
            field="url",
        )
    return addresses[0]
