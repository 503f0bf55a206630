"""One file per model family, local or hosted. See `moviola.model.Family` for what such a file holds."""
