"""Kernels of notebooks come from a `KernelServer`; with `-p forked_kernels` those of nbval, too."""

import sys
from contextlib import contextmanager

import pytest
from kernel_server import KernelServer


@contextmanager
def forked_kernels():
    """Notebooks that are executed in this process begin with everything imported."""
    if sys.platform != "linux":
        yield
        return
    from jupyter_client.provisioning import local_provisioner

    with pytest.MonkeyPatch.context() as patch:
        server = KernelServer(local_provisioner.launch_kernel)
        patch.setattr(local_provisioner, "launch_kernel", server)
        try:
            yield
        finally:
            server.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop():
    with forked_kernels():
        return (yield)
