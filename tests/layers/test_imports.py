"""The rooms of the house: who may import whom, what is heavy, what stays outside."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import moviola

HOUSE = Path(moviola.__file__).parent

# From the ground up. A room may import itself (where it is a folder) and everything above it in this list.
ROOMS = [
    "vocabulary",
    "errors",
    "generators",
    "frames",
    "cues",
    "card",
    "policy",
    "plan",
    "media",
    "clip",
    "stage",
    "tasks",
    "timeline",
    "captions",
    "overlay",
    "comparison",
    "model",
    "geometry",
    "pictures",
    "presets",
    "weights",
    "hosted",
    "motion",
    "inpaint",
    "timing",
    "heap",
    "pipeline",
    "windows",
    "nets",
    "fields",
    "recognition",
    "understanding",
    "searching",
    "interpolation",
    "masking",
    "removal",
    "metrics",
    "diffusion",
    "models",
    "shelf",
    "registry",
    "journal",
    "recipe",
    "roads",
    "run",
    "jobs",
    "costs",
    "verbs",
    "film",
    "selftest",
    "demo",
    "cli",
]


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


FILES = sorted(path for path in HOUSE.rglob("*.py") if path.parent != HOUSE or not path.name.startswith("__"))


def imported(path: Path) -> set[str]:
    """Modules of moviola that a file imports when it runs, at the top or inside functions."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.unparse(guard.test)
        for node in ast.walk(guard)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("moviola.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_downward_only(path):
    here = ROOMS.index(room(path))
    for name in imported(path):
        target = name.split(".")[1]
        if target in ROOMS:
            assert ROOMS.index(target) <= here, f"{path.name} reaches up to {name}"


@pytest.mark.parametrize("path", sorted((HOUSE / "models").glob("*.py")), ids=lambda path: path.name)
def test_families_import_no_other_family_and_no_door(path):
    for name in imported(path):
        assert not f"{name}.".startswith(("moviola.models.", "moviola.run.", "moviola.cli.")), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_only_the_media_room_touches_containers(path):
    if room(path) == "media":
        return
    tree = ast.parse(path.read_text())
    modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    modules |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert not {name for name in modules if name.split(".")[0] == "av"}


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {
    "torch",
    "cv2",
    "transformers",
    "diffusers",
    "ray",
    "av",
    "numpy",
    "pydantic",
    "scipy",
    "dbos",
    "sqlalchemy",
}


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import moviola") & HEAVY


def test_the_command_line_loads_no_media_and_no_models():
    code = "import moviola.cli"
    assert not loaded_by(code) & {
        "torch",
        "cv2",
        "transformers",
        "diffusers",
        "ray",
        "av",
        "rich",
        "numpy",
        "pydantic",
        "dbos",
        "sqlalchemy",
    }


def test_finding_a_model_loads_no_network_library():
    code = "from moviola import registry; list(registry.cards())"
    assert not loaded_by(code) & {"torch", "cv2", "transformers", "diffusers", "ray"}


def test_every_public_name_can_be_had():
    for name in moviola.__all__:
        assert getattr(moviola, name) is not None
