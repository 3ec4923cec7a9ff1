"""Kernels of the notebooks' tests and of the book talk over sockets that nobody else can take."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from tools.kernels import AsyncOverSockets, OverSockets


@pytest.mark.skipif(os.name != "posix", reason="needs Unix sockets: kernels talk over TCP on Windows")
def test_a_kernel_answers_over_sockets_of_its_own_and_leaves_nothing():
    managers = [OverSockets(), OverSockets()]
    folders = [Path(manager.ip).parent for manager in managers]
    assert folders[0] != folders[1]
    assert AsyncOverSockets().transport == "ipc"  # the book's
    for manager in managers:
        assert manager.transport == "ipc"
        manager.start_kernel(extra_arguments=["--IPKernelApp.log_level=40"])
    for manager in managers:
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        heard = []
        client.execute_interactive("print(6 * 7)", timeout=60, output_hook=lambda message, heard=heard: heard.append(message["content"].get("text", "")))
        assert "42" in "".join(heard)
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    del manager, managers, client
    gc.collect()
    assert not any(folder.exists() for folder in folders)
