"""What all families on diffusers share: loading, placing, stepping, long videos, previews.

`drive` imports no torch, so that a family's file stays light; all else here is imported to load a model.
"""
