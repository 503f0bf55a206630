"""Classical motion: dense optical flow, warping along it, pictures in between. Knows no files, no times.

`moviola.motion.between` is not imported from here, as it needs OpenCV at once.
"""

from moviola.motion.dense import Flow, Plane, Preset, dense_flow, inconsistency, luma8, warp

__all__ = ["Flow", "Plane", "Preset", "dense_flow", "inconsistency", "luma8", "warp"]
