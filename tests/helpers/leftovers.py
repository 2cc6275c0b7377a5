"""What every run of a notebook leaves, for the tests that run one."""

from snnlab.runs import publish
from snnlab.runs.result import load_result


def checked(folder, path):
    """The result of a run of the notebook `path`; its figures are there twice, and all pictures of
    its HTML have words.
    """
    result = load_result(folder)
    assert result.notebook == path.stem and result.results
    figures = {figure.name for figure in (folder / "figures").iterdir()}
    assert (
        any(name.endswith(".png") for name in figures)
        and {name[:-3] + "svg" for name in figures} <= figures
    )
    html = publish.write_html(folder / path.name).read_text(encoding="utf-8")
    assert "<img" in html and "No description has been provided" not in html
    return result
