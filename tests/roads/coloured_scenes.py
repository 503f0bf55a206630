"""A short film of two shots, a second each."""

from fractions import Fraction
from pathlib import Path

from moviola.film import film
from moviola.stage import Motion, Scene, Shot


def filmed(path: Path) -> Path:
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(40, 10))) for n in range(2))
    return film(Scene(shots, size=(96, 64), rate=Fraction(24)), path)
