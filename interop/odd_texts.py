"""Texts on which tokenizers tend to differ, the same for the same seed."""

import random

# A sentence each of many scripts; vocabularies are learnt from these too.
LANGUAGES = [
    "Hello world, how are you? I'm fine; we'll see. THEY'RE here, he'd say: don't!", "Größe, Straße, naïve café, déjà vu, fjärran öar",
    "Привет, как дела? Съешь ещё этих мягких булок", "Γειά σου Κόσμε, ὁ βίος βραχύς, ΣΊΣΥΦΟΣ", "你好，世界。今天天气怎么样？", "こんにちは世界、元気ですか。カタカナ", "안녕하세요 세계, 오늘은 어때요",
    "مرحبا بالعالم، كَيْفَ حالك", "שלום עולם, מה שלומך", "नमस्ते दुनिया, आप कैसे हैं", "বাংলা ভাষা", "தமிழ் மொழி", "สวัสดีชาวโลก", "Xin chào thế giới, tiếng Việt", "Merhaba dünya İıŞşĞğ",
    "ქართული ენა", "Հայերեն լեզու", "አማርኛ ቋንቋ", "\U0001d573\U0001d58a\U0001d591\U0001d591\U0001d594 \U00010400\U00010401 𝟙𝟚𝟛",
]

CONTRACTIONS = ["'s", "'S", "'ll", "'LL", "'lL", "'Re", "'VE", "'m", "'D", "'T", "\u2019s", "'\u017f", "''s", "'"]
EMOJI = ["🙂", "👨‍👩‍👧‍👦", "🇫🇷", "🇫", "👍🏽", "❤️", "🏴\U000e0067\U000e0062\U000e007f", "1️⃣", "☺︎"]
MARKS = ["\u0301", "\u0300", "\u0308", "\u0327", "\u0323", "\u0328", "\u0315", "\u0334", "\u0345", "\u093c", "\u05b0", "\u0591", "\u3099", "\u20dd", "\u0903", "\u07fd", "\u1df6"]
COMPOSED = ["\u00e9", "e\u0301", "\u1e69", "s\u0323\u0307", "s\u0307\u0323", "\u0344", "\u0958", "\u212b", "\u2126", "\ufb1f", "\u1112\u1161\u11ab", "\ud55c", "\uac00\u11a8",
            "\ufb01", "\u00bd", "\u2460", "\u337f", "\uff21", "\uff76\uff9e", "\u01c5", "\u2167", "\u0130", "\u0131", "\u00df", "\u1e9e", "\u03a3\u03a3", "\u32ff", "\U0001f16c"]
