"""Small folders laid out as the large data sets: three classes, told apart by where a bar is."""

import gzip
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from scipy.io import savemat

from snnlab.data.datasets.catalogue import COMMANDS
from snnlab.data.datasets.gsc_folder import LISTS, which_set
from snnlab.data.datasets.mnist import RECORDED
from snnlab.data.encoding.es_imagenet import Label, encode, write_labels, write_sample
from snnlab.data.encoding.video_events import convert_videos
from snnlab.data.io.events import Events, write_events

WORDNET = ("n01440764", "n02123045", "n04285008")  # ImageNet's names of classes
ACTIONS = ("Archery", "Biking", "YoYo")
GROUPS = (1, 2, 7, 8, 9, 10, 11, 12, 13, 14, 25)  # of UCF101, which has 1 to 25


def bar(k, height, width, rng, shift=0):
    """A lit bar in the upper, the middle or the lower third, under noise: (height, width) from 0 to
    255.
    """
    picture = rng.integers(0, 40, (height, width))
    thick = height // 6
    top = k * height // 3 + height // 12 + shift
    picture[top : top + thick] += 180
    return picture


def imagenet(folder, train=6, test=2):
    """`train/<class>/*.JPEG` and `val/<class>/*.JPEG`: so many of each class, in red, green or
    blue, of several sizes.
    """
    rng = np.random.default_rng(0)
    for part, n in (("train", train), ("val", test)):
        for k, name in enumerate(WORDNET):
            (Path(folder) / part / name).mkdir(parents=True)
            for i in range(n):
                height, width = rng.integers(48, 80, 2)
                pixels = np.stack(
                    [
                        bar(k, height, width, rng) // (1 if colour == k else 3)
                        for colour in range(3)
                    ],
                    2,
                )
                Image.fromarray(pixels.astype(np.uint8)).save(
                    Path(folder) / part / name / f"{name}_{i}.JPEG"
                )


