"""Maps that the server draws: no tiles, no script, no request to anybody."""

from marketplace.website.maps.drawing import SvgMap, Words, draw, draw_picker

__all__ = ["SvgMap", "Words", "draw", "draw_picker"]
