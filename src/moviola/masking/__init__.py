"""Masks that follow things: prompts, followers, what detectors find, masks widened, softened and saved.

`follower` and `prompts` need nothing beyond NumPy; `track` and what it is made of need OpenCV; `memory_bank`
and `grounding` need transformers.
"""
