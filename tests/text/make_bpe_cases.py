#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Token ids by an implementation of CLIP's tokenizer of its own (open_clip's without ftfy), and comparisons with it.

Needs the package regex (Unicode 18) and Python 3.11, whose tables the library follows.

  make_bpe_cases.py VOCAB.gz --cases FILE      writes bpe_cases.txt, the fixture of bpe_tokenizer_test.cpp
  make_bpe_cases.py VOCAB.gz --against PROGRAM --vocab FILE [--count 5000] [--seed 1]
                                               compares `tadp tokenize` with it on random lines

A line of the fixture: the text as the hexadecimal digits of its UTF-8 bytes ("-": empty), the ids between begin and end.
"""
import argparse
import gzip
import html
import html.entities
import random
import subprocess
import sys

import regex

PIECES = regex.compile(r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
BEGIN, END, LENGTH = 49406, 49407, 77


class Tokenizer:
    def __init__(self, path):
        lines = gzip.open(path, "rt", encoding="utf-8").read().split("\n")[1:48895]
        printing = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
        others = [b for b in range(256) if b not in printing]
        self.letters = {b: chr(b) for b in printing} | {b: chr(256 + i) for i, b in enumerate(others)}
        names = [self.letters[b] for b in printing + others]
        names += [name + "</w>" for name in names]
        self.rank = {}
        for i, line in enumerate(lines):
            first, second = line.split()
            self.rank[first, second] = i
            names.append(first + second)
        self.ids = {name: i for i, name in enumerate(names)}
        self.known = {"<start_of_text>": [BEGIN], "<end_of_text>": [END]}

    def piece(self, text):
        if text not in self.known:
            parts = [self.letters[b] for b in text.encode()]
            parts[-1] += "</w>"
            while len(parts) > 1:
                rank, pair = min((self.rank.get(pair, len(self.rank)), pair) for pair in zip(parts, parts[1:]))
                if rank == len(self.rank):
                    break
                merged = []
                for part in parts:  # "aaa" with the pair a a is "aa a": a part that was just made takes no more
                    if merged and not merged[-1][1] and (merged[-1][0], part) == pair:
                        merged[-1] = (merged[-1][0] + part, True)
                    else:
                        merged.append((part, False))
                parts = [part for part, _ in merged]
            self.known[text] = [self.ids[part] for part in parts]
        return self.known[text]

    def __call__(self, text):
        text = " ".join(html.unescape(html.unescape(text)).split()).lower()
        return [token for piece in PIECES.findall(text) for token in self.piece(piece)]


# What readers of the library may meet, and what its authors would have got wrong.
CASES = [
    "", " \t\n ", "a photo of a cat", "A PHOTO of a Cat!!!", "it's they're we've I'm you'll he'd can't 'S 'LL '", "!'s", "rock'n'roll",
    "2024 a1b2", "½ ² Ⅳ ④ ٣", "x\u3000y\u00a0z\u2028w\u1680v\x1cu\x85t", "zero\u200bwidth\u2060joiner", "a\x00b \x07", "e\u0301cole \u00e9cole",
    "ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ΑΣ. ΑΣ.Α Α.Σ ΑΣ\u0301", "\u0130stanbul I\u0131", "ẞ ß ǅ Ǆ K Å Ω ϴ", "\u1ca0\u13a0\u2c00\U00010400", "'\u017f \u017f", "<\u017ftart_of_text>",
    "<start_of_text> <END_OF_TEXT>x<end_of_text>", "!<end_of_text>", "<|startoftext|> <|endoftext|>", "a\u0345b \u0345 !\u0345!", "cats &amp;amp; dogs",
    "&lt;p&gt; &notit; &notin; &ampamp &#65; &#x41 &#0; &#x80; &#150; &#xD800; &#x110000; &#99999999999999999999; &#1; &#xb; &#13;x &#xfffe;",
    "&NotEqualTilde; &fjlig; &CounterClockwiseContourIntegral; &CounterClockwiseContourIntegralx; &;&&#;&#x; &amp", "&nbsp;&#8195;a&Tab;b&NewLine;",
    "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🇩🇪 👍🏽", "東京タワー ｶﾞ ﾊﾟ １２３", "한국어 \u1112\u1161\u11ab", "नमस्ते ไทย עברית العربية", "\U0003d000 a\U0003d000 \U0002ebf0b \U00016ea0",
    "\ufffd \ufeff \ufdd0 \U0010ffff", "naïve café — “quoted” … ‘x’", "supercalifragilisticexpialidocious antidisestablishmentarianism", "x" * 300, "ab" * 90,
    "!?" * 100, "cat " * 75, "cat " * 76, "é" * 80, "https://example.com/a_b-c?d=e&f=g#h", "snake_case CamelCase __init__()", "\\ / | ~ ` ^ @ # $ % * ( ) [ ] { }",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz" * 3 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ' ",
    "0123456789.,:;-+ab ",
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2007\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeffxyZ",
    "ΣσςΑ.'\u0301\u0345\u00b7:ªⅣⒶ\u02b0a \u1fbe",
    "<>_/|&;#x" + "stardofextn" * 2,
    "İıſKÅẞßǅϴ'st",
    "".join(map(chr, range(0x1f300, 0x1f650))) + "\u200d\ufe0f" * 40,
    "".join(map(chr, range(0x300, 0x370))) + "aeiou",
    "".join(map(chr, range(0x4e00, 0x9000, 7))) + "".join(map(chr, range(0x3040, 0x3100))) + "".join(map(chr, range(0xff00, 0xffef))),
    "".join(map(chr, range(0xa0, 0x250))), "".join(map(chr, range(0x370, 0x590))), "".join(map(chr, range(0x590, 0x1100))),
    "".join(map(chr, range(0x20))) + "\x7f",
]
WORDS = ["photo", "street", "it's", "don't", "WE'VE", "I'LL", "he'd", "'s", "'T", "<start_of_text>", "<End_Of_Text>", "<|endoftext|>", "café", "naïve", "2024", "ΟΔΟΣ", "İ", "日本", "👍🏽"]


def random_code(dice):
    code = dice.choice([dice.randrange(0x80), dice.randrange(0x800), dice.randrange(0x10000), dice.randrange(0x110000), dice.randrange(0x10000, 0x20000)])
    return chr(code) if not 0xd800 <= code <= 0xdfff else "\ufffd"


def random_reference(dice):
    name = dice.choice(list(html.entities.html5)) if dice.random() < 0.6 else dice.choice(["", "amp", "#", "#x", "notx", "aaaa" * 12, "lt", "Σ"])
    number = f"#{dice.choice([dice.randrange(300), dice.randrange(0x120000), 10**dice.randrange(40)])}"
    hexadecimal = f"#{dice.choice('xX')}{dice.choice([dice.randrange(300), dice.randrange(0x120000), 16**dice.randrange(40)]):{dice.choice('xX')}}"
    name = name[:dice.randrange(1, len(name) + 1)] if name and dice.random() < 0.2 else name
    return "&" + dice.choice(["", "", "amp;", "amp"]) + dice.choice([name, name, number, hexadecimal]) + dice.choice(["", ";", "x", ";;", " "])


def random_text(dice):
    text = ""
    for _ in range(dice.randrange(1, 12)):
        kind = dice.randrange(7)
        if kind == 0:
            text += dice.choice(WORDS)
        elif kind == 1:
            text += random_reference(dice)
        elif kind == 2:
            text += "".join(random_code(dice) for _ in range(dice.randrange(1, 12)))
        elif kind == 3:
            text += bytes(dice.randrange(256) for _ in range(dice.randrange(1, 20))).decode("utf-8", "ignore")
        elif kind == 4 and dice.random() < 0.1:
            text += "".join(dice.choices(ALPHABETS[0][:78], k=dice.randrange(200, 1000)))
        else:
            text += "".join(dice.choices(dice.choice(ALPHABETS), k=dice.randrange(1, 15)))
        text += dice.choice(["", " ", " "])
    return text


def padded(ids):
    ids = [BEGIN] + ids[:LENGTH - 2] + [END]
    return ids + [END] * (LENGTH - len(ids))


def compare(tokenizer, program, vocabulary, count, seed):
    dice = random.Random(seed)
    # A line cannot hold the end of a line; every other blank stands in for it.
    texts = [random_text(dice).replace("\n", "\x0b") for _ in range(count)]
    done = subprocess.run([program, "tokenize", "--vocab", vocabulary], input="\n".join(texts).encode() + b"\n", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(texts), (len(lines), len(texts))
    different = [text for text, line in zip(texts, lines) if list(map(int, line.split())) != padded(tokenizer(text))]
    for text in different[:10]:
        print(ascii(text))
    print(f"{len(different)} of {len(texts)} differ")
    return 1 if different else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("vocabulary")
    arguments.add_argument("--cases")
    arguments.add_argument("--against")
    arguments.add_argument("--vocab")
    arguments.add_argument("--count", type=int, default=5000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    tokenizer = Tokenizer(given.vocabulary)
    if given.cases:
        with open(given.cases, "w", encoding="ascii") as file:
            for text in CASES:
                print(text.encode().hex() or "-", *tokenizer(text), file=file)
    if given.against:
        sys.exit(compare(tokenizer, given.against, given.vocab or given.vocabulary, given.count, given.seed))


main()
