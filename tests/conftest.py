"""What all tests share."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Tests leave nothing in the cache of the person who runs them, and find nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def one_thread():
    """As many as each process has: sums in another order differ in the last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