def es_imagenet(folder, train=6, test=2):
    """`train/class0/class0_1.npz`, `val/ILSVRC2012_val_00000001.npz` and so on, with the label
    lists beside the folders.
    """
    rng = np.random.default_rng(1)
    for split, n in (("train", train), ("val", test)):
        labels = []
        for i in range(3 * n):
            k = i % 3
            height, width = ((75, 100), (100, 75), (90, 90))[i // 3 % 3]
            picture = bar(k, height, width, rng)
            picture[:, rng.integers(width)] = 250  # and a line somewhere, which says nothing
            sample = encode(Image.fromarray(picture.astype(np.uint8)))
            name = (
                f"class{k}/class{k}_{i // 3 + 1}.npz"
                if split == "train"
                else f"ILSVRC2012_val_{i + 1:08}.npz"
            )
            write_sample(Path(folder) / split / name, sample)
            labels.append(Label(name, k, sample.rows, sample.columns))
        write_labels(Path(folder) / f"{split}label.txt", labels)


def cifar10_dvs(folder, train=6, test=2, steps=10):
    """`train/*.mat` and `test/*.mat`: counts of `steps` steps in which the bar comes and goes, and
    a label from 0.
    """
    rng = np.random.default_rng(2)
    for part, n in (("train", train), ("test", test)):
        (Path(folder) / part).mkdir(parents=True)
        for i in range(3 * n):
            k = i % 3
            counts = rng.poisson(0.02, (2, steps, 128, 128)).astype(np.uint8)
            lit = bar(k, 128, 128, rng) > 100
            counts[0, ::2, lit] += 1
            counts[1, 1::2, lit] += 1
            sample = {"frame_Data": counts, "label": np.array([[k]]), "name": f"sample {i}"}
            savemat(Path(folder) / part / f"{i}.mat", sample, do_compression=True)


def es_ucf101(folder, clips=1, height=48, width=64, groups=GROUPS):
    """`frames/<clip>/frame000001.jpg` and so on, and what becomes of them, `events/<clip>.npz`: a
    bar that trembles.
    """
    rng = np.random.default_rng(3)
    folder = Path(folder)
    for k, name in enumerate(ACTIONS):
        for group in groups:
            for i in range(clips):
                clip = folder / "frames" / f"v_{name}_g{group:02}_c{i + 1:02}"
                clip.mkdir(parents=True)
                for t in range(33):
                    grey = bar(k, height, width, rng, shift=t % 2).astype(np.uint8)
                    Image.fromarray(grey).convert("RGB").save(clip / f"frame{t + 1:06}.jpg")
    convert_videos(folder / "frames", folder / "events", workers=1)


def shd(folder, name="shd", recordings=40, classes=4, spikes=60):
    """`shd_train.h5` and so on, or SSC's, with a validation file: four voices, a second long, and a
    class is where most of its spikes are.
    """
    rng, folder = np.random.default_rng(5), Path(folder)
    folder.mkdir(parents=True)
    sizes = {"train": recordings, "test": 2 * classes} | (
        {"valid": 2 * classes} if name == "ssc" else {}
    )
    for part, n in sizes.items():
        labels = np.arange(n) % classes
        times = (
            np.sort(rng.uniform(0, 1, (n, spikes)), axis=1).astype(np.float16).astype(np.float32)
        )
        times[:, 0], times[:, -1] = 0, 1
        units = (rng.normal(0, 20, (n, spikes)) + 700 * (labels[:, None] + 0.5) / classes).clip(
            0, 699
        )
        everything = Events(
            times=times.ravel(),
            units=units.ravel().astype(np.uint16),
            offsets=np.arange(n + 1) * spikes,
            labels=labels,
            speakers=np.arange(n) // classes % 4 + (10 if part == "test" else 0),
            keys=tuple(f"word {k}" for k in range(classes)),
        )
        write_events(folder / f"{name}_{part}.h5", everything)


def gsc(folder, words=("cat", "dog", "yes"), speakers=(6, 2, 2), takes=2):
    """Google Speech Commands: `<word>/<8 hex>_nohash_<n>.wav`, the two lists by its rule, and the
    noise that is no word.

    A word is two tones, one after the other, under noise; its speaker says how high. Every fifth
    clip is shorter than a second. So many speakers are for training, validation and test; each says
    every word so often.
    """
    rng, folder = np.random.default_rng(4), Path(folder)
    lists = {"train": [], "valid": [], "test": []}
    wanted = dict(zip(lists, speakers, strict=True))
    while any(wanted.values()):
        speaker = f"{rng.integers(2**32):08x}"
        part = which_set(f"{speaker}_nohash_0.wav")
        if not wanted[part]:
            continue
        wanted[part] -= 1
        pitch = rng.uniform(0.8, 1.25)
        for k, word in enumerate(words):
            (folder / word).mkdir(parents=True, exist_ok=True)
            for take in range(takes):
                samples = 16_000 if rng.random() < 0.8 else int(rng.integers(8_000, 16_000))
                t = np.arange(samples) / 16_000
                tone = np.where(t < 0.25, 300 + 250 * k, 1100 - 250 * k) * pitch
                sound = 0.3 * np.sin(2 * np.pi * tone * t) + 0.02 * rng.standard_normal(samples)
                name = f"{word}/{speaker}_nohash_{take}.wav"
                soundfile.write(folder / name, sound, 16_000, subtype="PCM_16")
                lists[part].append(name)
    for part, file in LISTS.items():
        (folder / file).write_text("".join(f"{name}\n" for name in lists[part]))
    (folder / "_background_noise_").mkdir()
    soundfile.write(
        folder / "_background_noise_" / "white_noise.wav", 0.1 * rng.standard_normal(40_000), 16_000
    )
    return lists


def speech_commands_test(folder, words=COMMANDS, takes=(3, 2, 1, 1, 1, 1)):
    """The archive with short sounds: tones of 60 ms, one speaker a number of takes, with two other
    words in `_unknown_`.
    """
    rng, t = np.random.default_rng(5), np.arange(960) / 16_000
    clips = {}
    for k, word in enumerate(words):
        for i, n in enumerate(takes):
            for take in range(n):
                sound = 0.3 * np.sin(2 * np.pi * (300 + 350 * k + 20 * i) * t)
                clips[f"{word}/{i:08x}_nohash_{take}.wav"] = sound + 0.01 * rng.standard_normal(960)
    for word, speaker in (("bed", 0), ("wow", 5)):
        name = f"_unknown_/{word}_{speaker:08x}_nohash_0.wav.wav"
        clips[name] = 0.1 * rng.standard_normal(960)
    clips["_silence_/1024.wav"] = np.zeros(960)
    for name, sound in clips.items():
        (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(Path(folder) / name, sound, 16_000)
    for name in (".DS_Store", "LICENSE", "README.md"):
        (Path(folder) / name).write_bytes(b"no sound")


def mnist(folder, n=330, parts=("t10k",), packed=False):
    """The idx files of MNIST: n pictures a part of a bar that is further down for a larger digit,
    after those that n-mnist is tested on.
    """
    rng = np.random.default_rng(6)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for part in parts:
        n_all = n + RECORDED[part]
        labels = np.arange(n_all, dtype=np.uint8) % 10
        images = np.zeros((n_all, 28, 28), np.uint8)
        for image, k in zip(images, labels, strict=True):
            image[2 * k + 4 : 2 * k + 6, 4 : 24 - rng.integers(5)] = rng.integers(180, 256)
        for kind, array in (("images", images), ("labels", labels)):
            head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            content = head + array.tobytes()
            name = f"{part}-{kind}-idx{array.ndim}-ubyte"
            path = Path(folder) / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)


def n_mnist_file(x, y, t, p):
    """The five bytes of each event of N-MNIST: x, y, then polarity and time, big endian."""
    word = (np.asarray(p, np.int64) << 23) | np.asarray(t, np.int64)
    rows = [np.asarray(x), np.asarray(y), word >> 16, word >> 8 & 255, word & 255]
    return np.stack(rows, 1).astype(np.uint8).tobytes()


def n_mnist(folder, train=16, test=0):
    """`Train/<digit>/<number>.bin` and `Test/...`: events of the same bars, where the camera moves
    up and down for 0.3 s; so many of each digit.
    """
    rng = np.random.default_rng(7)
    for part, n in (("Train", train), ("Test", test)):
        for number in range(1, 10 * n + 1):
            k, events = (number - 1) % 10, 120
            x = rng.integers(6, 28, events)
            on = rng.integers(0, 2, events)
            y = 2 * k + 7 + on + rng.integers(0, 2, events)
            t = np.sort(rng.integers(0, 300_000, events))
            path = Path(folder) / part / str(k) / f"{number:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(n_mnist_file(x, y, t, on))
