"""wav files to SHD's layout: what comes out, that nothing decides it but files and seed, and every
refusal."""

import csv
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from snnlab._utils import processes
from snnlab._utils.errors import SnnlabError
from snnlab.cli.main import app
from snnlab.data.convert import from_audio
from snnlab.data.datasets.shd import load
from snnlab.data.io.events import read_events, read_meta
from snnlab.data.io.many_files import writing_alone
from snnlab.data.io.wav import read_word, trim

RATE = 8000  # Hz, a telephone's
COLUMNS = ("path", "label", "speaker", "split")


def tone(hertz, seconds=0.1, rate=RATE, silence=0.0):
    t = np.arange(round(seconds * rate)) / rate
    around = np.zeros(round(silence * rate))
    return np.concatenate([around, 0.3 * np.sin(2 * np.pi * hertz * t), around]).astype(np.float32)


def convert(folder, out, **options):
    """The folder of a conversion that left nothing out."""
    outcome = from_audio.convert(folder, out, **options)
    assert not outcome.failed
    return out


def write_table(folder, rows, columns=COLUMNS):
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


ROWS = [
    ("a/1.wav", "two", "Zoë", "train"),
    ("a/2.wav", "one", "Zoë", "train"),
    ("b/1.wav", "two", "Abe", "test"),
    ("a/3.wav", "one", "Bob", "train"),
    ("a/4.wav", "two", "Bob", "train"),
]


def make_words(folder):
    for i, (path, label, *_) in enumerate(ROWS):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(
            os.fsencode(folder / path),
            tone({"one": 400, "two": 1500}[label] + 20 * i),
            RATE,
            format="WAV",
        )
    write_table(folder, ROWS)
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_words(tmp_path / "words")


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """The words through the real cochlea, by one process."""
    root = tmp_path_factory.mktemp("heard")
    return convert(make_words(root / "words"), root / "out", workers=1)


@pytest.fixture
def fast(monkeypatch):
    """A cochlea that answers at once, for what is not about hearing."""

    def hear(sound, rate, *, seed):
        rng = np.random.default_rng(seed)
        return np.sort(rng.random(9)).astype(np.float32) * len(sound) / rate, rng.integers(
            0, 700, 9
        ).astype(np.uint16)

    monkeypatch.setattr("snnlab.data.encoding.cochlea.cochlea", hear)


def test_what_comes_out(heard):
    out = heard
    train, test = read_events(out / "train.h5"), read_events(out / "test.h5")
    assert sorted(path.name for path in out.glob("[!.]*")) == [
        "conversion.json",
        "test.h5",
        "train.h5",
    ]
    assert train.keys == test.keys == ("one", "two")
    assert train.labels.tolist() == [1, 0, 0, 1] and test.labels.tolist() == [1]
    assert train.speakers.tolist() == [2, 2, 1, 1] and test.speakers.tolist() == [0]
    meta = read_meta(out / "train.h5")
    assert meta["speakers"].split("\n") == ["Abe", "Bob", "Zoë"]
    assert (
        meta["note"]
        == "recordings of 3 speakers from words; 1 of 1 test speakers do not occur in training"
    )
    # a tone of 400 Hz is heard nearer the low end (699) than one of 1500 Hz, and lasts 0.1 s
    middle = [np.median(train.units[train.offsets[i] : train.offsets[i + 1]]) for i in range(4)]
    assert min(middle[1], middle[2]) > max(middle[0], middle[3]) + 50
    assert 0.05 < train.times.max() < 0.2
    data = load(out, dt_ms=10, n_in=70)
    assert len(data.train) == len(data.valid) == 2 and data.note.startswith(
        "recordings of 3 speakers from words;"
    )


@pytest.mark.usefixtures("fast")
def test_validation_is_written_where_it_is_given_and_a_stale_one_goes(folder, tmp_path):
    out = tmp_path / "out"
    write_table(folder, [(*ROWS[0][:3], "valid"), *ROWS[1:]])
    assert read_events(convert(folder, out, workers=1) / "valid.h5").labels.tolist() == [1]
    write_table(folder, ROWS)
    convert(folder, out, workers=1)
    assert not (out / "valid.h5").exists()


