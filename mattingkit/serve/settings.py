"""The server's bounds, in one place; every one of them is an option of ``mattingkit serve``."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from mattingkit.memory import memory_limit

__all__ = ["Network", "Settings", "is_loopback"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can be reached from this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _default_workers() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system can say
        return os.cpu_count() or 1


def _default_memory() -> float:
    """Half of what this process may use, at most two gigabytes for one request."""
    return min(2000.0, (memory_limit() or 4e9) / 2e6)


@dataclass(frozen=True)
class Settings:
    """What one request may cost, how many may wait, and who may ask.

    Parameters
    ----------
    token : str, optional
        What requests must show; None where the server is reached from this machine alone.
    hosts : sequence of str
        Names under which the server may be addressed besides those of this machine; ``("*",)`` takes any. A page of the
        web whose name was made to point to this machine is refused by it (DNS rebinding).
    origins : sequence of str
        Pages of other servers, such as ``"https://example.org"``, that may call this one from a browser.
    workers : int
        Worker processes; one for each core by default.
    queue : int
        Requests that may wait for a worker. One more is answered 429, with the seconds after which to ask again.
    upload_megabytes, upload_seconds : float
        Size of a request's body, and how long it may take to arrive.
    max_megapixels : float
        Of any picture in a request.
    seconds : float
        Of work on one request.
    megabytes : float
        Memory that work on one request may take. By default half of the machine's, at most 2000.
    url_megabytes, url_seconds : float
        Size of a picture fetched from an address, and how long that may take.
    networks : sequence of ip_network
        Networks that pictures may be fetched from although they are not public, such as that of a picture store.
    kept, kept_megabytes, kept_seconds : int, float, float
        Results of jobs that wait to be collected: how many, how large together, how long.

    Examples
    --------
    >>> Settings(workers=2, queue=8).capacity
    10
    """

    token: str | None = field(default=None, repr=False)
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    workers: int = field(default_factory=_default_workers)
    queue: int = 16
    upload_megabytes: float = 50.0
    upload_seconds: float = 60.0
    max_megapixels: float = 50.0
    seconds: float = 120.0
    megabytes: float = field(default_factory=_default_memory)
    url_megabytes: float = 50.0
    url_seconds: float = 20.0
    networks: Sequence[Network] = ()
    kept: int = 64
    kept_megabytes: float = 256.0
    kept_seconds: float = 600.0

    def __post_init__(self) -> None:
        for name in ("workers", "queue", "upload_megabytes", "upload_seconds", "max_megapixels", "seconds", "kept"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)!r}.")
        if self.token is not None and len(self.token) < 16:
            raise ValueError(
                "A token has 16 characters or more; python -c 'import secrets; print(secrets.token_hex())'"
            )

    @property
    def capacity(self) -> int:
        """How many requests for work are in the house at most."""
        return self.workers + self.queue
