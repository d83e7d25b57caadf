"""A server for cut-outs: ``mattingkit serve``, or :func:`create_app` under any ASGI server.

What arrives is hostile until shown otherwise, and one request must not cost another. So the process that talks to the
network computes nothing: it reads a request within bounds, hands the bytes to a worker process, and sends on the bytes
that come back. A picture that takes a worker's memory, its time or its life costs that one request.

==================================  ====================================================================================
:mod:`mattingkit.serve.settings`    every bound, in one place
:mod:`mattingkit.serve.guard`       what a request must pass before anything reads it: host, origin, token, size, queue
:mod:`mattingkit.serve.application` the routes, typed from the methods' signatures
:mod:`mattingkit.serve.rembg`       the names that rembg's clients use
:mod:`mattingkit.serve.fetching`    pictures by their address, from public addresses only
:mod:`mattingkit.serve.pool`        the worker processes, seen from the server
:mod:`mattingkit.serve.work`        what a worker does: bytes in, bytes out
==================================  ====================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"application": ["create_app"], "settings": ["Settings"]}
)