def test_workers_and_the_other_files_change_nothing(heard, folder, tmp_path):
    write_table(folder, ROWS[2:])
    out = convert(folder, tmp_path / "out", workers=2)
    for split, skipped in (("train", 2), ("test", 0)):
        one, two = read_events(heard / f"{split}.h5"), read_events(out / f"{split}.h5")
        np.testing.assert_array_equal(two.units, one.units[one.offsets[skipped] :])
        np.testing.assert_array_equal(two.times, one.times[one.offsets[skipped] :])


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(
    ("columns", "speakers", "words"),
    [
        (2, None, "recordings from words; test: fold 0 of 5, drawn at random with seed 0; valid"),
        (3, [0, 1, 2] * 5, "of 3 speakers from words; test: the 1 speakers of fold 0 of 3; valid"),
    ],
)
def test_speaker_and_split_may_be_missing(folder, tmp_path, columns, speakers, words):
    """As in a set that `DenseSet.save` wrote, the split is made where the set is read."""
    rows = []
    for i in range(15):
        rows.append((f"{i}.wav", ("one", "two")[i // 3 % 2], "abc"[i % 3]))
        soundfile.write(folder / rows[-1][0], tone(400 + 20 * i), RATE)
    out = tmp_path / "out"
    convert(folder, out, workers=1)
    write_table(folder, [row[:columns] for row in rows], COLUMNS[:columns])
    events = read_events(convert(folder, out, workers=1) / "all.h5")
    assert sorted(path.name for path in out.glob("*.h5")) == ["all.h5"]
    assert (events.speakers if speakers is None else events.speakers.tolist()) == speakers
    assert events.labels.tolist() == [i // 3 % 2 for i in range(15)]
    data = load(out, dt_ms=10, n_in=70)
    assert words in data.note and len(data.train) + len(data.valid) + len(data.test) == 15
    write_table(folder, ROWS)
    convert(folder, out, workers=1)
    assert sorted(path.name for path in out.glob("*.h5")) == ["test.h5", "train.h5"]


def test_a_misspelt_column_is_refused(folder, tmp_path):
    write_table(folder, ROWS, columns=("path", "label", "speaker", "Splits"))
    refused(folder, tmp_path, "line 1: a column is called splits; split was expected. Name it so")


@pytest.mark.usefixtures("fast")
def test_every_recording_has_its_own_spikes_and_chance(folder, tmp_path):
    from snnlab.data.encoding.cochlea import cochlea  # the fast one

    splits = ("test", "train", "valid", "test", "train")
    write_table(
        folder,
        [
            (*row[:2], str(i), split)
            for i, (row, split) in enumerate(zip(ROWS, splits, strict=True))
        ],
    )
    out, seeds = convert(folder, tmp_path / "out", workers=1), set()
    for split in ("train", "valid", "test"):
        events = read_events(out / f"{split}.h5")
        part = [row for row in from_audio.read_labels(folder) if row.split == split]
        assert [events.keys[label] for label in events.labels] == [row.label for row in part]
        assert [str(who) for who in events.speakers] == [row.speaker for row in part]
        for i, row in enumerate(part):
            seed = from_audio._job(row, 0).seed
            times, units = cochlea(*read_word(row.file), seed=seed)
            cut = slice(events.offsets[i], events.offsets[i + 1])
            np.testing.assert_array_equal(events.units[cut], units)
            np.testing.assert_allclose(events.times[cut], times, rtol=1e-3)
            seeds.add(seed)
    assert len(seeds) == 5


@pytest.mark.usefixtures("fast")
def test_the_seed_decides(folder, tmp_path):
    one, same, other = (
        read_events(convert(folder, tmp_path / str(i), workers=1, seed=seed) / "train.h5").units
        for i, seed in enumerate((0, 0, 1))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.usefixtures("fast")
def test_labels_that_are_numbers_are_in_the_order_of_numbers(folder, tmp_path):
    rows = [(path, {"one": "10", "two": "9"}[label], "x", split) for path, label, _, split in ROWS]
    write_table(folder, rows)
    assert read_events(convert(folder, tmp_path / "out", workers=1) / "train.h5").keys == (
        "9",
        "10",
    )


def test_a_killed_run_goes_on(folder, tmp_path, monkeypatch):
    """SIGKILL while encoding: no file of the set is there; the second run keeps the finished
    chunk, and ends alike."""
    for i in range(processes.CHUNK + 5):
        soundfile.write(folder / f"{i}.wav", tone(300 + 50 * i), RATE)
    write_table(
        folder, [*ROWS, *((f"{i}.wav", "one", "x", "train") for i in range(processes.CHUNK + 5))]
    )
    out = tmp_path / "out"
    script = f"""if True:
        import os, signal
        import numpy as np
        import snnlab.data.encoding.cochlea as module
        from snnlab.data.convert.from_audio import convert

        def hear(sound, rate, *, seed):
            hear.calls += 1
            if hear.calls == {processes.CHUNK + 3}:
                os.kill(os.getpid(), signal.SIGKILL)
            return np.array([0.1, 0.2], np.float32), np.array([seed % 700, 0], np.uint16)

        hear.calls, module.cochlea = 0, hear
        convert({str(folder)!r}, {str(out)!r}, workers=1)
    """
    run = subprocess.run(
        [sys.executable, "-c", script], check=False, stderr=subprocess.DEVNULL, timeout=300
    )
    assert run.returncode == -signal.SIGKILL
    assert sorted(path.name for path in out.iterdir()) == [
        ".partial",
        ".writing.lock",
        "conversion.json",
    ]
    heard = []

    def hear(sound, rate, *, seed):
        heard.append(seed)
        return np.array([0.1, 0.2], np.float32), np.array([seed % 700, 0], np.uint16)

    monkeypatch.setattr("snnlab.data.encoding.cochlea.cochlea", hear)
    convert(folder, out, workers=1)
    assert len(heard) == 10  # of CHUNK + 10 recordings, those not finished
    convert(folder, tmp_path / "again", workers=1)
    assert (out / "train.h5").read_bytes() == (tmp_path / "again" / "train.h5").read_bytes()


@pytest.mark.usefixtures("fast")
def test_an_edited_file_is_encoded_again(folder):
    row = from_audio.read_labels(folder)[0]
    before = from_audio._job(row, 0)
    soundfile.write(row.file, tone(500), RATE)  # as long as before
    os.utime(row.file, ns=(0, before.changed + 1))
    assert from_audio._job(row, 0) != before


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_trimming(rate):
    word = tone(400, seconds=0.2, rate=rate, silence=0.5)
    noise = np.random.default_rng(0).normal(0, 1e-4, len(word)).astype(np.float32)
    for sound in (word, word + noise, word + 0.1):  # clean, noisy, with an offset of the sound card
        kept = trim(sound, rate)
        assert 0.2 <= len(kept) / rate <= 0.245  # whole frames of 20 ms
    assert (
        len(trim(np.full(1000, 0.5), rate))
        == len(trim(noise * 0.1, rate))
        == len(trim(np.zeros(0), rate))
        == 0
    )


def test_trimming_keeps_what_is_quiet_inside_and_down_to_40_db_outside():
    parts = [
        tone(400, 0.1),
        np.zeros(RATE // 2, np.float32),
        0.02 * tone(400, 0.1),
        0.005 * tone(400, 0.1),
    ]
    assert len(trim(np.concatenate(parts), RATE)) == round(0.7 * RATE)


def test_telephone_encodings_are_read(tmp_path):
    for subtype in ("ULAW", "ALAW", "GSM610", "PCM_U8", "PCM_24", "FLOAT"):
        soundfile.write(tmp_path / "x.wav", tone(400, 0.2), RATE, subtype=subtype)
        sound, rate = read_word(tmp_path / "x.wav")
        assert rate == RATE and 0.18 < len(sound) / RATE < 0.26


def rows_with(**changes):
    return [tuple(changes.get(name, value) for name, value in zip(COLUMNS, ROWS[2], strict=True))]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (rows_with(split="dev"), "line 6: split is 'dev'; train, valid or test"),
        (
            rows_with(path="b/none.wav"),
            "line 6: b/none.wav: there is no such file; a path relative to",
        ),
        (
            rows_with(path="a/../a/1.wav"),
            r"line 6: a/../a/1.wav is already on line 2; each file .* once",
        ),
        (
            rows_with(label="three"),
            r"line 6: the label 'three' of b/1.wav \(test\) does not occur in training",
        ),
        (rows_with(speaker=" "), "line 6: speaker is empty"),
        (rows_with(split="train"), "no line has the split test"),
        ([("b/1.wav", "two")], "line 6: speaker is empty"),
        ([(*ROWS[2], "loud, clear")], "line 6: has more cells than the 4 columns"),
    ],
)
def test_tables_that_are_refused(folder, tmp_path, rows, words):
    write_table(folder, [row for row in ROWS if row is not ROWS[2]] + rows)
    refused(folder, tmp_path, words)


def test_files_that_are_no_table(folder, tmp_path):
    write_table(folder, ROWS, columns=("path", "word", "who", "split"))
    refused(
        folder, tmp_path, "line 1: the column label is missing; .* and path,word,who,split found"
    )
    (folder / "labels.csv").write_text("path;label;speaker;split\na/1.wav;two;x;train\n")
    refused(folder, tmp_path, "the column path is missing.*commas between")
    (folder / "labels.csv").write_text("")
    refused(folder, tmp_path, "the column path is missing; .*nothing found")
    (folder / "labels.csv").write_bytes(b"path,label,speaker,split\na/1.wav,f\xfcnf,x,train\n")
    refused(folder, tmp_path, "cannot be read as a table.*CSV UTF-8")
    write_table(folder, [row for row in ROWS if row[3] == "test"])
    refused(folder, tmp_path, "no line has the split train")
    (folder / "labels.csv").unlink()
    refused(
        folder,
        tmp_path,
        "labels.csv: there is no such file; a table with the columns path, label, and per",
    )


@pytest.mark.usefixtures("fast")
def test_a_spreadsheets_table_is_read(folder, tmp_path):
    text = "\ufeffsplit, path ,comment,label,speaker\r\n" + "".join(
        f"{split}, {path},,{label},{speaker}\r\n\r\n" for path, label, speaker, split in ROWS
    )
    (folder / "labels.csv").write_bytes(text.encode())
    assert read_events(
        convert(folder, tmp_path / "out", workers=1) / "train.h5"
    ).labels.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (np.zeros(8000), "is silent; a spoken word"),
        (np.full(8000, 0.2), "is silent"),
        (np.full(1, 0.5), "holds 0 ms of sound; at least 50 ms"),
        (np.zeros(0), "holds no samples; a spoken word"),
        (np.stack([tone(400)] * 2, axis=1), "has 2 channels; one was expected"),
        (tone(400, seconds=5.2), r"lasts 5.2 s; one word of at most 5 s"),
        (tone(400, seconds=0.03, silence=0.5), r"holds \d+ ms of sound; at least 50 ms"),
        (
            np.where(np.arange(8000) == 99, np.nan, tone(400, 1)),
            "has samples that are NaN or infinite",
        ),
    ],
)
def test_sounds_that_are_refused(folder, tmp_path, sound, words):
    soundfile.write(folder / "b/1.wav", sound, RATE, subtype="FLOAT")
    refused(folder, tmp_path, "labels.csv, line 4: b/1.wav " + words)


def test_a_folder_is_not_called_a_missing_file(folder, tmp_path):
    (folder / "b/1.wav").unlink()
    (folder / "b/1.wav").mkdir()
    refused(folder, tmp_path, "labels.csv, line 4: b/1.wav is a folder; a wav file was expected")
    (folder / "labels.csv").unlink()
    (folder / "labels.csv").mkdir()
    refused(folder, tmp_path, "labels.csv is a folder; a table with the columns")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda b: b[: len(b) // 2],
            r"is cut short \(\d[\d,]* of [\d,]+ bytes\); a whole wav file",
        ),
        (lambda b: b[:-2], "is cut short"),
        (
            lambda b: b[:24] + (1).to_bytes(4, "little") + b[28:],
            "has a sample rate of 1 Hz; 4,000 to 384,000 Hz",
        ),
        (
            lambda b: b[:24] + (10**9).to_bytes(4, "little") + b[28:],
            "has a sample rate of 1,000,000,000 Hz",
        ),
        (lambda b: b[:-4] + np.float32(1e30).tobytes(), r"has samples up to 1e\+30; at most 10"),
        (lambda b: b[:-4] + np.float32(np.inf).tobytes(), "has samples that are NaN or infinite"),
    ],
)
def test_headers_and_samples_that_are_no_sound(folder, tmp_path, damage, words):
    soundfile.write(folder / "b/1.wav", tone(400), RATE, subtype="FLOAT")
    content = (folder / "b/1.wav").read_bytes()
    assert content[12:16] == b"fmt "
    (folder / "b/1.wav").write_bytes(damage(content))
    refused(folder, tmp_path, "labels.csv, line 4: b/1.wav " + words)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"format": "WAVEX"},
        {"format": "RF64"},
        {"format": "W64"},
        {"endian": "BIG"},
        {"subtype": "GSM610"},
    ],
)
def test_every_kind_of_wav_that_is_cut_short(tmp_path, options):
    file = tmp_path / "x.wav"
    soundfile.write(file, tone(400, 0.2), RATE, **{"format": "WAV", **options})
    content = file.read_bytes()
    assert len(read_word(file)[0]) > 0.18 * RATE
    file.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(SnnlabError, match="is cut short"):
        read_word(file)


