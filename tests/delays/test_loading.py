"""Networks are opened from checkpoints and from folders of runs."""

import pytest
import torch
from delay_nets import random_net, save_network

from snnlab._utils import files
from snnlab._utils.errors import SnnlabError
from snnlab.delays.loading import best_checkpoint, open_network


def test_a_checkpoint_is_opened_as_it_was_saved(tmp_path):
    net = random_net()
    save_network(tmp_path / "a.pt", net, 0.5)
    opened, dt_ms = open_network(tmp_path / "a.pt", dt_ms=10)
    assert dt_ms == 10.0 and not opened.training
    assert torch.equal(opened.synapses[1].P, net.synapses[1].P)


def test_of_a_folder_the_best_learned_network_that_is_no_toy_is_opened(tmp_path):
    save_network(tmp_path / "run" / "toy.pt", random_net(n_in=30), 0.99)
    save_network(tmp_path / "run" / "worse.pt", random_net(dt_ms=10.0), 0.5)
    save_network(tmp_path / "run" / "better.pt", random_net(dt_ms=10.0), 0.6)
    save_network(tmp_path / "run" / "fixed.pt", random_net(delay_mode="fixed"), 0.9)
    save_network(tmp_path / "run" / "relu.pt", random_net(neuron="relu"), 0.9)
    assert best_checkpoint(tmp_path).name == "better.pt"


def test_other_files_in_a_folder_are_left_out_where_there_is_a_good_one(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"no such file")
    with pytest.raises(SnnlabError, match=r"a\.pt: holds no snnlab checkpoint"):
        open_network(tmp_path, dt_ms=10.0)
    save_network(tmp_path / "c.pt", random_net(), 0.5)
    assert best_checkpoint(tmp_path).name == "c.pt"


def test_what_cannot_be_explored_is_refused(tmp_path):
    with pytest.raises(SnnlabError, match="no checkpoint of a network with learned delays"):
        open_network(tmp_path, dt_ms=10.0)
    save_network(tmp_path / "none.pt", random_net(delay_mode="none"), 0.5)
    with pytest.raises(SnnlabError, match=r"none.pt: a network without delays"):
        open_network(tmp_path / "none.pt", dt_ms=10.0)
    save_network(tmp_path / "relu.pt", random_net(neuron="relu"), 0.5)
    with pytest.raises(SnnlabError, match=r"relu.pt: a ReLU network, which does not spike"):
        open_network(tmp_path / "relu.pt", dt_ms=10.0)


def test_a_name_that_no_file_can_have_is_refused():
    name = "x" * 300 + ".pt"
    with pytest.raises(SnnlabError, match=f"^{name}: not a complete snnlab checkpoint"):
        open_network(name)


def test_a_checkpoint_says_how_long_a_time_step_is(tmp_path):
    save_network(tmp_path / "a.pt", random_net(dt_ms=20.0), 0.5)
    assert open_network(tmp_path / "a.pt")[1] == open_network(tmp_path, dt_ms=20)[1] == 20.0
    with pytest.raises(
        SnnlabError, match=r"trained with steps of 20 ms, not of 10; leave dt_ms out, or give dt_ms"
    ):
        open_network(tmp_path / "a.pt", dt_ms=10.0)
    save_network(tmp_path / "b.pt", random_net(), 0.5)
    with pytest.raises(SnnlabError, match="b.pt: does not say how long a time step is; give dt_ms"):
        open_network(tmp_path / "b.pt")


@pytest.mark.parametrize("dt", [float("nan"), float("inf"), 0, -1.0, True, "10"])
def test_a_time_step_that_is_no_number_above_0_is_refused_first(tmp_path, dt):
    with pytest.raises(SnnlabError, match=r"^dt_ms = .*: expected a time step above 0 ms\.$"):
        open_network(tmp_path / "none.pt", dt_ms=dt)


def test_a_folder_with_too_many_files_is_not_looked_through(tmp_path, monkeypatch):
    save_network(tmp_path / "run" / "a.pt", random_net(), 0.5)
    for name in ("b", "c"):
        (tmp_path / name).touch()
    monkeypatch.setattr(files, "MOST_FILES", 4)
    assert best_checkpoint(tmp_path).name == "a.pt"
    monkeypatch.setattr(files, "MOST_FILES", 3)
    words = f"^{tmp_path}: has more than 3 files and folders in it, .* name a folder further down"
    with pytest.raises(SnnlabError, match=words):
        open_network(tmp_path)


def test_a_model_that_is_given_is_as_the_network_was_trained(tmp_path):
    save_network(tmp_path / "a.pt", random_net(dt_ms=20.0), 0.5)
    opened, dt_ms = open_network(tmp_path / "a.pt", model=random_net(1, dropout=0.5))
    assert torch.equal(opened.synapses[1].P, random_net().synapses[1].P) and dt_ms == 20.0
    assert open_network(tmp_path / "a.pt", model=random_net(max_delay=(6, 6, 6), tau=(1.7,) * 3))
    for name, value in (("tau", 3.0), ("max_delay", 7)):
        with pytest.raises(SnnlabError, match=f"a.pt: the layers of the model have {name} = .*"):
            open_network(tmp_path / "a.pt", model=random_net(**{name: value}))
