"""What all families on diffusers share: loading, placing, stepping, long videos, previews.

`drive` and `wan` import no torch, so that a family's file stays light; all else is imported to load a model.
"""
