"""Writes ../tables.go: what characters are to the tokenizers library.

    pip install tokenizers==0.23.3 unicodedata2==18.0.0
    python chars.py

Its parts follow different versions of Unicode (the regular expressions another than
the normalizers), and Go's package unicode a third, which changes with the toolchain. A
tokenizer's ids must not, so the library is asked about every character.
"""

import base64
import json
import pathlib
import struct
import textwrap

import tokenizers
import unicodedata2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
CLASSES = "alpha upper lower word".split()  # POSIX classes that no categories are; property.go makes the others of those
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian
Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene
Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting
Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet
Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai
Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()

points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def kept(pre_tokenizer, codes=points):
    """The codes that a pre-tokenizer leaves of all."""
    out = []
    for _, (start, end) in pre_tokenizer.pre_tokenize_str("".join(map(chr, codes))):
        out += codes[start:end]
    return out


def matched(pattern, codes=points):
    return kept(pre_tokenizers.Split(Regex(pattern), "removed", invert=True), codes)


def words():
    """What may not stand beside a token with single_word."""
    t = Tokenizer(models.BPE({}, []))
    t.add_tokens([AddedToken("QQ", single_word=True, normalized=False)])
    return [c for c in points if not t.encode("QQ" + chr(c)).ids]


def numbers():
    digits = pre_tokenizers.Digits(individual_digits=False)
    return [c for c in points if len(digits.pre_tokenize_str("a" + chr(c))) == 2]


def punctuation():
    others = set(kept(pre_tokenizers.Punctuation("removed")))
    return [c for c in points if c not in others]


def accents():
    strip = normalizers.StripAccents()
    return [c for c in points if strip.normalize_str("a" + chr(c)) == "a"]


def newer():
    """What decomposes, composes or is a mark in the latest Unicode, and is left alone."""
    nfkd, nfd = normalizers.NFKD(), normalizers.NFD()
    new, parts, old_parts = set(), set(), set()
    for c in points:
        s = chr(c)
        canonical = unicodedata2.normalize("NFD", s)
        if unicodedata2.normalize("NFKD", s) != s:
            known = nfkd.normalize_str(s) != s
            (old_parts if known else parts).update(map(ord, canonical if canonical != s else ""))
            if not known:
                new.add(c)
        elif unicodedata2.combining(s):
            # The overlay, of class 1, goes before marks of other classes, and the subjoined
            # iota, of class 240, behind.
            low, high = "a" + s + "\u0334", "a\u0345" + s
            if nfd.normalize_str(low) == low and nfd.normalize_str(high) == high and s != "\u0345":
                new.add(c)
    return sorted(new | parts - old_parts)


def graphemes():
    """How characters join. By these rules, which replace every byte, a cluster of less
    than 6 bytes becomes one X and a longer one an X for each character."""
    units = [0] * 1024
    units[0] = 256 << 10
    for b in range(1, 256):
        units[256 | b] = 768 << 10 | 1 << 8 | b
        units[512 | b] = 1 << 31
    blob = struct.pack("<I1024I", 4096, *units) + b"X\0"
    rules = normalizers.Precompiled(blob)

    def clusters(text):
        return len(rules.normalize_str(text))

    found = {
        "attached": [c for c in points if clusters("a" + chr(c)) == 1],  # Extend, SpacingMark, ZWJ
        "control": [c for c in points if clusters(chr(c) + "\u0301") == 2 and len((chr(c) + "\u0301").encode()) < 6],
        "prepended": [c for c in points if clusters(chr(c) + "a") == 1],
    }
    # Parts of longer clusters are short by themselves, and would be one X each.
    heart, ka, virama = "\u2764", "\u0915", "\u094d"
    others = sorted(set(points) - {*found["attached"], *found["control"]})
    found["spacing"] = [c for c in found["attached"] if clusters(heart + chr(c) + "\u200d" + heart + "\u0301") != 5]
    found["pictographic"] = [c for c in others if clusters("\u00ae\u200d" + chr(c)) == 3]
    found["consonant"] = [c for c in others if clusters(chr(c) + virama + ka + "\u0301") == 4]
    found["linker"] = [c for c in found["attached"] if clusters(ka + chr(c) + ka + "\u0301") == 4]
    return found


def steps(pairs):
    """Ranges of (first, last, step, distance) of characters that become another each."""
    out = []
    for c, to in pairs:
        if out and out[-1][3] == to - c and c - out[-1][1] in ((1, 2) if out[-1][2] == 0 else (out[-1][2],)):
            out[-1][2] = c - out[-1][1]
            out[-1][1] = c
        else:
            out.append([c, c, 0, to - c])
    return out


