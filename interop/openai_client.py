"""Talk to mobilellm-serve as openai-python and curl do, streamed and not.

    python openai_client.py --bin FOLDER MODEL

Run it by run.sh.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import openai

from checks import Checks
from serving import serving

KEY = "a key of this check"
PROMPT = "The capital of France is"
CHAT = [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "What is the capital of France?"}]
GREEDY = {"temperature": 0, "max_tokens": 12}


def check_completions(c, client, name):
    where = "openai-python"
    whole = client.completions.create(model=name, prompt=PROMPT, **GREEDY)
    text = whole.choices[0].text
    c.check("completions", where, "a text", " Paris" in text and whole.usage.completion_tokens == GREEDY["max_tokens"], repr(text))
    pieces, usage = [], None
    for chunk in client.completions.create(model=name, prompt=PROMPT, stream=True, stream_options={"include_usage": True}, **GREEDY):
        pieces += [choice.text for choice in chunk.choices if choice.text]
        usage = chunk.usage or usage
    c.check("completions", where, "the same text streamed", "".join(pieces) == text and usage.total_tokens == whole.usage.total_tokens, f"{len(pieces)} pieces")
    r = client.completions.create(model=name, prompt=PROMPT, echo=True, logprobs=2, **GREEDY)
    probs = r.choices[0].logprobs
    ok = r.choices[0].text == PROMPT + text and probs.token_logprobs[0] is None and len(probs.top_logprobs[1]) == 2 and "".join(probs.tokens) == r.choices[0].text
    c.check("completions", where, "echo with log-probabilities", ok and probs.text_offset[1] == len(probs.tokens[0]), f"{len(probs.tokens)} tokens")
    r = client.completions.create(model=name, prompt=[PROMPT, "Once upon a time"], n=2, max_tokens=4, seed=1, stop=["\n"])
    c.check("completions", where, "two prompts, two choices each", [x.index for x in r.choices] == [0, 1, 2, 3])


def check_chat(c, client, name):
    where = "openai-python"
    whole = client.chat.completions.create(model=name, messages=CHAT, logprobs=True, top_logprobs=3, **GREEDY)
    answer, token = whole.choices[0].message, whole.choices[0].logprobs.content[0]
    c.check("chat", where, "an answer", answer.role == "assistant" and "Paris" in answer.content, repr(answer.content))
    c.check("chat", where, "log-probabilities", len(token.top_logprobs) == 3 and token.logprob == token.top_logprobs[0].logprob and bytes(token.bytes).decode() == token.token, repr(token.token))
    pieces, finish = [], None
    for chunk in client.chat.completions.create(model=name, messages=CHAT, stream=True, **GREEDY):
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        finish = chunk.choices[0].finish_reason or finish
    c.check("chat", where, "the same answer streamed", "".join(pieces) == answer.content and finish == whole.choices[0].finish_reason, f"{len(pieces)} pieces, {finish}")


CITY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "continent": {"enum": ["Africa", "America", "Asia", "Europe", "Oceania"]},
        "founded": {"type": "string", "format": "date"},
        "sights": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "continent", "founded", "sights"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "maxLength": 30}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"], "additionalProperties": False}}},
    {"type": "function", "function": {"name": "get_time", "description": "The time", "parameters": {"type": "object", "properties": {}}}},
]
ASK = [{"role": "user", "content": "Tell me of Paris."}]


def check_formats(c, client, name):
    """Answers that a schema shapes, whatever the sampling."""
    where = "openai-python"
    form = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}
    for what, options in (("greedy", {"temperature": 0}), ("drawn", {"temperature": 1.2, "seed": 5})):
        r = client.chat.completions.create(model=name, messages=ASK, response_format=form, max_tokens=400, **options)
        text = r.choices[0].message.content
        city = json.loads(text)
        ok = set(city) == set(CITY["required"]) and city["continent"] in CITY["properties"]["continent"]["enum"] and 1 <= len(city["sights"]) <= 3
        c.check("response_format", where, f"json_schema, {what}", ok and r.choices[0].finish_reason == "stop", text)
        pieces = [choice.delta.content for chunk in client.chat.completions.create(model=name, messages=ASK, response_format=form, max_tokens=400, stream=True, **options) for choice in chunk.choices if choice.delta.content]
        c.check("response_format", where, f"the same streamed, {what}", "".join(pieces) == text, f"{len(pieces)} pieces")
    r = client.chat.completions.create(model=name, messages=ASK, response_format={"type": "json_object"}, max_tokens=300, temperature=0)
    whole = r.choices[0].finish_reason == "stop"
    c.check("response_format", where, "json_object", r.choices[0].message.content.lstrip().startswith("{") and (not whole or isinstance(json.loads(r.choices[0].message.content), dict)), r.choices[0].message.content)


def check_tools(c, client, name):
    where = "openai-python"
    ask = {"model": name, "messages": [{"role": "user", "content": "What is the weather in Paris, in celsius?"}], "tools": TOOLS, "max_tokens": 200, "temperature": 0}
    for what, choice, names in (
        ("required", "required", {"get_weather", "get_time"}),
        ("a function", {"type": "function", "function": {"name": "get_weather"}}, {"get_weather"}),
    ):
        r = client.chat.completions.create(tool_choice=choice, parallel_tool_calls=False, **ask)
        call = r.choices[0].message.tool_calls[0]
        arguments = json.loads(call.function.arguments)
        ok = call.function.name in names and (call.function.name != "get_weather" or arguments["unit"] in ("celsius", "fahrenheit") and set(arguments) == {"city", "unit"})
        c.check("tools", where, what, ok and r.choices[0].finish_reason == "tool_calls" and call.type == "function", str(call.function))
        function, text, finish = "", "", None
        for chunk in client.chat.completions.create(tool_choice=choice, parallel_tool_calls=False, stream=True, **ask):
            for delta in chunk.choices[0].delta.tool_calls or []:
                function += delta.function.name or ""
                text += delta.function.arguments or ""
            finish = chunk.choices[0].finish_reason or finish
        c.check("tools", where, f"the same streamed, {what}", (function, text, finish) == (call.function.name, call.function.arguments, "tool_calls"), text)
    ask["max_tokens"] = 40
    r = client.chat.completions.create(**ask)
    message = r.choices[0].message
    c.check("tools", where, "auto", bool(message.content or message.tool_calls) and (r.choices[0].finish_reason == "tool_calls") == bool(message.tool_calls), str(message.tool_calls or message.content))
    r = client.chat.completions.create(tool_choice="none", **ask)
    c.check("tools", where, "none", r.choices[0].message.tool_calls is None and bool(r.choices[0].message.content), repr(r.choices[0].message.content))
    history = ask["messages"] + [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps({"city": "Paris", "unit": "celsius"})}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees, sunny"},
    ]
    r = client.chat.completions.create(**ask | {"messages": history, "tool_choice": "none"})
    c.check("tools", where, "a result goes back", bool(r.choices[0].message.content), repr(r.choices[0].message.content))


def check_mistakes(c, client, url, name):
    """A mistake is an exception of its class, and is not tried again."""
    for what, want, call in (
        ("a wrong value", openai.BadRequestError, lambda: client.completions.create(model=name, prompt=PROMPT, max_tokens=-4)),
        ("a prompt beyond the context", openai.BadRequestError, lambda: client.completions.create(model=name, prompt=[5] * 9000)),
        ("a schema that is not known whole", openai.BadRequestError, lambda: client.chat.completions.create(model=name, messages=ASK, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "integer", "minimum": 1}}})),
        ("a model that is not there", openai.NotFoundError, lambda: client.models.retrieve("another")),
        ("a wrong key", openai.AuthenticationError, lambda: openai.OpenAI(base_url=url + "/v1", api_key="wrong").models.list()),
    ):
        try:
            call()
            c.check("mistakes", "openai-python", what, False, "nothing is raised")
        except openai.APIStatusError as e:
            c.check("mistakes", "openai-python", what, type(e) is want, f"{e.status_code} {e.body['message'][:60]}")


def curl(url, *args):
    r = subprocess.run(["curl", "-sS", "--no-buffer", "--fail-with-body", "-H", f"Authorization: Bearer {KEY}", *args, url], capture_output=True, text=True)
    return r.returncode, r.stdout


def check_curl(c, url, name, text):
    body = json.dumps({"model": name, "prompt": PROMPT, **GREEDY})
    code, out = curl(url + "/v1/completions", "-d", body)
    c.check("completions", "curl", "a text", code == 0 and json.loads(out)["choices"][0]["text"] == text)
    code, out = curl(url + "/v1/completions", "-d", body[:-1] + ', "stream": true}')
    events = [e.removeprefix("data: ") for e in out.split("\n\n") if e]
    streamed = "".join(json.loads(e)["choices"][0]["text"] for e in events[:-1])
    c.check("completions", "curl", "the same text streamed", code == 0 and events[-1] == "[DONE]" and streamed == text, f"{len(events)} events")
    code, out = curl(url + "/v1/completions", "-d", body[:-1])
    c.check("mistakes", "curl", "half a request", code == 22 and json.loads(out)["error"]["type"] == "invalid_request_error")
    code, out = curl(url + "/health")
    c.check("health", "curl", "ok", code == 0 and json.loads(out) == {"status": "ok"})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    parser.add_argument("model", type=pathlib.Path)
    args = parser.parse_args()
    c = Checks()
    with tempfile.NamedTemporaryFile("w") as keys:
        keys.write(KEY + "\n")
        keys.flush()
        with serving(args.bin.resolve(), args.model, "--api-key-file", keys.name) as url:
            client = openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0)
            name = next(iter(client.models.list())).id
            check_completions(c, client, name)
            check_chat(c, client, name)
            check_formats(c, client, name)
            check_tools(c, client, name)
            check_mistakes(c, client, url, name)
            check_curl(c, url, name, client.completions.create(model=name, prompt=PROMPT, **GREEDY).choices[0].text)
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