def test_a_wav_out_of_a_pipe_has_no_size_to_compare_and_what_follows_the_sound_may_be_cut(tmp_path):
    file = tmp_path / "x.wav"
    soundfile.write(file, tone(400, 0.2), RATE)
    content = file.read_bytes()
    assert content[36:40] == b"data"
    for size in (0x7FFFF000, 0xFFFFFFFF):  # of sox and of ffmpeg
        file.write_bytes(content[:40] + size.to_bytes(4, "little") + content[44:])
        assert len(read_word(file)[0]) > 0.18 * RATE
    longer = (len(content) + 100).to_bytes(4, "little")
    file.write_bytes(content[:4] + longer + content[8:] + b"LIST" + (100).to_bytes(4, "little"))
    assert len(read_word(file)[0]) > 0.18 * RATE


def many(folder, n=6):
    """More recordings, so that some may be bad."""
    rows = [*ROWS, *((f"c/{i}.wav", "one", "Cid", "train") for i in range(n))]
    (folder / "c").mkdir()
    for i in range(n):
        soundfile.write(folder / f"c/{i}.wav", tone(300 + i), RATE)
    write_table(folder, rows)
    return rows


@pytest.mark.usefixtures("fast")
def test_bad_recordings_are_left_out_and_listed(folder, tmp_path):
    many(folder)
    (folder / "c/1.wav").write_bytes(b"no sound")
    (folder / "c/3.wav").unlink()
    soundfile.write(folder / "c/4.wav", np.zeros(800), RATE)
    outcome = from_audio.convert(folder, tmp_path / "out", workers=1)
    assert outcome.written == 8 and [path.name for path, _ in outcome.failed] == [
        "1.wav",
        "3.wav",
        "4.wav",
    ]
    text = str(outcome)
    for words in (
        "line 8: c/1.wav cannot be read",
        "line 10: c/3.wav: there is no such file",
        "line 11: c/4.wav is silent",
    ):
        assert words in text
    assert len(read_events(tmp_path / "out/train.h5")) == 7
    with outcome.report.open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["what", "failed", "failed", "failed"]
    many_good = [
        row for row in many_rows(folder) if row[0] not in ("c/1.wav", "c/3.wav", "c/4.wav")
    ]
    write_table(folder, many_good)
    convert(folder, tmp_path / "out", workers=1)
    assert not outcome.report.exists()  # nothing is left out now


