"""The one door to containers and codecs. Everything here runs on PyAV, Pillow and numpy."""
