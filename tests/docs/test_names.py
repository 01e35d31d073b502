"""What the docs name is there: files, config keys, commands, targets, modules, flags."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.docs_pages import REPOSITORY, Page, pages

from pipeline.cli import build_parser
from pipeline.config.reader import key_paths, load
from pipeline.config.sections import Config

FOLDERS = ("contract", "datasets", "components", "leaderboard", "pipeline", "serving", "kubernetes",
           "benchmarks", "docs", "requirements", "tests", "tools")  # fmt: skip
PATH = re.compile(rf"(?<![\w/.$-])(?:{'|'.join(FOLDERS)})/[\w./-]*[\w/]")
SECTIONS = {path.split(".")[0] for path, _ in key_paths() if "." in path}
MADE = ("benchmarks/out", "leaderboard/PROTOCOL")  # by commands, not by the repository
BY_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@BY_PAGE
def test_every_file_named_is_there(page: Page) -> None:
    code = [*page.code, *(block.text for block in page.blocks)]
    named = {path for text in code for path in PATH.findall(text) if not path.startswith(MADE)}
    assert {path for path in named if not (REPOSITORY / path).exists()} == set()


@BY_PAGE
def test_every_config_key_named_is_one(page: Page) -> None:
    keys = {path for path, _ in key_paths()}
    named = {found for text in page.code for found in re.findall(r"^(\w+\.\w+)(?![\w(/])", text)}
    unknown = {key for key in named if key.split(".")[0] in SECTIONS and key not in keys}
    assert {key for key in unknown if not key.endswith((".py", ".md", ".json", ".yaml"))} == set()


def commands(page: Page) -> Iterator[list[str]]:
    """Words of each command line in the page's shell blocks, without assignments and what follows it.

    Of what --help says, the examples.
    """
    for block in page.blocks:
        if block.language == "text" and "\nexample" in block.text:
            examples = block.text[block.text.index("\nexample") :]
            yield from (shlex.split(line) for line in re.findall(r"^  (marquee .*)$", examples, re.MULTILINE))
        if block.language != "sh":
            continue
        text = re.sub(r"<<'?(\w+)'?.*?^\1$", "", block.text, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"<([^>\n]*)>", r"\1", text).replace("\\\n", " ")
        for words in logical_lines(text):
            while words and re.match(r"\w+=", words[0]):
                words = words[1:]
            for end in ("&", "|", ">", ";"):
                words = words[: words.index(end)] if end in words else words
            if words:
                yield words


def logical_lines(text: str) -> Iterator[list[str]]:
    """The words of each line; a quote that is open at its end takes in the next."""
    pending = ""
    for line in text.splitlines():
        pending += f"{line}\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # no closing quotation yet
            continue
        pending = ""
        yield words
    assert not pending, f"a quote is never closed: {pending}"


@BY_PAGE
def test_every_marquee_command_is_one_that_the_parser_takes(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in commands(page):
        if Path(words[0]).name != "marquee":
            continue
        try:
            args = build_parser().parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"{' '.join(words)}: {capsys.readouterr().err}")
        shipped = getattr(args, "config", None) in (None, "sample", "shop", "large", "reference")
        if shipped and getattr(args, "overrides", None):
            load(args.config, args.overrides)


@BY_PAGE
def test_every_target_module_and_script_is_there(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    inline = [text.split() for text in page.code if text.startswith(("make ", "python -m "))]
    for words in (*commands(page), *inline):
        if words[0] == "make":
            assert words[1] in targets, words
        elif Path(words[0]).name == "python" and words[1] == "-m":
            assert importlib.util.find_spec(words[2]), words
        elif Path(words[0]).name == "python":
            assert (REPOSITORY / words[1]).is_file(), words


@BY_PAGE
def test_every_flag_of_the_model_server_is_one(page: Page) -> None:
    from serving.model_server.process.options import FLAGS, NOT_HONOURED

    flags = {field.name for field in FLAGS} | set(NOT_HONOURED)
    for words in commands(page):
        if "serving.model_server" in words:
            named = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
            assert named <= flags


@BY_PAGE
def test_every_config_in_a_block_is_valid(page: Page, tmp_path: Path) -> None:
    """A block that is indented belongs into `example_gen`, as its page says."""
    for number, block in enumerate(block for block in page.blocks if block.language == "yaml"):
        text = (
            f"example_gen:\n  columns: {{user: u, item: i}}\n{block.text}"
            if block.text[0] == " "
            else block.text
        )
        values = yaml.safe_load(
            re.sub(r"^  columns: \{user: u.*\n(?=(.*\n)*  columns:)", "", text, flags=re.MULTILINE)
        )
        assert set(values) <= set(Config.model_fields), (page.name, set(values))
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(values))
        load(file)


def test_what_is_not_there_is_noticed() -> None:
    page = Page(REPOSITORY / "README.md")
    page.text = page.prose = "`components/no/such.py`, `trainer.epoch`, `make nothing`\n"
    for test in (
        test_every_file_named_is_there,
        test_every_config_key_named_is_one,
        test_every_target_module_and_script_is_there,
    ):
        with pytest.raises(AssertionError):
            test(page)
