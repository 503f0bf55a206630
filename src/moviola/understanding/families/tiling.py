"""How a picture is cut into square tiles, by its shape, for networks that see small squares.

As InternVL 1.5 does it (arXiv 2404.16821, 3.3), and after it VideoChat2 and InternVideo2-Chat in HD.
"""

from __future__ import annotations


def tiles(width: int, height: int, most: int, side: int) -> tuple[int, int]:
    """Columns and rows of at most `most` tiles, of the shape that is nearest to a picture's.

    side: of a tile in pixels. Of shapes that are as near, as are 1 × 1 and 2 × 2, the one with more tiles is
    taken where the picture has more than half of their pixels.
    """
    shapes = [
        (columns, count // columns)
        for count in range(1, most + 1)
        for columns in range(1, count + 1)
        if count % columns == 0
    ]
    best, nearest = (1, 1), float("inf")
    for columns, rows in shapes:
        away = abs(width / height - columns / rows)
        larger = width * height > 0.5 * side * side * columns * rows
        if away < nearest or (away == nearest and larger):
            best, nearest = (columns, rows), away
    return best
