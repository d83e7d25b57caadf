"""Pictures to play with: small simulations that run alike in a page without any kernel and in a notebook.

:class:`UnmixPixel`, :class:`ColorWindow`, :class:`TwoGaussians`, :class:`ScribbleHere`, :class:`WhichBand` and
:class:`SideOutputs` are notebook widgets whose values Python can read. :func:`embed_html` returns the same as a piece
of HTML for any page. They compute in the page, in plain JavaScript: ``static/core.js`` holds the numerics, which tests
hold against the package's own. Nothing of anywidget is imported before a name here is used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
