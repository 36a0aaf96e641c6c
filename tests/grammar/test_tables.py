"""The cache of the parse table."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchspec.grammar import tables


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tables.load_tables.cache_clear()
    yield tmp_path / "cache" / "orch"
    tables.load_tables.cache_clear()


def _reload() -> tables.Tables:
    tables.load_tables.cache_clear()
    return tables.load_tables()


def _alike(left: tables.Tables, right: tables.Tables) -> bool:
    """Whether two tables are of one grammar; lark numbers the states differently in each process."""
    return (left.keywords, left.patterns, len(left.actions), sorted(left.rules)) == (
        right.keywords,
        right.patterns,
        len(right.actions),
        sorted(right.rules),
    )


def _file(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def test_the_cache_is_written_for_the_user_alone_and_read_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = _reload()
    assert cache.stat().st_mode & 0o777 == 0o700
    assert _file(cache).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(tables, "_build", lambda grammar: pytest.fail("the cache was not used"))
    assert _alike(_reload(), built)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2", b'{"actions": [{"a": 99999}], "rules": []}', b"\xff"])
def test_a_spoilt_cache_is_built_again_and_written_over(cache: Path, content: bytes) -> None:
    built = _reload()
    _file(cache).write_bytes(content)
    assert _alike(_reload(), built)
    assert json.loads(_file(cache).read_bytes())["actions"]


def test_a_cache_that_others_may_write_to_is_not_read(cache: Path) -> None:
    built = _reload()
    path = _file(cache)
    data = json.loads(path.read_bytes())
    data["keywords"] = {}
    path.write_text(json.dumps(data))
    path.chmod(0o666)
    assert _alike(_reload(), built)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_a_link_in_the_place_of_the_cache_is_not_followed(cache: Path, tmp_path: Path) -> None:
    built = _reload()
    path = _file(cache)
    target = tmp_path / "elsewhere.json"
    target.write_text("{}")
    path.unlink()
    path.symlink_to(target)
    assert _alike(_reload(), built)
    assert target.read_text() == "{}"


def test_where_nothing_can_be_written_the_table_is_built_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert _reload().keywords["step"] == "STEP"
    monkeypatch.undo()
    tables.load_tables.cache_clear()


def test_a_relative_cache_home_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tables.cache_directory() == tmp_path / ".cache" / "orch"


def test_with_a_warm_cache_parsing_imports_no_lark() -> None:
    tables.load_tables()
    script = (
        "import sys; from orchspec.grammar.parser import parse; from orchspec.grammar.source import Source;"
        "parse(Source('a', 'orch 1')); print('lark' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    for _ in range(2):  # the first fills the cache, if nothing has yet
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "False\n"
