"""Write pictures into shards for `snnlab.data.batches.shards`; only writing needs webdataset."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.files import whole_file, write_text
from snnlab._utils.optional import import_optional
from snnlab.data.batches.file_dataset import CLASSES, FileDataset
from snnlab.data.batches.shards import SETTINGS
from snnlab.data.io.many_files import same_settings

SAMPLES = 1000  # of a shard: about 110 MB of ImageNet


def write(
    part: str, pictures: FileDataset, out: Path, *, samples: int = SAMPLES, seed: int = 0
) -> int:
    """Write pictures into shards, in an order drawn from the seed; their bytes stay the same.

    Keys begin with the number of a picture in `pictures`, so that their order is known later.
    Shards that are there are kept, and each is written whole: a call after a kill goes on.

    Args:
        part: "train" or "val".
        pictures: samples, labels and classes.
        out: the folder.
        samples: of each shard but the last.
        seed: of the order.

    Returns:
        How many shards were written.

    Raises:
        SnnlabError: `samples` or `seed` is too small, webdataset is missing, a picture cannot be
            read, the disk is full, or the folder holds shards of other pictures or settings.
    """
    samples, seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
    tar_writer = import_optional("webdataset", "writes shards", "shards").TarWriter
    names = "\n".join(f"{Path(path).parent.name}/{Path(path).name}" for path in pictures.samples)
    of = hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    settings: dict[str, Any] = {
        "shards": -(-len(pictures) // samples),
        "samples": samples,
        "seed": seed,
        "pictures": of,
    }
    shards = [out / f"{part}-{number:06d}.tar" for number in range(settings["shards"])]
    same_settings(out / f"{part}-{SETTINGS}", settings, shards)
    write_text(out / CLASSES, "".join(f"{name}\n" for name in pictures.classes))
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    written = 0
    starts = tqdm(range(0, len(order), samples), desc=part, unit="shard")
    for path, start in zip(shards, starts, strict=True):
        if path.exists():
            continue
        with (
            whole_file(path) as temporary,
            open(temporary, "wb") as file,
            tar_writer(file, encoder=False, mtime=0) as tar,
        ):
            for i in order[start : start + samples]:
                tar.write(_sample(i, Path(pictures.samples[i]), int(pictures.labels[i])))
        written += 1
    return written


def _sample(number: int, path: Path, label: int) -> dict[str, str | bytes]:
    """Return what webdataset writes of a picture.

    It ends a key at the first dot, and a name in a tar file has at most 100 bytes.
    """
    stem = path.stem.replace(".", "_").encode("utf-8", "replace")[:70].decode("utf-8", "ignore")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SnnlabError(
            f"{path} cannot be read ({error.strerror}); a picture was expected. Fetch it again."
        ) from error
    return {"__key__": f"{number:08d}-{stem}", path.suffix[1:]: content, "cls": str(label).encode()}
