"""Text drawn into pictures: what was recognized, or what is to be seen."""

from moviola.overlay.captions import CaptionOverlay
from moviola.overlay.labels import Overlay

__all__ = ["CaptionOverlay", "Overlay"]
