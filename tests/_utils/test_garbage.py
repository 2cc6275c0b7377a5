"""Collections of cyclic garbage, which imports do without."""

import gc
import json
import subprocess
import sys

import pytest

from snnlab._utils.garbage import no_collections

# Imports of modules that are kept, with a count of the collections of the oldest objects
COUNTED = """
import gc, json, sys
from snnlab._utils import garbage
oldest = []
gc.callbacks.append(lambda phase, info: phase == "start" and oldest.append(info["generation"]))
"""


def collections_after(*lines):
    """How many collections of all objects there are, and of how many in all."""
    show = "print(json.dumps([oldest.count(2), len(oldest)]))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([COUNTED, *lines, show])],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_block_without_collections_leaves_the_collector_as_it_was(enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(KeyError), no_collections():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_names_of_the_package_and_a_first_loop_are_imported_without_collections():
    _, count = collections_after(
        "import torch",
        "oldest.clear()",
        "import snnlab",
        "snnlab.LIF(tau=2.0)(torch.zeros(1, 1, 1))",  # numba imports half of itself for it
    )
    assert count < 20  # it would be some hundred


def test_a_process_of_ours_looks_at_all_objects_less_often():
    usual, _ = collections_after("import torch")
    ours, count = collections_after("garbage.collect_less_often()", "import torch")
    assert usual > 1 and ours == 0 < count
