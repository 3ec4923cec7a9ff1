"""Kernels that talk over Unix sockets, in a folder of their own. A TCP port found free may be another's by the time the kernel takes it, and
of two chapters that start at once one then waits for ever (jupyter_client, issue 487). Windows has no such sockets and keeps TCP.

A pytest plugin too: ``-p tools.kernels`` has nbval start such kernels.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets import HasTraits, default

PLACE = "/tmp" if os.name == "posix" else None
"""Where the sockets' folders lie. A socket's path holds a hundred characters at most, so it is not always the folder for such files."""


def sweep() -> None:
    """Remove the folders of kernels whose managers, children of this process, were killed."""
    for left in Path(PLACE or tempfile.gettempdir()).glob(f"kernel-{os.getpid()}-*"):
        shutil.rmtree(left, ignore_errors=True)


class _OverSockets(HasTraits):  # without HasTraits nobody would hear of its defaults
    """Beside jupyter_client's managers: the transport, and where the sockets lie."""

    @default("transport")
    def _sockets(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"

    @default("ip")
    def _place(self) -> str:
        if self.transport == "tcp":
            return "127.0.0.1"
        self._folder = tempfile.TemporaryDirectory(prefix=f"kernel-{os.getppid()}-", dir=PLACE)  # goes with the manager
        return f"{self._folder.name}/socket"


class OverSockets(_OverSockets, KernelManager):
    """For nbval."""


class AsyncOverSockets(_OverSockets, AsyncKernelManager):
    """For nbclient, which makes the book."""


def pytest_configure() -> None:
    """Called by pytest when it loads the plugin, in each worker."""
    import nbval.kernel

    assert nbval.kernel.KernelManager in (KernelManager, OverSockets)  # the name by which nbval starts kernels
    nbval.kernel.KernelManager = OverSockets
