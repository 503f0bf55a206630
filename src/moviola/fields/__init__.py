"""Videos as one picture and its deformation over time, fitted to a clip, edited, and rendered back."""

from moviola.fields.fitting import Fitted, Settings, fit, suited
from moviola.fields.using import Carried, canonical, carried, rendered

__all__ = ["Carried", "Fitted", "Settings", "canonical", "carried", "fit", "rendered", "suited"]
