#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the inputs that the fuzzers start from, a folder each: small right files of every kind, and wrong ones of the
sorts that readers meet. Needs Pillow for the JPEG files; the rest is made byte by byte, or taken from ../io/torch_fixtures.

  make_seeds.py FOLDER
"""

import gzip
import io
import json
import pathlib
import pickle
import struct
import sys
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent
seeds = {}


def add(fuzzer, name, content):
    seeds[fuzzer, name] = content.encode() if isinstance(content, str) else content


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    f = lambda name, content: add("safetensors", name, content)
    f("one", safetensors({"a": entry("F32", [2], 0, 8)}, bytes(8)))
    f("kinds", safetensors({"__metadata__": {"format": "pt"}, "h": entry("F16", [2, 1], 0, 4), "b": entry("BF16", [3], 4, 10), "i": entry("I64", [], 10, 18),
                            "n": entry("F32", [0, 4], 18, 18), "e": entry("F8_E4M3", [2], 18, 20), "d": entry("F64", [1], 20, 28), "t": entry("BOOL", [1], 28, 29)}, bytes(29)))
    f("hole", safetensors({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, bytes(12)))
    f("shared", safetensors({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, bytes(4)))
    f("product", safetensors({"a": entry("F32", [2, 2**63 - 1], 0, 8)}, bytes(8)))
    f("zero_product", safetensors({"a": entry("F32", [2**63, 2, 0], 0, 0)}))
    f("float_dim", safetensors(b'{"a":{"dtype":"F32","shape":[1e3],"data_offsets":[0,4]}}', bytes(4)))
    f("twice", safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)))
    f("meta_number", safetensors({"__metadata__": {"a": 1}}))
    f("blank", safetensors(b'  {"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}  ', b"x"))
    f("mark", safetensors(b"\xef\xbb\xbf{}"))
    f("nested", safetensors(b'{"a":' + b"[" * 60 + b"]" * 60 + b"}"))
    f("length_wraps", b"\xff" * 8 + b"{}")
    f("pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    index = lambda name, content: add("shard_index", name, content if isinstance(content, str) else json.dumps(content))
    right = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
    index("right", {"metadata": {"total_size": 24}, "weight_map": right})
    index("missing", {"weight_map": {**right, "d": "one.safetensors"}})
    index("short", {"weight_map": {"a": "one.safetensors"}})
    index("parent", {"weight_map": {"a": "../one.safetensors"}})
    index("absolute", {"weight_map": {"a": "/etc/hostname"}})
    index("array", [])
    index("number", {"weight_map": {"a": 1}})
    index("twice", '{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}')
    index("deep", '{"metadata":' + '{"a":' * 40 + "1" + "}" * 41 + "}")


def torch_seeds():
    for path in sorted((HERE / "../io/torch_fixtures").iterdir()):
        if path.suffix == ".txt" or path.stat().st_size > 6000:
            continue
        content = path.read_bytes()
        add("torch_zip", path.name, content)
        if zipfile.is_zipfile(path) and "no_checksums" not in path.name:
            with zipfile.ZipFile(path) as archive:
                name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                add("pickle", path.name + ".pkl", archive.read(name))
    f = lambda name, content: add("pickle", name, content)
    for protocol in range(6):
        f(f"words{protocol}", pickle.dumps({"a": [1, -2, 2**70, 0.5, None, True, "x", b"y", (1, 2), {3}], "b": {}}, protocol))
    f("call", b"cos\nsystem\n(S'true'\ntR.")
    f("stack_call", b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94.")
    f("itself", b"]q\x00h\x00a.")
    f("doubling", b"N" + b"\x94h\x00\x86" * 4 + b"q\x00" + b"h\x00\x86q\x00" * 20 + b".")
    f("big_put", b"]r\xff\xff\xff\xff.")
    f("long_text", b"X\xff\xff\xff\xffabc.")
    f("nested", b"(" * 300 + b"l" * 300 + b".")
    f("nested_class", b"\x80\x02}X\x01\0\0\0ac__builtin__\ngetattr\ncsomebody\nOuter\nX\x05\0\0\0Inner\x86R)\x81}bs.")
    f("module_of_a_list", b"\x80\x02}X\x01\0\0\0a(X\x06\0\0\0module]NNtQ)\x81s.")


def token_seeds():
    f = lambda name, content: add("token_embeddings", name, content)
    row = struct.pack("<8f", *range(8))
    f("one.safetensors", safetensors({"<night>": entry("F32", [8], 0, 32)}, row))
    f("several.safetensors", safetensors({"emb_params": entry("F32", [2, 8], 0, 64)}, row * 2))
    f("two.safetensors", safetensors({"<a>": entry("F32", [1, 8], 0, 32), "<b>": entry("F16", [8], 32, 48)}, row + bytes(16)))
    f("wide.safetensors", safetensors({"<night>": entry("F32", [1024], 0, 4096)}, bytes(4096)))
    f("not_finite.safetensors", safetensors({"<night>": entry("F32", [8], 0, 32)}, row[:28] + struct.pack("<f", float("nan"))))
    f("sdxl.safetensors", safetensors({"clip_l": entry("F32", [8], 0, 32), "clip_g": entry("F32", [8], 32, 64)}, row * 2))
    # {name: tensor of 8 floats} as torch.save writes it: a pickle, and the numbers beside it.
    text = lambda t: b"X" + struct.pack("<I", len(t)) + t.encode()
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x08tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\x08\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    plain = b"\x80\x02}" + text("<night>") + tensor + b"s."
    automatic = b"\x80\x02}(" + text("string_to_token") + b"}" + text("*") + b"M\x09\x01s" + text("string_to_param") + b"}" + text("*") + tensor + b"s" + text("name") + text("night") + b"u."
    for name, data in (("plain", plain), ("automatic", automatic)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for record, content in (("a/data.pkl", data), ("a/data/0", row), ("a/version", b"3\n")):
                archive.writestr(zipfile.ZipInfo(record), content)
        f(name + ".pt", out.getvalue())


def vocabulary_seeds():
    merges = ["a t", "o f", "t o", "t h", "th e</w>", "r o", "ro a", "roa d</w>"]
    listed = "#version: 0.2\n" + "".join(m + "\n" for m in merges)
    count = bytes([len(merges)])
    f = lambda name, content: add("vocabulary", name, content)
    f("list", count + listed.encode())
    f("packed", count + gzip.compress(listed.encode(), mtime=0))
    f("two_members", count + gzip.compress(listed[:40].encode(), mtime=0) + gzip.compress(listed[40:].encode(), mtime=0))
    f("bomb", count + gzip.compress(bytes(1 << 20), mtime=0))
    f("cut", count + gzip.compress(listed.encode(), mtime=0)[:-9])
    f("windows", count + listed.replace("\n", "\r\n").encode())
    f("no_version", count + listed[14:].encode())
    f("three_fields", count + listed.replace("t h", "t h e").encode())
    f("twice", count + listed.replace("o f", "a t").encode())
    letters = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256)]]
    letters += [chr(256 + i) for i in range(256 - len(letters))]
    names = letters + [c + "</w>" for c in letters] + [m.replace(" ", "") for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {n: i for i, n in enumerate(names)}
    both = lambda v: count + json.dumps(v, ensure_ascii=False).encode() + b"\0" + listed.encode()
    f("json", both(vocab))
    f("gap", both({n: i + (i > 500) for n, i in vocab.items()}))
    f("text_id", both({**vocab, "a": "64"}))
    f("small_json", count + b'{"a":0,"b":-1}\0' + listed.encode())
    saved = lambda merges, **more: count + json.dumps({"version": "1.0", "added_tokens": [{"id": 0}], "model": {"type": "BPE", "vocab": vocab, "merges": merges, **more}}, ensure_ascii=False).encode()
    f("tokenizer_json", saved([m.split() for m in merges]))
    f("tokenizer_json_older", saved(merges))
    f("tokenizer_json_wrong", saved(["a", ["b", 1], {}], type="Unigram"))
    f("tokenizer_json_small", count + b'{"model":{"vocab":{"a":0},"merges":[["a","b"],"c d"]}}')
    t = lambda name, content: add("tokenizer", name, content)
    t("road", "the road at <night>, a sks car")
    t("special", "a <|endoftext|> b <|startoftext|>")
    t("entities", "caf&eacute; &amp;amp; &#x41; &#1114112;")
    t("letters", "é e\u0301 \uff21 \U0001f468\u200d\U0001f469 \u00df \u0130 1\u00b2 don't")
    t("not_utf8", b"a \xff \xed\xa0\x80 b")
    t("long", "road" * 200)
    t("blank", " \t\n")


def caption_seeds():
    f = lambda name, content: add("captions", name, content if isinstance(content, (str, bytes)) else json.dumps(content))
    f("tadp", {"ADE_val_00000001.jpg": {"captions": ["a building with a sign", "a street"]}, "b/c.png": {"captions": ["x"], "class_label": 3, "tadp.content": "ab12"}})
    f("extra", {"a": {"captions": ["x"], "more": [{"k": [1, None, True]}]}})
    f("array", [])
    f("string", {"a": {"captions": "x"}})
    f("empty", {"a": {"captions": []}})
    f("numbers", {"a": {"captions": [1, 2.5]}})
    f("twice", '{"a":{"captions":["x"]},"a":{"captions":["y"]}}')
    f("slashes", {"d\\a.jpg": {"captions": ["x"]}, "D/A.JPG": {"captions": ["y"]}})
    f("utf16", '{"a":{"captions":["x"]}}'.encode("utf-16"))
    f("nan", '{"a":{"captions":["x"],"p":NaN}}')
    f("comment", '{"a":{"captions":["x",]}} // no')
    f("controls", {"a": {"captions": ["\x1b[2J"]}})
    f("nested", '{"a":{"captions":["x"],"n":' + "[" * 40 + "]" * 40 + "}}")
    f("surrogate", '{"a":{"captions":["\\ud800"]}}')


def png(width, height, depth, colour, rows, *chunks, interlace=0, end=True):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    for kind, data in chunks:
        out += chunk(kind, data)
    return out + chunk(b"IDAT", zlib.compress(rows, 9)) + (chunk(b"IEND", b"") if end else b"")


def orientation(value):
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, value, 0, 0)


def picture_seeds():
    f = lambda name, content: add("picture", name, content)
    palette = (b"PLTE", bytes([0, 0, 0, 255, 0, 0, 0, 255, 0]))
    f("gray.png", png(3, 2, 8, 0, bytes(8)))
    f("rgb.png", png(2, 2, 8, 2, bytes(14)))
    f("palette.png", png(4, 1, 8, 3, b"\0\0\1\2\0", palette))
    f("palette1.png", png(9, 1, 1, 3, b"\0\0\0", palette))
    f("beyond_palette.png", png(2, 1, 8, 3, b"\0\1\x09", palette))
    f("alpha.png", png(1, 1, 8, 6, bytes(5)))
    f("gray_alpha16.png", png(1, 1, 16, 4, bytes(5)))
    f("deep.png", png(2, 1, 16, 0, b"\0\x12\x34\x56\x78", (b"tRNS", b"\0\1")))
    f("interlaced.png", png(5, 5, 8, 0, bytes(25 + 12), interlace=1))
    f("text.png", png(1, 1, 8, 0, b"\0\1", (b"tEXt", b"k\0v"), (b"gAMA", b"\0\0\xb1\x8f"), (b"iCCP", b"p\0\0" + zlib.compress(b"x"))))
    f("wide.png", png(2**31 - 1, 2**31 - 1, 8, 0, b""))
    f("empty.png", png(0, 1, 8, 0, b""))
    f("pair.png", png(1, 1, 3, 2, bytes(9)))
    f("bomb.png", png(4, 4, 8, 0, bytes(1 << 20)))
    f("cut.png", png(3, 2, 8, 0, bytes(8), end=False))
    f("animated.png", png(1, 1, 8, 0, b"\0\1", (b"acTL", b"\0\0\0\2\0\0\0\0"), (b"fcTL", bytes(26))))
    f("gif", b"GIF89a\1\0\1\0\0\0\0;")
    from PIL import Image

    def jpeg(mode, size, **options):
        picture = Image.new(mode, size)
        picture.putdata([(i * 7 % 256) if mode == "L" else tuple((i * k) % 256 for k in (3, 5, 7, 11)[: len(mode)]) for i in range(size[0] * size[1])])
        out = io.BytesIO()
        picture.save(out, "JPEG", **options)
        return out.getvalue()

    plain = jpeg("RGB", (9, 7))
    f("plain.jpg", plain)
    f("gray.jpg", jpeg("L", (8, 8)))
    f("cmyk.jpg", jpeg("CMYK", (3, 3)))
    f("progressive.jpg", jpeg("RGB", (17, 9), progressive=True))
    f("optimised.jpg", jpeg("RGB", (4, 4), optimize=True, subsampling=0))
    f("restart.jpg", jpeg("RGB", (33, 17), restart_marker_blocks=1))
    for value in (1, 6, 8, 9):
        f(f"turned{value}.jpg", jpeg("RGB", (4, 2), exif=orientation(value)))
    f("cut.jpg", plain[:-30])
    f("head.jpg", plain[:100])
    f("two_frames.jpg", plain[: plain.index(b"\xff\xda")] + b"\xff\xc0\0\x0b\x08\0\x20\0\x20\1\1\x11\0" + plain[plain.index(b"\xff\xda"):])


def data_seeds():
    obj = lambda name, *b: f"<object><name>{name}</name><difficult>0</difficult><bndbox>" + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), b)) + "</bndbox></object>"
    xml = lambda *objects, size="<size><width>40</width><height>30</height><depth>3</depth></size>": "<annotation><filename>a.jpg</filename>" + size + "".join(objects) + "</annotation>"
    f = lambda name, content: add("voc_annotation", name, content)
    f("right", xml(obj("dog", 1, 2, 10, 12), obj("person", 3.5, 4, 20, 30)))
    f("inverted", xml(obj("dog", 10, 2, 1, 12)))
    f("empty", xml(obj("dog", 1, 2, 1, 12)))
    f("words", xml(obj("dog", "nan", "inf", "1e99", "x")))
    f("no_size", xml(obj("dog", 1, 2, 3, 4), size=""))
    f("entities", '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><annotation>&z;</annotation>')
    f("cut", xml(obj("dog", 1, 2, 3, 4))[:-20])
    f("parts", xml("<object><name>person</name><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"))
    f("marked", b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-16'?>" + xml().encode())
    f("wide", ("<?xml version='1.0'?>" + xml(obj("é", 1, 2, 3, 4))).encode("utf-16"))
    g = lambda name, content: add("depth_list", name, content)
    g("right", "/kitchen/rgb_1.jpg /kitchen/sync_depth_1.png 518.8579\na.jpg b.png\n# depth_scale 1000\n")
    g("tabs", "a b.jpg\tc d.png\t500\r\n\r\n")
    g("out", "../a.jpg b.png 5\nx/../../a.jpg b.png\n")
    g("scale", "# depth_scale 1000\n# depth_scale: 256\n")
    g("wrong", "a\na b c d\na b -1\na b nan\na b 1e400\na b 5\na b 5\n")
    street = HERE / "../../models/street.safetensors"
    with street.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    described = header["__metadata__"]
    lines = lambda d: "".join(f"{k}={v}\n" for k, v in d.items())
    small = {**described, "tadp.vocabulary": '["a","road"]', "tadp.notes": "{}", "tadp.classes": '[{"colour":[1,2,3],"name":"road"}]'}
    h = lambda name, content: add("description", name, content)
    h("street", lines(small))
    for key in sorted(small):
        h("without_" + key, lines({k: v for k, v in small.items() if k != key}))
    h("newer", lines({**small, "tadp.version": "9.0"}))
    h("deep", lines({**small, "tadp.notes": "[" * 40 + "]" * 40}))
    h("huge", lines({**small, "tadp.classes": '[{"colour":[1,2,300],"name":"road"}]'}))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for make in (safetensors_seeds, torch_seeds, token_seeds, vocabulary_seeds, caption_seeds, picture_seeds, data_seeds):
        make()
    for (fuzzer, name), content in seeds.items():
        folder = pathlib.Path(sys.argv[1]) / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    print(f"{len(seeds)} inputs of {len({f for f, _ in seeds})} fuzzers, {sum(map(len, seeds.values()))} bytes")
