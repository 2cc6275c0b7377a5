"""Write a notebook that `snnlab run` and `snnlab sweep` take, as a beginning of one's own."""

from pathlib import Path

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import whole_file

PARAMETERS = """\
# Numbers, texts, true or false, or lists of one of them. `snnlab run -p lr 0.1` replaces a value.
data = "spoken-digits"  # name or folder of recordings
limit = 400  # training recordings
hidden = [16]  # neurons of each hidden layer
max_delay = 12  # longest delay, in steps of 20 ms
lr = 0.02  # learning rate of the weights
epochs = 5  # passes over the training recordings
seed = 0  # of the random numbers"""
CELLS = (
    """\
import torch

import snnlab as sl

run = sl.runs.start(globals())  # checks the parameters; makes the folder of the run""",
    """\
splits = sl.load_dataset(data, dt_ms=20, n_in=70, limit=limit)
torch.manual_seed(seed)
net = sl.DelayNet(70, hidden, len(splits.classes), max_delay=max_delay, tau=2.0, dropout=0.1)
recipe = sl.DelayRecipe(epochs=epochs, batch_size=64, lr_weights=lr, seed=seed)
checkpoint = run.checkpoint_dir / "net.pt"  # a killed run is resumed from it
sl.fit(net, splits.train, splits.valid, recipe, checkpoint=checkpoint)
accuracy = sl.evaluate(sl.discretise(net), splits.test).accuracy
print(f"{accuracy:.1%}")""",
    """\
run.save_result(
    [{"variant": "learned", "seed": seed, "test_accuracy": accuracy}], data=splits.source
)""",
)


def new_notebook(path: Path) -> Path:
    """Write a notebook with a parameters cell that trains a network with delays.

    Args:
        path: the file; `.ipynb` is appended where it is not there.

    Returns:
        The file.

    Raises:
        SnnlabError: it has no name, exists, or cannot be written.
    """
    from snnlab.runs import _jsonschema_import  # noqa: F401  before all that imports jsonschema

    # isort: split
    import nbformat
    from nbformat import v4

    if not path.name:
        raise SnnlabError(f"{path} names no notebook; expected a name, such as my_experiment.")
    path = path if path.suffix == ".ipynb" else path.with_name(f"{path.name}.ipynb")
    if path.exists():
        raise SnnlabError(f"{path} is there already; choose another name.")
    title = f"# {path.stem}\n\nThe next cell has the tag `parameters`: a run may change its values."
    cells = [
        v4.new_markdown_cell(title),
        v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        *map(v4.new_code_cell, CELLS),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    with whole_file(path) as temporary:
        nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), temporary)
    return path
