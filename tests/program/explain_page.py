#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens a page of `tadp explain` in headless Chromium: words show their maps, and nothing is fetched from elsewhere.

explain_page.py PROGRAM MODEL_MAKER [SCREENSHOT.png]

MODEL_MAKER FILE writes a small model. Without Chromium the exit code is 77, which ctest takes for skipped.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

CAPTION = 'A road, a <!-- zeppelin --> & "cars"; trees'
NAME = "<i> & street.png"
WORDS = ["A", "road", "a", "zeppelin", "cars", "trees"]
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]


class Page(HTMLParser):
    """The parts of a page that the test looks at."""

    def __init__(self, text):
        super().__init__()
        self.words, self.struck, self.heats, self.addresses, self.said, self.caption, self.title = {}, {}, {}, [], "", "", ""
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        classes = (a.get("class") or "").split()
        if tag == "button":
            self.words[a["data-word"]] = {"map": a["data-map"], "on": "on" in classes, "pressed": a["aria-pressed"], "text": ""}
        if tag == "s":
            self.struck[a["data-word"]] = {"title": a.get("title"), "text": ""}
        if tag == "img":
            if "heat" in classes:
                self.heats[a["data-map"]] = "on" in classes
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "action", "data")]
        if tag not in ("img", "meta", "br", "link", "input"):
            self.open.append((tag, a))

    def handle_endtag(self, tag):
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, data):
        for tag, a in self.open:
            if a.get("id") == "caption":
                self.caption += data
            if a.get("id") == "said":
                self.said += data
        tag, a = self.open[-1] if self.open else ("", {})
        if tag == "h1":
            self.title += data
        if tag == "button":
            self.words[a["data-word"]]["text"] += data
        if tag == "s":
            self.struck[a["data-word"]]["text"] += data


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def browse(browser, home, *arguments):
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               f"--user-data-dir={home}", "--virtual-time-budget=2000", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    check(done.returncode == 0, f"{browser} ends with {done.returncode}: {done.stderr[-400:]}")
    return done.stdout.decode()


def page_of(browser, home, address):
    return Page(browse(browser, home, "--dump-dom", address))


def main():
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print("skipped: there is no Chromium")
        sys.exit(77)
    program, maker = sys.argv[1], sys.argv[2]
    screenshot = Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(prefix="tadp-explain-") as name:
        folder = Path(name)
        model, picture, out = folder / "model.safetensors", folder / NAME, folder / "page.html"
        subprocess.run([maker, model], check=True)
        subprocess.run([program, "render", "--seed", "5", "--size", "192x128", "--out", picture], check=True)
        told = subprocess.run([program, "explain", picture, "--caption", CAPTION, "--model", model, "--out", out, "--threads", "1"],
                              check=True, stderr=subprocess.PIPE, text=True).stderr
        check("zeppelin" in told, "the unknown word is named on stderr")

        home = folder / "browser"
        address = out.as_uri()
        plain = page_of(browser, home, address)
        check(plain.caption == CAPTION, f"the caption is shown as it was given: {plain.caption!r}")
        check(plain.title == NAME, f"so is the picture's name: {plain.title!r}")
        shown = {**{k: v["text"] for k, v in plain.words.items()}, **{k: v["text"] for k, v in plain.struck.items()}}
        check([shown[str(i + 1)] for i in range(len(WORDS))] == WORDS and len(shown) == len(WORDS), f"the words: {shown}")
        check([v["text"] for v in plain.struck.values()] == ["zeppelin"], "only the unknown word is struck through")
        check("vocabulary" in plain.struck["4"]["title"], "it says why")
        check(len(plain.heats) == 5 and not any(plain.heats.values()), "five maps, none shown at first")
        check(not any(w["on"] for w in plain.words.values()), "no word chosen at first")
        check(plain.addresses and all(a.startswith("data:image/png;base64,") for a in plain.addresses), "pictures are in the page")
        check(len(set(plain.addresses)) == len(plain.addresses), "every word has a map of its own, even one that comes twice")

        for number, word in (("2", "road"), ("3", "a"), ("6", "trees")):
            chosen = page_of(browser, home, f"{address}#word={number}")
            check([k for k, w in chosen.words.items() if w["on"]] == [number], f"#word={number} chooses it alone")
            check(chosen.words[number]["pressed"] == "true", "and tells screen readers")
            check([k for k, on in chosen.heats.items() if on] == [chosen.words[number]["map"]], f"#word={number} shows its map alone")
            check(f'"{word}"' in chosen.said, f"the line under the picture names the word: {chosen.said!r}")
        for nothing in ("4", "99", "x"):
            check(not any(page_of(browser, home, f"{address}#word={nothing}").heats.values()), f"#word={nothing} shows nothing")

        def shot(of, end):
            file = folder / "shot.png"
            browse(browser, home, f"--screenshot={file}", "--window-size=1200,800", "--hide-scrollbars", of.as_uri() + end)
            return file.read_bytes()

        # Without its text, what is seen of the page are its pictures.
        wordless = folder / "wordless.html"
        wordless.write_text(out.read_text().replace("</style>", "#caption, figcaption { visibility: hidden; }</style>", 1))
        seen = [shot(wordless, end) for end in ("", "", "#word=2", "#word=6")]
        check(seen[0] == seen[1], "the same page looks the same twice")
        check(len(set(seen)) == 3, "each chosen word changes the picture")
        check(re.search(r"https?://", out.read_text()) is None, "the page names no other place")
        if screenshot:
            screenshot.write_bytes(shot(out, "#word=2"))
            shutil.copy(out, screenshot.with_suffix(".html"))
    print("the page shows each word's map")


if __name__ == "__main__":
    os.environ.setdefault("HOME", tempfile.gettempdir())
    main()
