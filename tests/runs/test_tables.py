"""Tables: what the seeds of a variant become."""

import io

from rich.console import Console

from snnlab.runs.result import Result
from snnlab.runs.run import UNSTATED
from snnlab.runs.tables import result_table


def entry(variant, seed, accuracy, **more):
    return {"variant": variant, "seed": seed, "test_accuracy": accuracy, **more}


def cells(results, note="made here", **more):
    result = Result(
        1,
        "04_learning_delays",
        "tiny",
        {},
        {},
        {},
        {"name": "n", "note": note},
        results,
        more,
        "",
        "",
    )
    stream = io.StringIO()
    Console(file=stream, width=120).print(result_table(result))
    rows = [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        for line in stream.getvalue().splitlines()
    ]
    return [row for row in rows if len(row) > 1], stream.getvalue()


def test_mean_and_spread_over_the_seeds_of_each_variant():
    rows, text = cells(
        [
            entry("none", 0, 0.40),
            entry("learned", 0, 0.8),
            entry("none", 1, 0.44),
            entry("none", 2, 0.36),
        ]
    )
    assert rows == [
        ["variant", "seeds", "test accuracy (%)"],
        ["none", "3", "40.0 ± 4.0"],  # deviations 0, 4, -4: sqrt(32 / 2)
        ["learned", "1", "80.0"],
    ]
    assert "made here" in text


def test_a_note_that_is_a_sentence_ends_with_one_full_stop():
    _, text = cells([entry("none", 0, 0.4)], note=UNSTATED["note"])
    assert "on which data." in text and ".." not in text


def test_accuracies_stand_alone_and_without_any_all_numbers_stand():
    results = [
        entry("none", s, 0.5, trainable_parameters=3408, curve=[1.0], chosen=True, epoch=s)
        for s in (1, 2)
    ]
    rows, _ = cells(results)
    assert rows == [["variant", "seeds", "test accuracy (%)"], ["none", "2", "50.0"]]
    rows, _ = cells(
        [{name: value for name, value in one.items() if name != "test_accuracy"} for one in results]
    )
    assert rows == [
        ["variant", "seeds", "trainable parameters", "epoch"],
        ["none", "2", "3,408", "1.500 ± 0.707"],
    ]


def test_controls_stand_below_a_line():
    rows, text = cells([entry("none", 0, 0.4)], controls=[entry("none, long tau", 0, 0.5)])
    assert rows[-1] == ["none, long tau", "1", "50.0"]
    assert text.count("├") == 1
