"""Imported once by the process that visitors' kernels are forked from: importing this makes everything ready."""

from __future__ import annotations

import gc
import traceback
import warnings

# When the server and all its kernels end together, the fork server may hear of a child that it no longer knows.
warnings.filterwarnings("ignore", "forkserver: waitpid returned", UserWarning)

try:
    import ipykernel.kernelapp
    import ipykernel.zmqshell  # noqa: F401

    from mattingkit.methods import run_small
    from mattingkit.widgets import Studio  # noqa: F401

    for method in ("closed_form", "u2net"):
        run_small(method)
    gc.collect()
    gc.freeze()
except Exception as failure:
    # A visitor's kernel meets the same trouble, and says so on the page.
    traceback.print_exception(failure)
