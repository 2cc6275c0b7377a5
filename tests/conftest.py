"""What all tests share."""

import gc
import os
import shutil
import signal
import tarfile
from pathlib import Path

import pytest
import torch
from forked_kernels import forked_kernels

import snnlab.runs._jsonschema_import  # noqa: F401  before a test imports nbformat
from snnlab._utils.garbage import collect_less_often
from snnlab.training import log_choice

# What takes longest is begun first: a file begun last would leave the other cores idle. Those in a
# browser wait most of their time, so work comes between them.
LONG = """
    course/test_tasks browser/test_panels test_wheel test_notebooks browser/test_monitor
    docs/test_site docs/test_howto runs/test_params training/test_compiled data/test_registry
    cli/test_main data/batches/test_prefetch viz/test_monitor data/datasets/test_spoken_digits
    cli/test_doctor course/test_real_voices data/encoding/test_cochlea _utils/test_system
    training/test_launch_ranks course/test_real_camera training/test_distributed
    browser/test_sound transfer/test_stages training/test_state docs/test_snakemake
    training/test_trainer data/datasets/test_gsc runs/test_killed_run
    data/convert/test_from_audio nn/test_vision test_device course/test_exploring_delays
    browser/test_export data/datasets/test_shipped data/convert/test_from_images
    data/encoding/test_video_events training/test_checkpoints data/batches/test_shards
    training/test_train_pool runs/test_sharing runs/sweep/test_executors runs/sweep/test_slurm
    test_gpu_check nn/test_threads delays/test_experiments transfer/test_comparison
    test_other_device
""".split()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage among what is imported and collected, and later less often."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    collect_less_often()
    return result


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    order = {here / f"{name}.py": number for number, name in enumerate(LONG)}
    assert all(path.is_file() for path in order)  # or a name has changed
    items.sort(key=lambda item: order.get(item.path, len(order)))
    if not os.environ.get("SNNLAB_REAL_DATA"):
        no_data = pytest.mark.skip(reason="SNNLAB_REAL_DATA names no folder of real recordings")
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(no_data)


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """A shell lets what it starts in the background ignore the signal, and an ignored signal is
    inherited.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Tests leave nothing in the cache of the person who runs them, and find nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def kernels(interruptible):
    with forked_kernels():
        yield


@pytest.fixture(autouse=True)
def no_log_of_another_test():
    """`runs.start` at paper profile chooses a log for the process and all that it starts."""
    yield
    os.environ.pop(log_choice.DEFAULT, None)


@pytest.fixture(scope="module")
def one_thread():
    """As many as each process has: sums in another order differ in the last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own_threads():
    """For a test that changes the number of torch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="module")
def no_more_threads():
    """With more threads than cores, all tests that follow would take several times as long."""
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def absent(what):
    """Skip, or fail where somebody counts on these tests."""
    message = f"Not tested in a browser: {what}"
    if os.environ.get("SNNLAB_BROWSER") == "required":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium():
    """The browser, by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("Playwright is missing; pip install 'snnlab[browser]'.")
    programs = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    program = os.environ.get("SNNLAB_CHROMIUM") or next(filter(None, programs), None)
    if program is None:
        absent(
            "there is no Chromium; apt-get install chromium, or name its file in SNNLAB_CHROMIUM."
        )
    with sync_playwright() as playwright:
        # A microphone that beeps, and nobody is asked whether pages may use it
        microphone = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", *microphone]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def real_data():
    """The folder with the published archives, for tests with the marker `real`."""
    folder = Path(os.environ["SNNLAB_REAL_DATA"])
    assert folder.is_dir(), f"SNNLAB_REAL_DATA: {folder} is no folder"
    return folder.resolve()


@pytest.fixture(scope="session")
def real_nmnist(real_data, tmp_path_factory):
    """The folder with `Train` and `Test` of N-MNIST; each process unpacks its own in a second."""
    folder = tmp_path_factory.mktemp("n-mnist")
    with tarfile.open(real_data / "n-mnist-1100.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def real_speech(real_data, tmp_path_factory):
    """A function that unpacks those clips of the speech commands' test set whose path, such as
    "yes/022cd682_nohash_0.wav", is wanted, and returns their folder. Each call costs two seconds.
    """

    def unpack(wanted):
        folder = tmp_path_factory.mktemp("speech")
        with tarfile.open(real_data / "speech_commands_test_set_v0.02.tar.gz") as archive:
            for member in archive:
                if member.isfile() and wanted(member.name.removeprefix("./")):
                    archive.extract(member, folder, filter="data")
        return folder

    return unpack