def lower():
    """The lower case of all but U+0130, whose is two characters."""
    form = normalizers.Lowercase()
    return [(c, ord(low)) for c in points if (low := form.normalize_str(chr(c))) != chr(c) and c != 0x130]


def folded():
    """Of characters that are one where an expression ignores case, the first of them."""
    cased = {c for c in points for s in [chr(c)] if not s == s.lower() == s.upper() == s.casefold()}
    cased = sorted((cased | {c for pair in lower() for c in pair}) - {c for c, _ in long_folds()})
    text = "".join(map(chr, cased))
    pairs = []
    for c in cased:
        split = pre_tokenizers.Split(Regex(rf"(?i)\x{{{c:x}}}" if c > 127 else f"(?i){chr(c)}"), "removed", invert=True)
        first = split.pre_tokenize_str(text)[0][1][0]
        if cased[first] != c:
            pairs.append((c, cased[first]))
    return pairs


def long_folds():
    """Characters that are several in lower case."""
    return [(c, fold) for c in points if len(fold := chr(c).casefold()) > 1]


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def packed(codes):
    """Ranges, each as the gap before it and its length less one."""
    ranges = []
    for c in codes:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    out, at = b"", 0
    for first, last in ranges:
        out += varint(first - at) + varint(last - first)
        at = last + 1
    return out


def quoted(blob, indent):
    lines = textwrap.wrap(base64.b64encode(blob).decode(), 160) or [""]
    return (" +\n" + indent).join(f'"{line}"' for line in lines)


def derived(category, classes):
    """What property.go makes of categories."""
    union = lambda *names: {c for name in names for c in category[name]}
    space = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
    graph = set(points) - space - union("Cc", "Cn")
    return {
        "digit": union("Nd"), "alnum": {*classes["alpha"], *union("Nd")}, "cntrl": union("Cc"), "space": space, "graph": graph,
        "print": graph | union("Zs"), "blank": union("Zs") | {9}, "ascii": set(range(128)),
        "punct": {c for name in category if name[0] in "PS" for c in category[name]},
        "xdigit": set(map(ord, "0123456789abcdefABCDEF")),
    }


category = {name: matched(rf"\p{{{name}}}+") for name in CATEGORIES}
unassigned = {c for name in ("Cn", "Co") for c in category[name]}
assigned = [c for c in points if c not in unassigned]
classes = {name: matched(f"[[:{name}:]]+") for name in CLASSES}
for name, codes in derived(category, classes).items():
    assert sorted(codes) == matched(f"[[:{name}:]]+"), name
tables = {
    "categories": ("general categories, as regular expressions have them", category),
    "scripts": ("scripts, as regular expressions have them", {name: matched(rf"\p{{{name}}}+", assigned) for name in SCRIPTS}),
    "classes": ("POSIX classes of regular expressions that no category is", classes),
    "library": ("what the library's own code asks", {
        "word": words(), "number": numbers(), "punctuation": punctuation(), "accent": accents(), "newer": newer(),
    }),
    "graphemes": ("how characters join to clusters", graphemes()),
}
with open(pathlib.Path(__file__).parent.parent / "tables.go", "w") as out:
    out.write("// Code generated by testdata/chars.py; DO NOT EDIT.\n\npackage chars\n")
    for name, (what, sets) in tables.items():
        out.write(f"\n// {name} are {what}, as tokenizers {tokenizers.__version__} has them.\n")
        out.write(f"var {name} = map[string]packed{{\n")
        for key, codes in sets.items():
            out.write(f'\t"{key}": {quoted(packed(codes), chr(9) * 2)},\n')
        out.write("}\n")
    out.write("\n// longFolds are the characters that are several in lower case, for which those may stand\n")
    out.write("// where an expression ignores case.\nvar longFolds = map[rune]string{\n")
    for i in range(0, len(rows := long_folds()), 8):
        out.write("\t" + ", ".join(f"{c:#x}: {json.dumps(fold)}" for c, fold in rows[i : i + 8]) + ",\n")
    out.write("}\n")
    for name, what, pairs in (
        ("lowerCase", "characters to their lower case", lower()),
        ("caseFold", "characters to the first of those that are one where case is ignored", folded()),
    ):
        out.write(f"\n// {name} is the way from {what}.\nvar {name} = steps{{\n")
        for i in range(0, len(rows := steps(pairs)), 8):
            out.write("\t" + ", ".join(f"{{{a:#x}, {b:#x}, {step or 1}, {d}}}" for a, b, step, d in rows[i : i + 8]) + ",\n")
        out.write("}\n")
