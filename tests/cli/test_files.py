import os
import stat

import click
import pytest

from orchspec.cli.common import Misuse
from orchspec.cli.files import NewFile, NewFolder, read_text, write_text


def test_text_is_read_without_its_byte_order_mark(tmp_path):
    path = tmp_path / "a.orch"
    path.write_bytes(b"\xef\xbb\xbforch 1\n")
    assert read_text(str(path)) == "orch 1\n"


def test_what_cannot_be_read_is_misuse_that_says_why(tmp_path, monkeypatch):
    (tmp_path / "briefing.orch").write_text("orch 1\n", "utf-8")
    (tmp_path / "binary.orch").write_bytes(b"orch \xff\xfe")
    (tmp_path / "large.orch").write_bytes(b" " * 101)
    monkeypatch.setattr("orchspec.cli.files._LARGEST_FILE_BYTES", 100)
    for name, words in {
        "breifing.orch": "did you mean briefing.orch?",
        "elsewhere/x.orch": "there is no file",
        ".": "is a folder",
        "binary.orch": "is not UTF-8 (byte 5)",
        "large.orch": "too large",
        "a\0b": "can't be read",
    }.items():
        with pytest.raises(Misuse) as caught:
            read_text(str(tmp_path / name) if name != "a\0b" else name)
        assert words in caught.value.message


def test_writing_keeps_the_mode_and_the_link(tmp_path):
    real = tmp_path / "real.orch"
    real.write_text("old", "utf-8")
    real.chmod(0o640)
    link = tmp_path / "link.orch"
    link.symlink_to(real)
    write_text(str(link), "new\r\n")
    assert real.read_bytes() == b"new\r\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert link.is_symlink()


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.orch"
    path.write_text("old", "utf-8")

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_text(str(path), "new")
    assert [(each.name, each.read_text("utf-8")) for each in tmp_path.iterdir()] == [("a.orch", "old")]


def test_what_cannot_be_written_is_told_by_the_name_that_was_given(tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(OSError, match=r"cannot be written") as caught:
        write_text(str(tmp_path / "file" / "a.json"), "new")
    assert caught.value.filename == str(tmp_path / "file" / "a.json")


def test_folders_on_the_way_to_a_new_file_are_made(tmp_path):
    write_text(str(tmp_path / "out" / "today" / "a.json"), "new")
    assert (tmp_path / "out" / "today" / "a.json").read_text("utf-8") == "new"


def test_a_place_to_write_to_that_cannot_be_one_is_misuse_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", "utf-8")
    assert NewFile().convert(str(tmp_path / "new" / "a.json"), None, None) == str(tmp_path / "new" / "a.json")
    assert NewFolder().convert(str(tmp_path / "new"), None, None) == str(tmp_path / "new")
    for kind, place, words in (
        (NewFile(), tmp_path, "no file to write"),
        (NewFile(), tmp_path / "file" / "a.json", "is a file, expected a folder"),
        (NewFolder(), tmp_path / "file", "is a file, expected a folder"),
    ):
        with pytest.raises(click.BadParameter, match=words):
            kind.convert(str(place), None, None)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(click.BadParameter, match="nothing can be written"):
        NewFile().convert(str(tmp_path / "a.json"), None, None)
