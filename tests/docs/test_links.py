"""The links in README, pages and notebooks lead somewhere, and the project has one address."""

import re
import tomllib
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(path for path in ROOT.glob("notebooks/**/*.ipynb") if "/." not in path.as_posix()),
]
TEXTS = [*PAGES, ROOT / "CITATION.cff"]
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?([^\s)>]*)>?\)|\b(?:href|src)=\"([^\"]*)\"")
IN_A_BROWSER = r"https://(colab\.research\.google\.com/github|mybinder\.org/v2/gh)"
URL = re.compile(r"[a-zA-Z+]+://[^\s)\"'`>\\\]},]+")
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


@cache
def text(path):
    """A page's text; of a notebook its Markdown cells."""
    if path.suffix != ".ipynb":
        return path.read_text("utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@cache
def anchors(path):
    """The anchors of a page: JupyterLab's, which the site has, and those of code hosts."""
    titles = re.findall(r"^#{1,6} +(.+?) *$", text(path), re.MULTILINE)
    hosts = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    own = set(re.findall(r"\bid=\"([^\"]+)\"", text(path)))
    return own | hosts | {title.replace("`", "").replace(" ", "-") for title in titles}


def broken(source, page):
    """The links of a page that lead nowhere."""
    links = ["".join(groups) for groups in LINK.findall(CODE.sub("", source))]
    return [link for link in links if not leads_somewhere(unescape(link), page)]


def leads_somewhere(link, page):
    parts = urlsplit(link)
    if parts.scheme:  # an external address; nobody asks for it here
        return parts.scheme in ("https", "data") and (
            parts.scheme == "data" or bool(HOST.fullmatch(parts.netloc))
        )
    if not link:  # `[](page.md)` has a target; `[text]()` has none
        return False
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not parts.fragment or unquote(parts.fragment) in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page):
    assert not broken(text(page), page)


@pytest.mark.parametrize(
    "link",
    [
        "[a](docs/nowhere.md)",
        "[a](docs/results.md#Sped)",
        "[a](#No-such-title)",
        "[a](../elsewhere.md)",
        "[a]()",
        "[a](http://example.org)",
        "[a](https://example)",
        '<a href="docs/nowhere.md">a</a>',
    ],
)
def test_a_broken_link_is_found(link):
    assert broken(f"Text, {link} and more.", ROOT / "README.md")


def test_a_good_link_is_none_of_them():
    source = "[`a`](docs/results.md#Speed), [b](https://example.org/a_b), [c](#Read-on), `x[1](2)`"
    assert not broken(source, ROOT / "README.md")


def test_the_readme_is_short():
    assert len(text(ROOT / "README.md").splitlines()) <= 120


def test_the_readme_begins_with_the_two_commands_and_all_are_in_the_makefile():
    commands = re.compile(r"(?:`|run: |\"|^)make ([a-z][\w-]*)", re.MULTILINE)
    block = text(ROOT / "README.md").split("```")[1]
    assert commands.findall(block) == ["tutorial", "test"]
    targets = re.findall(r"^([a-z][\w-]*):", text(ROOT / "Makefile"), re.MULTILINE)
    code = [code for page in PAGES for code in CODE.findall(text(page))]
    code += [
        text(file)
        for name in ("github/workflows", "devcontainer")
        for file in ROOT.glob(f".{name}/*")
    ]
    used = {name for part in code for name in commands.findall(part)}
    assert {"lint", "test", "tutorial"} <= used <= set(targets)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_placeholder_and_one_spelling_of_the_address(page):
    source = text(page)
    assert not re.findall(r"<[^<>\n]*\b(?:this|your|repo\w*|owner)\b[^<>\n]*>", source)
    assert not re.findall(r"\b(?:OWNER|USER(?:NAME)?|ORG)/\w+|TODO|FIXME|example\.com", source)
    repository = ADDRESS["Repository"]
    own = [url for url in URL.findall(source) if "snnlab" in url.lower()]
    assert not [
        url
        for url in own
        if not re.match(rf"{re.escape(repository)}(\.git)?([/#?]|$)", url)
        and not re.match(rf"{IN_A_BROWSER}/{repository.partition('.com/')[2]}/", url)
    ]


def test_the_address_stands_once_in_pyproject():
    assert all(url.startswith(ADDRESS["Repository"]) for url in ADDRESS.values())
