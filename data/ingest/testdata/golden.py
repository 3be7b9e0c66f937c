"""Writes pythonjson.jsonl: what Python's json module makes of lines.

Of each line "text" is the string that json.loads(line)["text"] gives, null where
that fails or is no string.
"""

import json

LINES = [
    '{"text": "plain"}',
    ' \t{"text" : "blanks around"} \r',
    '{"text": "first", "text": "last of two"}',
    '{"text": "exact", "Text": "other case", "TEXT": "all capitals"}',
    '{"Text": "only the other case"}',
    '{"te\\u0078t": "an escaped key"}',
    '{"text": "exact", "te\\u0078t": "the escaped key comes last"}',
    '{"text": "numbers", "a": NaN, "b": Infinity, "c": -Infinity, "d": -0.5e+10, "e": 1E5, "f": -0}',
    '{"text": "others", "a": null, "b": [true, false, [], {}], "c": {"text": "inner"}}',
    '{"a": {"text": "inner only"}}',
    '{"text": null}',
    '{"text": 5}',
    '{"text": ["a"]}',
    '{"text": NaN}',
    '"text"',
    '["text"]',
    'null',
    '{"text": "escapes \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9 \\u20ac"}',
    '{"text": "a pair \\ud83d\\ude00 and raw \U0001f600"}',
    '{"text": "a control character \x01"}',
    '{"text": "a tab \t"}',
    '{"text": "delete \x7f is none"}',
    '{"text": "a wrong escape \\x41"}',
    '{"text": "a short escape \\u12"}',
    '{"text": "comma",}',
    '{"text": "list", "a": [1,]}',
    '{"text": "list", "a": [,1]}',
    '{"text": "number", "a": 01}',
    '{"text": "number", "a": 1.}',
    '{"text": "number", "a": .5}',
    '{"text": "number", "a": +1}',
    '{"text": "number", "a": 1e}',
    '{"text": "number", "a": -}',
    '{"text": "number", "a": -NaN}',
    '{"text": "word", "a": nan}',
    '{"text": "word", "a": nul}',
    '{"text": "word", "a": True}',
    '{text: "no quotes"}',
    "{'text': 'single quotes'}",
    '{"text" "no colon"}',
    '{"text": "cut short"',
    '{"text": "cut sho',
    '{"text": "two"} {"text": "values"}',
    '{"text": "behind"} x',
    '{"text": ""}',
    '{}',
    '{"text": "comment"} // no',
    '\u00a0{"text": "another blank"}',
]

with open("pythonjson.jsonl", "w", encoding="utf-8") as out:
    for line in LINES:
        try:
            text = json.loads(line)["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            text = None
        out.write(json.dumps({"line": line, "text": text}) + "\n")
