"""Videos as one picture and its deformation over time, fitted to a clip, edited, and rendered back."""

from moviola.fields.fitting import Fitted, Settings, fit, suited
from moviola.fields.flows import estimated
from moviola.fields.using import Carried, canonical, carried, changed, painted, rendered

__all__ = [
    "Carried",
    "Fitted",
    "Settings",
    "canonical",
    "carried",
    "changed",
    "estimated",
    "fit",
    "painted",
    "rendered",
    "suited",
]
