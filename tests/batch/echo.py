"""The smallest job there is: answer, fail, die, take long, or count its threads, as told."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def echo(job):
    if "fail" in job:
        raise ValueError(job["fail"])
    if "crash" in job:
        os.kill(os.getpid(), signal.SIGKILL)
    if "once" in job and not os.path.exists(job["once"]):
        Path(job["once"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(job.get("seconds", 0))
    if "threads" in job:
        import torch

        from mattingkit.threads import thread_count

        return {"threads": [thread_count(), torch.get_num_threads()]}
    return job
