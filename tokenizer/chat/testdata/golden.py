"""Writes golden.json: conversations and snippets rendered by transformers'
apply_chat_template, which tests compare with. Needs transformers; gguf and the
model in ~/.cache/mobilellm/smollm2 for SmolLM2's own template."""

import datetime
import json
import os
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).resolve().parent
NOW = datetime.datetime(2026, 3, 7, 14, 5, 9)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
SMOLLM2 = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "mobilellm/smollm2/smollm2.gguf"


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1}, "<s>")), **TOKENS)


def m(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, id="abc123def"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}}


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place <b>now</b> & soon\nin words, l'été aussi",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "a town, 東京 or \u2028"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "array", "items": {"type": "integer"}},
                "at": {"type": "object", "properties": {"z": {"type": ["number", "null"]}, "a": {"type": "boolean"}}, "required": ["a"]},
                "limit": {"type": "number", "minimum": 0.5, "maximum": 1e22, "default": 3.0},
            },
            "required": ["place"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {}}}

U, A, S = (lambda c, r=r: m(r, c) for r in ("user", "assistant", "system"))
CALLS = [U("Weather?"), m("assistant", None, tool_calls=[call("weather", {"place": "Zürich", "unit": "celsius"})]),
         m("tool", "12 °C", tool_call_id="abc123def", name="weather")]
