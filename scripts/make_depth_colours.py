#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes examples/tadp/depth_colours.hpp: colours for depth, from near to far, evenly darker to the eye.

  make_depth_colours.py OUT.hpp

In OKLCH (B. Ottosson): lightness falls in equal steps from pale yellow by green and blue to dark violet, the hue turns
evenly, and the chroma is what the screen can show, at most 0.11. Nothing beside Python is needed.
"""
import math
import pathlib
import sys

STEPS, LIGHT, DARK, CHROMA = 33, 0.93, 0.24, 0.11
HUES = (105.0, 305.0)  # degrees


def linear_rgb(lightness, chroma, hue):
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    l, m, s = ((lightness + p * a + q * b) ** 3 for p, q in ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.2914855480)))
    return (4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
            -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)


def byte(v):
    return round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055))


def colour(at):
    lightness, hue = LIGHT + at * (DARK - LIGHT), HUES[0] + at * (HUES[1] - HUES[0])
    chroma = CHROMA
    while min(linear_rgb(lightness, chroma, hue)) < 0 or max(linear_rgb(lightness, chroma, hue)) > 1:
        chroma -= 0.0005
    return tuple(byte(v) for v in linear_rgb(lightness, chroma, hue))


def main():
    rows = [f"{{{r}, {g}, {b}}}" for r, g, b in (colour(i / (STEPS - 1)) for i in range(STEPS))]
    lines = [", ".join(rows[i:i + 8]) for i in range(0, STEPS, 8)]
    pathlib.Path(sys.argv[1]).write_text(
        "// SPDX-License-Identifier: Apache-2.0\n// Colours for depth from near to far, evenly darker to the eye; between them they are mixed.\n"
        "// Made by scripts/make_depth_colours.py: change that, not this.\n#pragma once\n\n#include <cstdint>\n\nnamespace program {\n\n"
        f"inline constexpr std::uint8_t depth_colours[{STEPS}][3] = {{\n    " + ",\n    ".join(lines) + "};\n\n}  // namespace program\n")


if __name__ == "__main__":
    main()
