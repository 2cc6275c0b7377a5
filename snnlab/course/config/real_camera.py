"""The parameters of the page "03 on a real camera", and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import TrainingParameters, count, learning_rate, profiles


@dataclass(frozen=True)
class RealCamera(TrainingParameters):
    """The page "03 on a real camera": pipe-D, from MNIST's pictures to N-MNIST's recordings."""

    notebook = "03_real_camera"
    notebook_folder = "notebooks/real"

    events_folder: str = parameter(
        "", "where N-MNIST lies; empty for the folder n-mnist of the data", empty=True
    )
    pictures_folder: str = parameter(
        "", "where MNIST lies; empty for the folder mnist of the data", empty=True
    )
    folds: int = parameter(
        5, "parts of the recordings, each of which is the test set once", low=2, high=100
    )
    recordings: tuple[int, ...] = parameter(
        (50, 100, 300, 800), "numbers of labelled recordings to train on", low=10, high=100_000
    )
    epochs: tuple[int, ...] = count(
        (40, 30, 16, 8), "epochs on as many recordings", low=2, repeats=True
    )
    long_epochs: int = count(
        150,
        "epochs of the training from scratch that costs as much as pretraining and fine-tuning",
        low=2,
    )
    pictures: int = parameter(0, "pictures to pretrain on; 0 for all", low=0, high=60_000)
    pretrain_epochs: int = count(3, "epochs of the ANN")
    pretrain_lr: float = learning_rate(0.01, "learning rate of the ANN")
    lr: tuple[float, ...] = learning_rate(
        (0.005, 0.01, 0.02),
        "learning rates that every recipe chooses from, by validation",
    )
    decay: tuple[float, ...] = parameter(
        (0.25, 0.622),
        "shares of the membrane left after a step, at first; training from scratch chooses",
        low=0.01,
        high=0.99,
    )
    search_folds: tuple[int, ...] = parameter(
        (2, 1, 1, 1),
        "folds whose validation chooses rate and decay, for each number of recordings",
        low=1,
        high=100,
        repeats=True,
    )
    shift: int = parameter(
        2, "largest shift of a recording in training", unit="pixels", low=0, high=17
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if len(self.recordings) < 2:
            raise SnnlabError(
                f"recordings = {self.recordings}: expected two or more numbers, which are compared."
            )
        if len(self.decay) != 2:
            raise SnnlabError(f"decay = {self.decay}: expected two shares, which are compared.")
        for name in ("epochs", "search_folds"):
            if len(self.recordings) != len(getattr(self, name)):
                raise SnnlabError(
                    f"recordings = {self.recordings}, {name} = {getattr(self, name)}: expected as "
                    "many numbers, one for each number of recordings."
                )
        if max(self.search_folds) > self.folds:
            raise SnnlabError(
                f"search_folds = {self.search_folds}, folds = {self.folds}: expected no more than "
                "there are."
            )


REAL_CAMERA = profiles(
    RealCamera(seeds=1, batch_size=32),
    tiny=dict(
        folds=2,
        recordings=(20, 40),
        epochs=(2, 2),
        long_epochs=3,
        pretrain_epochs=1,
        lr=(0.01,),
        search_folds=(1, 1),
        workers=1,
    ),
    paper=dict(seeds=3),
)