CONVERSATIONS = {
    "one": dict(messages=[U("Hello")]),
    "prompt": dict(messages=[U("Hello")], add_generation_prompt=True),
    "system": dict(messages=[S("Be brief."), U("Hello")], add_generation_prompt=True),
    "turns": dict(messages=[U("a"), A("b"), U("c"), A("d")]),
    "system turns": dict(messages=[S("S"), U("a"), A("b"), U("c")], add_generation_prompt=True),
    "empty": dict(messages=[U(""), A(""), U("")], add_generation_prompt=True),
    "empty system": dict(messages=[S(""), U("x")]),
    "no messages": dict(messages=[]),
    "white space": dict(messages=[S("  s \n"), U("\n a\tb \n\n"), A("  c  "), U("d\r\ne")], add_generation_prompt=True),
    "unicode": dict(messages=[U("Grüße, 世界 👋🏽 \u200d \u2028 \x07 'q' \"d\" \\ <&>"), A("e\u0301 🇨🇭")], add_generation_prompt=True),
    "markup": dict(messages=[U("{{ 7*7 }} {% raw %} <|im_end|></s> {# c #}"), A("[INST] ### Response:")]),
    "two users": dict(messages=[U("a"), U("b")]),
    "assistant first": dict(messages=[A("a"), U("b")]),
    "late system": dict(messages=[U("a"), S("b"), U("c")]),
    "odd role": dict(messages=[m("critic", "a")]),
    "parts": dict(messages=[m("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], add_generation_prompt=True),
    "tools": dict(messages=[U("Weather?")], tools=[WEATHER, CLOCK], add_generation_prompt=True),
    "tools system": dict(messages=[S("Be brief."), U("Weather?")], tools=[WEATHER], add_generation_prompt=True),
    "call": dict(messages=CALLS, tools=[WEATHER], add_generation_prompt=True),
    "called": dict(messages=[*CALLS, A("Cool."), U("Thanks")], tools=[WEATHER], add_generation_prompt=True),
    "two calls": dict(messages=[U("?"), m("assistant", "Let me see.", tool_calls=[call("clock", {}), call("weather", {"place": "a\"b"}, "id2345678")]),
                                m("tool", "12:00", tool_call_id="abc123def"), m("tool", "rain", tool_call_id="id2345678")], add_generation_prompt=True),
    "bad id": dict(messages=[U("?"), m("assistant", "", tool_calls=[call("clock", {}, "short")])]),
    "thinking": dict(messages=[U("1+1"), m("assistant", "2", reasoning_content="\nadd them\n")]),
    "thought": dict(messages=[U("1+1"), A("<think>\nhm\n</think>\n\n2"), U("and 2+2?")], add_generation_prompt=True),
    "no thinking": dict(messages=[U("1+1")], add_generation_prompt=True, variables={"enable_thinking": False}),
    "effort": dict(messages=[U("1+1")], add_generation_prompt=True, variables={"reasoning_effort": "high", "date_string": "1 Jan 2030"}),
}

# Small templates, each of a feature.
SNIPPETS = [
    # white space
    "a\n{% if true %}\n  b\n{% endif %}\nc\n", "  {% if true %}x{% endif %}  \n y", "x {%- if true -%} \n y \n{%- endif %} z",
    "a {# c #} b\n  {# c #}\nd", "  {%+ if true %}x{% endif +%}\ny", "{{ 1 }}\n{{ 2 }}\n", "{% set a %}\n b\n{% endset %}[{{ a }}]",
    "a\r\n{% if true %}\r\nb{% endif %}\rc", "{% for i in [1,2] %}\n  {{ i }}\n  {% endfor %}\nz", "{#- a -#}\n x\n{#- b #} y",
    "{% raw %}{{ x }}{% y %}{% endraw %}", "  {% raw %}\n {{ a }}\n  {% endraw %}\nb", "{% raw -%}  x  {%- endraw %} y", "\n\n{% if true %}\n\nx{% endif %}\n\n",
    "\t{% set x = 1 %}\t{{ x }}", "{{ '  ' }}\u00a0{%- if true %}x{% endif %}", "a{{- ' b ' -}} c", "x{% if true %}{% endif %}\n{% if true %}  {% endif %}y",
    # scopes
    "{% set x = 0 %}{% for i in [1,2,3] %}{{ x }}{% set x = i %}{% endfor %}{{ x }}", "{% for i in [1,2] %}{% if i == 1 %}{% set y = 7 %}{% endif %}[{{ y }}]{% endfor %}",
    "{% set n = namespace(a=0) %}{% for i in [1,2,3] %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}", "{% for i in [1] %}{% endfor %}[{{ i }}]",
    "{% if true %}{% set q = 3 %}{% endif %}{{ q }}", "{% set i = 9 %}{% for i in [1,2] %}{{ i }}{% endfor %}{{ i }}", "{% set a, b = 1, 'x' %}{{ b }}{{ a }}",
    "{% set d = {} %}{% set d.x = 1 %}", "{% for i in [1,2] %}{% for j in 'ab' %}{% set k = i %}{{ loop.index }}{{ j }}{{ k }}{% endfor %}{{ loop.index }}[{{ k }}]{% endfor %}",
    # loops
    "{% for x in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ x }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for k, v in {'b': 1, 'a': [2]}.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}", "{% for x in range(6) if x % 2 %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% for k, v in {'b': 1, 'a': 2}.items() if v > 1 %}{{ k }}{{ loop.last }}{% endfor %}", "{% for x in [1,2,3] %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in range(5, 0, -2) %}{{ x }}{% endfor %}{{ range(3)|list }}", "{% for a, b in [[1, 2], (3, 4)] %}{{ a * b }} {% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in missing %}a{% else %}b{% endfor %}",
    # expressions
    "{{ 1 + 2 * 3 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** -1 }} {{ 1e0 if false else 1.5 * 2 }}", "{{ 1 + 2 ~ 3 }} {{ 'a' ~ 1 + 0 }}", "{{ '1' ~ 2 * 3 ~ none ~ true }}",
    "{{ 10 / 5 }} {{ 0.1 + 0.2 }} {{ 1.0 }} {{ 1e16 * 1.0 }} {{ 0.00001 }} {{ 100000000000000000.0 }}", "{{ 'x' * 3 }} {{ 3 * 'ab' }} {{ [1] + [2, 3] }}", "{{ 'a' + none }}", "{{ none + 'a' }}", "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ missing + 'a' }}",
    "{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 'a' < 'b' }} {{ '10' < '9' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 1 }}", "{{ 1 < 'a' }}", "{{ not true or true and false }} {{ not 1 == 2 }} {{ 1 if 0 }}|{{ 1 if 0 else 2 if 0 else 3 }}",
    "{{ 'a' in 'abc' }} {{ 'k' in {'k': 1} }} {{ 2 not in [1, 2] }} {{ not 2 in [1] }}", "{{ 'a' in none }}", "{{ [1, 'a', none, true, 1.5, 'it''s', {'k': 'v'}] }}", "{{ \"it's\" }} {{ [\"it's\", 'q\"', '\\n\\t\\\\', '\u00e9\u200b\\x00'] }}",
    "{{ 'a' 'b' }} {{ '\\u00e9\\x41\\'' }} {{ \"\\d\" }}", "{{ (1, 2) | length }} {{ [1, 2, 3][-1] }} {{ [1, 2][5] }} {{ 'abc'[1] }} {{ {'a': {'b': 3}}['a'].b }}", "{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ [1,2,3,4][::2] }} {{ [1,2,3][5:] }} {{ 'abc'[:-1] }} {{ [1,2,3,4][3:0:-1] }} {{ 'é世界'[1:] }}",
    "{{ missing }} {{ missing is defined }} {{ messages is defined }}", "{{ missing.x }}", "{{ missing['x'] }}", "{{ {}.x }}|{{ {}['x'] is defined }}|{{ none.x }}", "{{ {}.x.y }}", "{{ missing() }}", "{{ -3 | abs }} {{ -3.5 | abs }} {{ 3 | abs + 1 }}", "{{ true and 'x' or 'y' }} {{ '' or 'z' }} {{ 0 and 1 }}", "{{ 'a' is string is true }}", "{{ 1 / 0 }}", "{{ 5 % 0 }}", "{{ dict(b=1, a='x') }} {{ dict(a=2)['a'] }}", "{{ {'a': 1,} }} {{ [1,] }}", "{{ 1_000 }}", "{{ none }} {{ true }} {{ True }} {{ None }}",
    # tests
    "{{ 1 is odd }} {{ 2 is even }} {{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ none is none }} {{ 'a' is not none }} {{ [] is sequence }} {{ 'a' is sequence }} {{ {} is mapping }} {{ {} is iterable }} {{ 1 is iterable }} {{ 1 is number }} {{ true is number }} {{ 1.5 is float }} {{ 1 is integer }} {{ true is boolean }} {{ true is true }} {{ 1 is true }} {{ 'A' is upper }} {{ 1 is eq 1 }} {{ 2 is gt 1 }} {{ 1 is in [1] }} {{ 1 is sameas 1 }} {{ 3 is ne 2 }} {{ [1, 2, 3] | select('>', 1) | list }}",
    "{{ x is undefined }} {{ not x is defined }} {{ x is not defined and true }}", "{% if not date is defined %}a{% endif %}", "{{ 1 is nonsense }}",
    # filters
    "{{ '  a b ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'Ab cD' | upper }}|{{ 'Ab cD' | lower }}|{{ 'ab CD' | title }}|{{ 'ab CD' | capitalize }}", "{{ 'a-b-c' | replace('-', '+') }} {{ 'a-b-c' | replace('-', '+', 1) }}", "{{ [1, 2] | join(', ') }} {{ 'abc' | join('-') }} {{ [{'n': 'x'}, {'n': 'y'}] | join('/', attribute='n') }} {{ [none, 1.0] | join('|') }}",
    "{{ [3, 1, 2] | sort | join }} {{ [1, 2, 3] | first }} {{ [1, 2, 3] | last }} {{ 'abc' | first }} {{ [] | first }}|{{ 'abc' | last }} {{ 'é世' | length }} {{ {'a': 1} | length }}", "{{ none | length }}", "{{ 'abc' | list }} {{ {'b': 1} | list }} {{ 'abc' | reverse }}", "{{ missing | default('d') }} {{ none | default('d') }} {{ '' | default('d', true) }} {{ '' | default('d', boolean=true) }} {{ missing | d(3) }}",
    "{{ [{'a': 1}, {'a': 0}, {}] | selectattr('a') | list }} {{ [{'a': 1}, {'a': 2}] | selectattr('a', 'equalto', 2) | list }} {{ [{'a': 1}, {'b': 2}] | rejectattr('a', 'defined') | list }}", "{{ [0, 1, 2] | select | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, 3] | reject('odd') | list }} {{ ['a', 1] | reject('string') | list }}", "{{ [' a', 'b '] | map('trim') | join }} {{ [{'a': {'b': 1}}] | map(attribute='a.b') | list }} {{ [{}] | map(attribute='a', default=0) | list }} {{ ['a'] | map('upper') | list }}",
    "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(width=1, blank=true) }}", "{{ '42' | int + 1 }} {{ 'x' | int }} {{ 3.9 | int }} {{ 1 | string + 'a' }} {{ none | string }}", "{% for k, v in {'b': 1, 'a': 2} | items %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}", "{{ [1, 2] | items | list }}", "{{ 1 | nonsense }}", "{{ [1, 2, 2, 1] | unique | list }} {{ [1, 5, 2] | max }} {{ [1, 5, 2] | min }} {{ [1, 2] | sum }}", "{{ 'a' | safe }}", "{% filter upper %}a{{ 'b' }}{% endfilter %}", "{% set x | trim %}  y  {% endset %}[{{ x }}]", "{{ [[1, 2], [3]] | map('length') | list }} {{ [[1, 2], [3]] | map('first') | list }}",
    "{{ '%s-%d%%%c' | format(none, 3, 233) }} {{ '%s' | format('a') }}", "{{ '%s' | format }}", "{{ 'a' | format(1) }}", "{{ '%d' | format('a') }}",
    # tojson
    "{{ {'b': [1, 2.0, true, none, 'é<>&\\'\"\\\\\\n\\u2028\\x07\\x7f'], 'a': {}, 'c': []} | tojson }}", "{{ {'b': [1, {'x': 'y'}], 'a': {}, 'c': []} | tojson(indent=2) }}", "{{ {'b': 1, 'a': 'é👋'} | tojson(sort_keys=true, ensure_ascii=true, separators=(',', ':')) }}", "{{ [] | tojson(indent=4) }} {{ [1] | tojson(indent=0) }}", "{{ missing | tojson }}", "{{ 'x' | tojson }} {{ 1e100 | tojson if false else 1.5e300 | tojson }} {{ (1, 2) | tojson }}", "{{ messages | tojson(indent=1) }}",
    # methods
    "{{ ' a '.strip() }}|{{ 'xax'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ '\\n\\na\\n'.strip('\\n') }}", "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a\\nb\\r\\nc\\n'.splitlines() }}", "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.replace('b', '') }} {{ 'aXb'.upper() }} {{ 'aXb'.lower() }} {{ 'ab cd'.title() }} {{ 'aBc'.capitalize() }}", "{{ ', '.join(['a', 'b']) }} {{ 'abcabc'.count('b') }} {{ 'ébc'.find('b') }} {{ 'abc'.find('x') }} {{ 'a-b'.removeprefix('a-') }} {{ 'a-b'.removesuffix('-b') }}", "{{ '{} {1} {x}'.format(1, 2, x=3) if false else '{}-{}'.format('a', 1) }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{x}{{}}'.format(x=1.0) }}",
    "{{ {'a': 1}.get('a') }} {{ {}.get('x') }} {{ {}.get('x', 'y') }} {{ {'b': 1, 'a': 2}.keys() | list }} {{ {'b': 1, 'a': 2}.values() | list }}", "{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }}", "{{ [].append(1) }}", "{{ 'a'.nonsense() }}", "{{ '12'.isdigit() }} {{ 'a1'.isalpha() }} {{ ' '.isspace() }} {{ 'A'.isupper() }}", "{{ {'items': 3}.items() | length }} {{ {'items': 3}['items'] }}",
    # macros
    "{% macro f(a, b='x, y', c=[1, 2]) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}", "{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}x{% endcall %}", "{% macro f(x) %}\n  {{- x -}}\n{% endmacro %}\n[{{ f('a') }}]", "{% macro f() %}{{ g }}{% endmacro %}{% set g = 1 %}{{ f() }}", "{% macro f(a) %}{% for c in a %}{{ c }},{% endfor %}{% endmacro %}{{ f('xy') | upper }}",
    "{% macro f() %}{% call(x) g('q') %}{{ x }}!{% endcall %}{% endmacro %}{% macro g(a) %}[{{ caller(a) }}]{% endmacro %}{{ f() }}",
    # transformers' own
    "{{ raise_exception('no: ' ~ 1) }}", "{{ strftime_now('%Y-%m-%d %H:%M:%S %A %a %B %b %j %y %I %p %%') }} {{ strftime_now('%-d %-m') }}", "{{ bos_token }}{{ eos_token }}", "{{ tools }} {{ documents }} {{ add_generation_prompt }}", "{{ namespace(a=1).a }}", "{% set n = namespace() %}{% set n.x = 'a' %}{{ n.x }}", "{% for m in messages %}{{ m }}{% endfor %}", "{% for m in messages %}{{ m.keys() | list }}{{ m['content'] }}{% endfor %}",
    # errors
    "{% if %}", "{{ 1 + }}", "{% for x in %}{% endfor %}", "{% if true %}", "{% endif %}", "{{ 'a }}", "{{ a b }}", "{% nonsense %}", "{{ (1 }}", "{{ ) }}", "{{ 1", "{% set = 1 %}", "{% else %}", "{# a", "{{ @ }}", "{{ [1 2] }}", "{% macro %}{% endmacro %}", "{% raw %}x",
]

# Templates with generation blocks.
GENERATION = ["chatml", "llama-2", "alpaca", "vicuna"]


def normal(message):
    """A message as package chat gives it to a template."""
    message = dict(message)
    content = message.get("content")
    if content is None:
        message["content"] = ""
    elif isinstance(content, list):
        message["content"] = "\n".join(p["text"] for p in content)
    if "tool_calls" in message:
        message["tool_calls"] = [
            {"type": "function", "function": {"name": c["function"]["name"], "arguments": json.loads(c["function"]["arguments"])}, "id": c["id"]}
            for c in message["tool_calls"]
        ]
    return message


def render(template, case):
    messages = [normal(x) for x in case["messages"]]
    try:
        # A list of two conversations, as an empty one alone is taken for no conversation.
        text = tokenizer.apply_chat_template(
            [messages, [m("user", "x")]] if not messages else messages, tools=case.get("tools"), chat_template=template, tokenize=False,
            add_generation_prompt=case.get("add_generation_prompt", False), **case.get("variables", {}))
        return {"text": text if messages else text[0]}
    except Exception as error:
        return {"error": str(error), "raised": type(error).__name__ == "TemplateError"}


def spans(template, case):
    messages = [normal(x) for x in case["messages"]]
    texts, indices = chat_template_utils.render_jinja_template(
        [messages], chat_template=template, return_assistant_tokens_mask=True,
        add_generation_prompt=case.get("add_generation_prompt", False), **TOKENS)
    size = lambda n: len(texts[0][:n].encode())
    return [{"start": size(a), "end": size(b)} for a, b in indices[0]]


def main():
    templates = {p.stem: p.read_text() for folder in ("templates", "../templates") for p in sorted((HERE / folder).glob("*.jinja"))}
    if SMOLLM2.exists():
        import gguf

        templates["smollm2"] = str(bytes(gguf.GGUFReader(SMOLLM2).fields["tokenizer.chat_template"].parts[-1]), "utf8")
    cases = []
    for name, template in templates.items():
        for conversation, case in CONVERSATIONS.items():
            result = render(template, case)
            if name in GENERATION and "text" in result and case["messages"]:
                result["spans"] = spans(template, case)
            cases.append({"template": name, "conversation": conversation, **result})
    snippet = dict(messages=[m("user", "é 'x'", name="n"), m("assistant", "b")])
    (HERE / "golden.json").write_text(json.dumps({
        "now": NOW.isoformat(),
        "tokens": TOKENS,
        "conversations": CONVERSATIONS,
        "cases": cases,
        "snippet_messages": snippet["messages"],
        "snippets": [{"source": s, **render(s, snippet)} for s in SNIPPETS],
    }, indent=1, ensure_ascii=False) + "\n")


main()
