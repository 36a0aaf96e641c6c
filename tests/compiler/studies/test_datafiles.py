"""Data files beside a spec: which columns are taken, and which files are refused."""

import pytest

from orchspec.compiler import compile_text
from tests.compiler.studies.spec import PRELUDE, found, plan_of, scenario


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "times.csv").write_text("WHEN,seconds,word\n2023-11-16 18:15:46.6805900,1.5,a\n", "utf-8")
    (tmp_path / "data" / "empty.csv").write_text("seconds\n", "utf-8")
    (tmp_path / "data" / "bytes.csv").write_bytes(b"seconds\n\xff\xfe\n")
    return tmp_path


def test_columns_of_files_beside_the_spec_are_taken(folder):
    plan = plan_of(
        'profile ann { latency = empirical("data/times.csv", seconds) }'
        + scenario('arrivals = trace("data/times.csv", "WHEN")'),
        folder,
    )
    assert plan.profiles["ann"].latency == ["empirical", "data/times.csv", "seconds"]
    assert plan.scenarios[0].arrivals == ["trace", "data/times.csv", "WHEN"]


@pytest.mark.parametrize(
    ("file", "column", "said"),
    [
        ("data/none.csv", "seconds", "no file"),
        ("data/times.csv", "second", 'did you mean "seconds"'),
        ("data/times.csv", "word", "not a number"),
        ("data/times.csv", "WHEN", "not a number"),
        ("data/empty.csv", "seconds", "no rows"),
        ("data/bytes.csv", "seconds", "not UTF-8"),
        ("../times.csv", "seconds", "outside"),
        ("/etc/passwd", "seconds", "outside"),
        ("C:\\\\times.csv", "seconds", "outside"),
        ("data", "seconds", "no file"),
    ],
)
def test_a_data_file_that_cannot_be_used_is_refused(folder, file, column, said):
    compiled = compile_text(
        PRELUDE + f'profile ann {{ latency = empirical("{file}", {column}) }}', "spec.orch", folder=folder
    )
    errors = [each for each in compiled.diagnostics if each.severity == "error"]
    assert [each.code.id for each in errors] == ["E0904"]
    assert said in errors[0].message


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("seconds\n1\n", "utf-8")
    (folder / "link.csv").symlink_to(outside)
    assert found('profile ann { latency = empirical("link.csv", seconds) }', folder) == [
        ("E0904", 'empirical("link.csv", seconds)')
    ]


def test_a_text_without_a_folder_has_no_data_files():
    assert [code for code, _ in found('profile ann { latency = empirical("a.csv", b) }')] == ["E0904"]
