"""Imported once by the process that workers are forked from: importing this makes everything ready."""

from __future__ import annotations

import traceback

from mattingkit.serve.process import warm

# Whatever goes wrong here goes wrong in the first request as well, which then says so; the server starts.
try:
    warm()
except Exception as failure:
    traceback.print_exception(failure)
