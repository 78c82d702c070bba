#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes include/tadp/text/html_entities.hpp and include/tadp/text/newer_unicode.hpp.

  make_text_tables.py INCLUDE_TADP_TEXT_FOLDER

The named references are those of Python's html.entities. The ranges are the letters and numbers of the package `regex`
(Unicode 18) that the unicodedata of Python 3.11 (Unicode 14) does not know; utf8proc 2.7 and later know the others.
"""
import html.entities
import pathlib
import sys
import unicodedata

import regex

HEAD = """// SPDX-License-Identifier: Apache-2.0
{purpose}
#pragma once
"""


def entities():
    rows = []
    for name, text in sorted(html.entities.html5.items()):
        codes = [f"0x{ord(c):x}" for c in text]
        assert len(codes) <= 2
        rows.append(f'{{"{name}", {", ".join(codes)}}}')
    text = HEAD.format(purpose="// The named character references of HTML 5, sorted by their bytes; those that may lack the semicolon stand twice.\n"
                               "// Made by scripts/make_text_tables.py: change that, not this.")
    text += "\n#include <string_view>\n\nnamespace tadp::html_detail {\n\n"
    text += "struct Entity {\n  std::string_view name{};         ///< without the ampersand\n  char32_t first = 0, second = 0;  ///< code points; second is 0 where there is one\n};\n\n"
    text += f"inline constexpr Entity entities[] = {{\n{wrapped(rows)}\n}};\n\n}}  // namespace tadp::html_detail\n"
    return text


def ranges(pattern):
    """Ranges of code points that match and that Unicode 14 leaves unassigned."""
    found = []
    for code in range(0x110000):
        if unicodedata.category(chr(code)) != "Cn" or not pattern.match(chr(code)):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def newer():
    assert unicodedata.unidata_version == "14.0.0", "run this with Python 3.11"
    assert regex.match(r"\p{L}", "\U0003d000"), "run this with a package regex that knows Unicode 18"
    rows = [(first, last, "true") for first, last in ranges(regex.compile(r"\p{L}"))]
    rows += [(first, last, "false") for first, last in ranges(regex.compile(r"\p{N}"))]
    rows = [f"{{0x{first:x}, 0x{last:x}, {letter}}}" for first, last, letter in sorted(rows)]
    text = HEAD.format(purpose="// Letters and numbers that Unicode 15 to 18 added: ids must not depend on the age of a library of tables.\n"
                               "// Made by scripts/make_text_tables.py: change that, not this.")
    text += "\nnamespace tadp::unicode_detail {\n\n"
    text += "struct NewerRange {\n  char32_t first, last;\n  bool letter;  ///< or a number\n};\n\n"
    text += f"inline constexpr NewerRange newer_ranges[] = {{\n{wrapped(rows)}\n}};\n\n}}  // namespace tadp::unicode_detail\n"
    return text


def wrapped(rows, width=150):
    lines, line = [], "   "
    for row in rows:
        if len(line) + len(row) + 2 > width:
            lines.append(line)
            line = "   "
        line += f" {row},"
    return "\n".join(lines + [line])


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "html_entities.hpp").write_text(entities())
    (folder / "newer_unicode.hpp").write_text(newer())


main()
