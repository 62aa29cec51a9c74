"""Which part of the world a picture shows, and where on the picture a place is."""

from collections.abc import Sequence
from dataclasses import dataclass

from marketplace.website.maps.mercator import TURN, Box, Line, Point, together

EUROPE = Box.of_degrees(-10.5, 35.5, 32, 66)
_SMALLEST = 4.0  # degrees that a map is wide at least, for a place is known by what is around it


@dataclass(frozen=True)
class View:
    """A picture of some width and height, whose upper left corner is at `west` and `top`.

    `scale` is how many units of the picture a degree of the plane measures.
    """

    west: float
    top: float
    scale: float
    width: int
    height: int

    @classmethod
    def around(cls, boxes: Sequence[Box], size: tuple[int, int], margin: float) -> "View":
        """Return the view of all boxes, else of Europe, with a margin: a share of their extent."""
        box = together(boxes or [EUROPE])
        width, height = size
        across = max((box.east - box.west) * (1 + 2 * margin), _SMALLEST)
        along = max((box.north - box.south) * (1 + 2 * margin), _SMALLEST / 2)
        scale = min(width / across, height / along)
        west = (box.west + box.east - width / scale) / 2
        top = (box.south + box.north + height / scale) / 2
        return cls(round(west, 4), round(top, 4), round(scale, 4), width, height)

    @property
    def turn(self) -> float:
        """Return how many units a whole turn around the world is."""
        return TURN * self.scale

    def placed(self, line: Line) -> list[Point]:
        """Return where on the picture a line of the plane is."""
        west, top, scale = self.west, self.top, self.scale
        return [((x - west) * scale, (top - y) * scale) for x, y in line]

    def turns(self, box: Box) -> list[int]:
        """Return by how many turns a box must be shifted to be in view: none, often 0 alone."""
        bottom, east = self.top - self.height / self.scale, self.west + self.width / self.scale
        if box.north < bottom or box.south > self.top:
            return []
        return [
            turn
            for turn in (-1, 0, 1)
            if box.east + turn * TURN >= self.west and box.west + turn * TURN <= east
        ]
