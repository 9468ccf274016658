"""Wheel, sdist, editable install and bare checkout: each runs a command and a hook, and finds its schemas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("schemas", "policies", "hooks", "templates")
NOT_SOURCE = shutil.ignore_patterns(".*venv*", ".git", "__pycache__", ".*_cache", ".hypothesis", "dist", "build")
FIND = "from githarness import resources; print(resources.read('schemas', 'error.schema.json').decode()[:1])"


def _run(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _build(source: Path, kind: str) -> Path:
    """What PEP 517's hook `build_KIND` of the backend makes of a tree, in the tree's `dist`."""
    made = _run(sys.executable, "-c", f"from hatchling import build; print(build.build_{kind}('dist'))", cwd=source)
    return source / "dist" / made.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, with a virtual environment that must not reach the sdist."""
    folder = tmp_path_factory.mktemp("w") / "source"
    shutil.copytree(ROOT, folder, ignore=NOT_SOURCE)
    shutil.copytree(folder / "docs", folder / ".venv" / "docs")
    return folder


@pytest.fixture(scope="module")
def sdist(source: Path) -> Path:
    return _build(source, "sdist")


@pytest.fixture(scope="module")
def wheels(source: Path, sdist: Path) -> dict[str, Path]:
    """Three wheels: of the tree, of the unpacked sdist, and the one by which pip makes an editable install."""
    shutil.unpack_archive(sdist, source.parent)
    unpacked = source.parent / sdist.name.removesuffix(".tar.gz")
    editable = shutil.copytree(source, source.parent / "editable")
    trees = {"wheel": (source, "wheel"), "sdist": (unpacked, "wheel"), "editable": (editable, "editable")}
    return {kind: _build(*how) for kind, how in trees.items()}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without githarness; the dependencies come from this one's site-packages, appended at the end."""
    place = tmp_path_factory.mktemp("e") / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    return place


def _site(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))


def _install(environment: Path, wheel: Path) -> None:
    borrowed = _site(environment) / "dependencies.pth"
    borrowed.unlink(missing_ok=True)
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=environment)
    borrowed.write_text(f"{sysconfig.get_path('purelib')}\n")


def _works(environment: Path, cwd: Path) -> None:
    scripts = environment / "bin"
    assert _run(scripts / "githarness", "--version", cwd=cwd).startswith("githarness ")
    assert "usage: githarness-hook" in _run(scripts / "githarness-hook", "--help", cwd=cwd)
    assert _run(scripts / "python", "-c", FIND, cwd=cwd) == "{\n"


def test_the_wheel_has_the_data_and_only_the_package(wheels: dict[str, Path]) -> None:
    """Schemas, policies, hooks and templates are in `githarness/_data`, tests are not there at all."""
    names = zipfile.ZipFile(wheels["wheel"]).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"githarness"}
    for kind in SHIPPED:
        shipped = {name.rpartition("/")[2] for name in names if name.startswith(f"githarness/_data/{kind}/")}
        assert shipped == {file.name for file in (ROOT / kind).rglob("*") if file.is_file()}
    assert "githarness/py.typed" in names


def test_the_wheel_of_the_sdist_is_the_same(wheels: dict[str, Path]) -> None:
    """The sdist has all that the package needs."""
    assert sorted(zipfile.ZipFile(wheels["sdist"]).namelist()) == sorted(zipfile.ZipFile(wheels["wheel"]).namelist())


def test_the_sdist_has_no_environment(sdist: Path) -> None:
    """What the tests need is in it, virtual environments and caches are not."""
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "tests/conftest.py" in names
    assert [name for name in names if name.startswith((".venv", "dist")) or "__pycache__" in name] == []


@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_an_installed_package_works(wheels: dict[str, Path], empty: Path, tmp_path: Path, kind: str) -> None:
    """A command and a hook run, and the schemas are found."""
    _install(empty, wheels[kind])
    _works(empty, tmp_path)


def test_a_bare_checkout_works(source: Path, tmp_path: Path) -> None:
    """`python -m githarness` in a checkout, with the dependencies installed and githarness not."""
    start = f"import sys; sys.path.insert(0, {str(source)!r}); "
    command = "import runpy; sys.argv[1:] = ['--version']; runpy.run_module('githarness', run_name='__main__')"
    assert _run(sys.executable, "-c", start + command, cwd=tmp_path).startswith("githarness ")
    hook = "from githarness.checks.hook import main; main(['--help'])"
    assert "usage: githarness-hook" in _run(sys.executable, "-c", start + hook, cwd=tmp_path)
    assert _run(sys.executable, "-c", start + FIND, cwd=tmp_path) == "{\n"
