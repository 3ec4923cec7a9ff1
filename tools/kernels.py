"""Kernels that talk over Unix sockets, in a folder of their own. A TCP port found free may be another's by the time the kernel takes it, and
of two chapters that start at once one then waits for ever (jupyter_client, issue 487). Windows has no such sockets and keeps TCP.

A pytest plugin too: ``-p tools.kernels`` has nbval start such kernels.
"""

from __future__ import annotations

import os
import tempfile

import nbval.kernel
from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets import HasTraits, default


class _OverSockets(HasTraits):  # without HasTraits nobody would hear of its defaults
    """Beside jupyter_client's managers: the transport, and where the sockets lie."""

    @default("transport")
    def _sockets(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"

    @default("ip")
    def _place(self) -> str:
        if self.transport == "tcp":
            return "127.0.0.1"
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-")  # goes with the manager
        return f"{self._folder.name}/socket"


class OverSockets(_OverSockets, KernelManager):
    """For nbval."""


class AsyncOverSockets(_OverSockets, AsyncKernelManager):
    """For nbclient, which makes the book."""


def pytest_configure() -> None:
    """Called by pytest when it loads the plugin, in each worker."""
    nbval.kernel.KernelManager = OverSockets