def many_rows(folder):
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_bad_recordings_of_which_the_rest_is_not_enough_are_all_named(folder, tmp_path):
    many(folder)
    for path in ("b/1.wav", "c/2.wav"):
        (folder / path).write_bytes(b"")
    with pytest.raises(
        SnnlabError, match="2 of 11 recordings cannot be used.*no line has the split test"
    ) as caught:
        convert(folder, tmp_path / "out", workers=1)
    assert "line 4: b/1.wav cannot" in str(caught.value) and "line 9: c/2.wav cannot" in str(
        caught.value
    )
    assert not (tmp_path / "out").exists()


def test_the_command_goes_on_after_a_bad_recording_with_code_1(folder, tmp_path):
    many(folder)
    (folder / "c/1.wav").write_bytes(b"no sound")
    call = ["data", "from-audio", str(folder), str(tmp_path / "out"), "--workers", "1"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 1 and "line 8: c/1.wav cannot be read" in done.stderr, done.output
    assert "10 converted, 0 there already, 0 dropped, 1 failed" in done.stderr
    (folder / "b/1.wav").unlink()
    done = CliRunner().invoke(app, call)
    assert (
        done.exit_code == 2
        and "no line has the split test" in done.stderr
        and "line 4: b/1.wav" in done.stderr
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label", "Zoe\u0308", "the names 'Zo\u0308?.*' and '.*' of a label look alike"),
        ("label", "o\nne", r"the name 'o\\nne' of a label has the character '\\n'; printable"),
        ("speaker", "A  b", "of a speaker look alike"),
        ("label", "01", "the same number is written in two ways as a label, among 01, 1"),
    ],
)
def test_names_that_cannot_be_told_apart(folder, tmp_path, name, value, words):
    other = {"Zoe\u0308": "Zo\u00eb", "o\nne": "one", "A  b": "A b", "01": "1"}[value]
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    write_table(
        folder,
        [tuple((row | {name: other if i else value}).values()) for i, row in enumerate(rows)],
    )
    refused(folder, tmp_path, words)


