"""mattingkit: learn image matting, see methods side by side, cut out a photo.

``import mattingkit as mk`` gives the names listed in ``__init__.pyi``. Each is imported from its module when first
used, so importing the package stays light: no torch, numba, matplotlib or ipywidgets until something needs them.
"""

import lazy_loader

from mattingkit import renamed

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

renamed.install()
