"""What becomes of a request: one file per kind of work. `moviola.run` picks the road."""