@pytest.mark.usefixtures("fast")
def test_a_folder_of_other_files_is_not_written_to(folder, tmp_path):
    out = convert(folder, tmp_path / "out", workers=1)
    before = (out / "train.h5").read_bytes()
    with pytest.raises(
        SnnlabError, match="out holds files made with .*'seed': 0.*'seed': 1.* was expected"
    ):
        convert(folder, out, workers=1, seed=1)
    (out / "conversion.json").unlink()
    with pytest.raises(
        SnnlabError, match="train.h5: would be replaced, and was not made by such a call"
    ):
        convert(folder, out, workers=1)
    assert (out / "train.h5").read_bytes() == before


@pytest.mark.usefixtures("fast")
def test_two_calls_do_not_write_to_one_folder(folder, tmp_path):
    with (
        writing_alone(tmp_path / "out"),
        pytest.raises(SnnlabError, match="out: another call .* writes there; one"),
    ):
        convert(folder, tmp_path / "out", workers=1)
    convert(folder, tmp_path / "out", workers=1)


def test_a_folder_whose_name_is_no_utf8(tmp_path):
    """Real bytes: the sound is read, and the note of the data set still is text."""
    name = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        name.mkdir()
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    make_words(name)
    env = os.environ | {"PYTHONUTF8": "1"}
    script = """if True:
        import sys
        import numpy as np
        import snnlab.data.encoding.cochlea as module
        from snnlab.cli.main import app

        times = np.array([0.1], np.float32)
        module.cochlea = lambda *_, seed: (times, np.array([seed % 700], np.uint16))
        arguments = [sys.argv[1], sys.argv[1] + "/out", "--workers", "1"]
        app(["data", "from-audio", *arguments], standalone_mode=False)
        app(["data", "info", sys.argv[1] + "/out"])
    """
    done = subprocess.run(
        [sys.executable, "-c", script, name], env=env, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0 and b"recordings" in done.stdout, done.stderr
    assert read_meta(name / "out/train.h5")["note"].startswith(
        r"recordings of 3 speakers from caf\udce9;"
    )
    assert r"caf\udce9" in load(name / "out", dt_ms=10, n_in=70).note


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a sound at all" * 100])
def test_files_that_are_no_wav(folder, tmp_path, content):
    (folder / "b/1.wav").write_bytes(content)
    refused(folder, tmp_path, "line 4: b/1.wav cannot be read as sound.*a wav file was expected")


def test_another_format_of_sound(folder, tmp_path):
    soundfile.write(folder / "b/1.wav", tone(400), RATE, format="FLAC")
    refused(folder, tmp_path, "line 4: b/1.wav is FLAC.*; a wav file was expected")


def refused(folder, tmp_path, words):
    """One sentence, nothing written, and no sound encoded before."""
    with pytest.raises(SnnlabError, match=words) as caught:
        convert(folder, tmp_path / "out", workers=1)
    assert str(folder) in str(caught.value) and "expected" in str(caught.value)
    assert "cannot be used" in str(caught.value) or "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_other_refusals(folder, tmp_path):
    with pytest.raises(SnnlabError, match="max_seconds is 0"):
        convert(folder, tmp_path / "out", workers=1, max_seconds=0)
    with pytest.raises(SnnlabError, match="workers = 0"):
        convert(folder, tmp_path / "out", workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(SnnlabError, match=r"file/out: cannot be made"):
        convert(folder, tmp_path / "file" / "out", workers=1)
    with pytest.raises(SnnlabError, match=r"lasts 0.1 s; one word of at most 0.08 s"):
        convert(folder, tmp_path / "out", workers=1, max_seconds=0.08)


def test_a_sound_that_nobody_hears(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "snnlab.data.encoding.cochlea.cochlea",
        lambda *_, seed: (np.zeros(0, np.float32), np.zeros(0, np.uint16)),
    )
    with pytest.raises(SnnlabError, match=f"{os.sep}1.wav gives no spike"):
        convert(folder, tmp_path / "out", workers=1)
