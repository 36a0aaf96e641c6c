"""What a user gets: a wheel that is whole, and works in an empty environment outside of the checkout."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def run(*command, cwd, **settings):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, **settings)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel made from the source distribution, so that both are whole."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of commands of a new environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_every_file_of_the_linked_parts(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = run("git", "ls-files", "grammar", "compiler", "runtime", "simulator", "specs", cwd=ROOT).splitlines()
    expected = {f"orchspec/{name}" for name in tracked} | {"orchspec/py.typed", "orchspec/cli/__init__.py"}
    assert expected - packed == set()


def test_the_wheel_puts_nothing_outside_of_its_package(wheel):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"orchspec"}


def test_the_installed_command_names_its_version(installed, tmp_path):
    import orchspec

    assert run(installed / "orch", "--version", cwd=tmp_path).strip() == f"orch {orchspec.__version__}"


def test_the_installed_command_gives_the_demo(installed, tmp_path):
    run(installed / "orch", "demo", "--out", tmp_path / "demo", cwd=tmp_path, timeout=300)
    assert list((tmp_path / "demo").glob("*.html"))
