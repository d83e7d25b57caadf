"""Kernels that are forked from a warm process: a visitor's costs a fraction of a second and shares most of its memory.

Jupyter lets a *provisioner* say how a kernel's process is made. :class:`ForkedProvisioner` has it made by Python's own
fork server, which has imported :mod:`mattingkit.app.template`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from mattingkit.forking import LEAN, can_fork, started_lean

__all__ = ["TEMPLATE", "ForkedProvisioner", "use_forked_kernels"]

_NAME = "mattingkit-forked"

#: The module that the warm process has imported.
TEMPLATE = "mattingkit.app.template"


def use_forked_kernels() -> bool:
    """Make forked kernels the default in this process; False where the system cannot fork."""
    if not can_fork():
        return False
    factory = KernelProvisionerFactory.instance()
    value = f"{__name__}:{ForkedProvisioner.__name__}"
    factory.provisioners[_NAME] = EntryPoint(_NAME, value, factory.GROUP_NAME)
    factory.default_provisioner_name = _NAME
    return True


class _Forked:
    """A process of the fork server, with the methods of :class:`subprocess.Popen` that a provisioner calls."""

    stdin = stdout = stderr = None

    def __init__(self, connection_file: str, environment: dict[str, str], folder: str | None) -> None:
        context = multiprocessing.get_context("forkserver")
        with started_lean(TEMPLATE):
            self._process = context.Process(target=run_kernel, args=(connection_file, environment, folder))
            self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.pid is not None and self._process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_kernel(connection_file: str, environment: dict[str, str], folder: str | None) -> None:
    """Be a kernel; runs in the forked process."""
    import ipywidgets
    import numba
    from ipykernel.kernelapp import IPKernelApp

    for name in LEAN:
        environment.pop(name, None)
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    config: Any = numba.config
    config.NUMBA_NUM_THREADS = os.cpu_count() or 1
    application: Any = IPKernelApp.instance()
    # It speaks to this machine alone, in signed messages, and ends with the page: what it would print to the terminal
    # is for kernels started by hand, and tells how to stop those.
    application.parent_handle = 1
    application.initialize(["-f", connection_file, "--IPKernelApp.log_level=ERROR"])
    # What ipywidgets does when a kernel imports it; here that was done before there was a kernel. Without it the page
    # asks for one widget after the other, and waits for ever for one that does not answer.
    ipywidgets.register_comm_target()
    application.start()


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel by forking."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel that a command line would start."""
        connection_file = cmd[cmd.index("-f") + 1]
        process: Any = _Forked(connection_file, dict(kwargs.get("env") or {}), kwargs.get("cwd"))
        self.process, self.pid, self.pgid, self.cwd = process, process.pid, None, kwargs.get("cwd")
        return self.connection_info
