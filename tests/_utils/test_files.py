"""Files."""

from snnlab._utils.files import stamp


def test_a_stamp_changes_with_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("a")
    first = stamp(path)
    path.write_text("bc")
    assert stamp(path) != first and stamp(str(path)) == stamp(path)