BLANKS = [" ", "  ", "\t", "\n", "\r", "\r\n", "\n\r", "\u000b", "\u000c", "\u001c", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u180e", "\u200b", "\ufeff"]
PIECES = ["\u2581", "\u2581\u2581", "\u2581a", "Ġ", "Ċ", "Ã", "##", "@@", "</w>", "<0x0A>", "<0x41>", "<0xFF>", "<unk>"]
ODD = ["\u00ad", "\u034f", "\u061c", "\u200c", "\u200d", "\u2060", "\ue000", "\U000f0000", "\U0010ffff", "\ufffd", "\ufffe", "\uffff", "\u0378", "\U0001c000", "\U00010940", "\u1c89", "\u0897",
       "\u2160", "\u24b6", "\u00b2", "\u0663", "\u203f", "_", "\u02bc", "\u00b5", "\u2e3a", "\u3007", "\U0002a6d6"]
JOINED = ["\u200d", "\u200c", "\u24b6", "\u2160", "\u00b2", "\u0301", "\u20dd", "\u203f", "\u0663", "\ue000", "\u0897"]  # is it part of a word?
ASCII = list("aabcdeeinorstz AEIOSTZ 0123456789 .,;:!?'\"-_/()[]{}<>|&%$#@*+=~^`\\")
CODE = ["func (r *Reader) Next() (b byte, err error) {\n\treturn r.buf[0], nil\n}\n", "for i := range 10 {\n        x += i  // add\n}", "if a != b && c >= d || !e {}", "https://example.org/a_b?c=1&d=%20e#f", "3.14159e-10 0x7FFF 1_000_000 12345678901234567890", "\"quoted \\n 'text'\""]


def text(r, special):
    """One text of the kind that a die chooses; special are texts of added tokens."""
    kind = r.randrange(14)
    if kind == 0:
        return "".join(r.choice(r.choice([LANGUAGES, [" ", "", "\n", ". "]])) for _ in range(r.randrange(1, 7)))
    if kind == 1:  # words of many scripts, ends cut anywhere
        words = [w for line in r.sample(LANGUAGES, 4) for w in line.split()]
        return r.choice([" ", "", "  ", "\n"]).join(w[: r.randrange(1, len(w) + 1)] for w in r.choices(words, k=r.randrange(1, 9)))
    if kind == 2:  # a run of one thing, long enough for any limit
        return r.choice(["", "a", " ", "x\n"]) + r.choice(BLANKS + ["-", "=", "7", "1234", "!", ".", "a", "ab", "é", "の", "\u2581", "'", "🙂"]) * r.choice([2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 70, 150]) + r.choice(["", "b", " ", "\n", "3"])
    if kind == 3:  # more marks than a stream-safe text may have
        return r.choice(["a", "q", "", "ö", "क", "\u1112"]) + "".join(r.choices(MARKS, k=r.choice([1, 2, 3, 5, 29, 30, 31, 32, 65]))) + r.choice(["", "b", " c", "\u0301"])
    if kind == 4:
        return "".join(r.choice(r.choice([COMPOSED, MARKS, ["a", " ", "e", "o"]])) for _ in range(r.randrange(1, 15)))
    if kind == 5:
        return "".join(chr(r.choice([r.randrange(32), r.randrange(127, 160), r.randrange(32, 127)])) for _ in range(r.randrange(1, 25)))
    if kind == 6:
        return "".join(r.choice(r.choice([BLANKS, BLANKS, ["a", "b", "Z", "1", ".", "é"]])) for _ in range(r.randrange(1, 25)))
    if kind == 7:
        return "".join(r.choice(r.choice([CONTRACTIONS, ["I", "we", "THEY", "ſ", "l", " ", "x "]])) for _ in range(r.randrange(1, 12)))
    if kind == 8:
        return "".join(r.choice(r.choice([EMOJI, [" ", "", "a", "\u200d", "\ufe0f"]])) for _ in range(r.randrange(1, 12)))
    if kind == 9 and special:  # also cut short, in words and behind one another
        parts = special + [s[:-1] for s in special] + [s.upper() for s in special] + [" ", "  ", "a", "b", "_", ".", "\n", "é", "\u0301", "\u200d"]
        return "".join(r.choice(parts) for _ in range(r.randrange(1, 12)))
    if kind == 10:
        return "".join(r.choice(r.choice([PIECES, ODD, [" ", "a", "the", "1"]])) for _ in range(r.randrange(1, 12)))
    if kind == 11:
        return "".join(chr(c) for c in (r.choice([r.randrange(0x250), r.randrange(0x3000), r.randrange(0x11000), r.randrange(0x1F000, 0x20000), r.randrange(0x110000)])
                                        for _ in range(r.randrange(1, 14))) if not 0xD800 <= c < 0xE000)
    if kind == 12:
        code = r.choice(CODE)
        at = r.randrange(len(code))
        return code[at:] + r.choice(["", "\r\n", " "]) + code[:at]
    pool = ASCII + BLANKS[:6] + special
    return "".join(r.choice(pool) for _ in range(r.randrange(40)))


def texts(count, seed, special=()):
    """So many texts; the first are the same for every kind of tokenizer."""
    r = random.Random(seed)
    fixed = ["", " ", "  ", "\n", "\u2581", "a", " a", "a ", "<unk>", "\u0301", "\x00", *LANGUAGES, *special,
             *(f"{a}{s}{b}" for s in special for a, b in [("a", "b"), (" ", " "), *((j, "") for j in JOINED), *(("", j) for j in JOINED)])]
    return fixed + [text(r, list(special)) for _ in range(count - len(fixed))]
