"""One measurement of another program's inference, as JSON on standard output.

Rows as mobilellm-bench infer's: pp512, a prompt at once with the logits of its last
token; tg128, tokens one after the other; of several texts where the engine takes
them. Tokens are drawn at random, sampling and tokenizing left out.
"""
import argparse
import ctypes
import json
import random
import statistics
import time


class Llama:
    """llama.cpp through llama-cpp-python: a GGUF file, its KV cache in 16 bits as by default."""

    def __init__(self, a):
        import llama_cpp as lib
        self.lib = lib
        lib.llama_log_set(ctypes.cast(lib.llama_log_callback(lambda *_: None), lib.llama_log_callback), None)
        lib.llama_backend_init()
        start = time.perf_counter()
        p = lib.llama_model_default_params()
        self.model = lib.llama_model_load_from_file(a.model.encode(), p)
        c = lib.llama_context_default_params()
        c.n_ctx, c.n_batch, c.n_ubatch, c.n_threads, c.n_threads_batch, c.n_seq_max = a.batch * (a.prompt + a.tokens), 512, 512, a.threads, a.threads, a.batch
        c.kv_unified = True
        self.context = lib.llama_init_from_model(self.model, c)
        self.load = time.perf_counter() - start
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(512, 0, a.batch)

    def reset(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        self.at = 0

    def forward(self, rows):
        b, n = self.batch, 0
        for s, ids in enumerate(rows):
            for i, id in enumerate(ids):
                b.token[n], b.pos[n], b.n_seq_id[n], b.seq_id[n][0], b.logits[n] = id, self.at + i, 1, s, i == len(ids) - 1
                n += 1
        b.n_tokens = n
        if self.lib.llama_decode(self.context, b) != 0:
            raise SystemExit("llama_decode failed")
        self.lib.llama_get_logits_ith(self.context, n - 1)
        self.at += len(rows[0])


class Transformers:
    def __init__(self, a):
        import torch
        from transformers import AutoModelForCausalLM, DynamicCache
        self.torch, self.cache = torch, DynamicCache
        torch.set_num_threads(a.threads)
        torch.set_grad_enabled(False)
        start = time.perf_counter()
        self.model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16 if a.precision == "bf16" else torch.float32)
        self.load = time.perf_counter() - start
        self.vocab = self.model.config.vocab_size

    def reset(self):
        self.past = self.cache()

    def forward(self, rows):
        self.model(input_ids=self.torch.tensor(rows), past_key_values=self.past, use_cache=True, logits_to_keep=1)


class OpenVINO:
    """optimum-intel's model of an exported folder, see infer_compare.py."""

    def __init__(self, a):
        import torch
        from optimum.intel import OVModelForCausalLM
        self.torch = torch
        start = time.perf_counter()
        self.model = OVModelForCausalLM.from_pretrained(a.model, ov_config={
            "INFERENCE_PRECISION_HINT": "bf16" if a.precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": str(a.threads), "PERFORMANCE_HINT": "LATENCY"})
        self.load = time.perf_counter() - start
        self.vocab = self.model.config.vocab_size

    def reset(self):
        self.past, self.seen = None, 0

    def forward(self, rows):
        ids = self.torch.tensor(rows)
        self.seen += ids.shape[1]
        out = self.model(input_ids=ids, attention_mask=self.torch.ones(ids.shape[0], self.seen, dtype=self.torch.long), past_key_values=self.past)
        self.past = out.past_key_values


def main():
    p = argparse.ArgumentParser()
    engines = {"llama.cpp": Llama, "transformers": Transformers, "OpenVINO": OpenVINO}
    p.add_argument("--engine", choices=engines, required=True)
    p.add_argument("--model", required=True, help="a GGUF file for llama.cpp, else a folder")
    p.add_argument("--precision", choices=["bf16", "float32"], required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--tokens", type=int, default=128)
    p.add_argument("--batch", type=int, default=1, help="texts at once")
    p.add_argument("--repeats", type=int, default=3)
    a = p.parse_args()
    engine, draw = engines[a.engine](a), random.Random(1)

    def row(test, prompt, tokens):
        speeds = []
        for run in range(a.repeats + 1):
            engine.reset()
            texts = [[[draw.randrange(engine.vocab) for _ in range(n)] for _ in range(a.batch)] for n in ([prompt] if prompt else [1] * tokens)]
            start = time.perf_counter()
            for rows in texts:
                engine.forward(rows)
            if run > 0:
                speeds.append(a.batch * (prompt + tokens) / (time.perf_counter() - start))
        return {"test": test, "batch": a.batch, "tokens_per_second": statistics.mean(speeds)}

    rows = [row(f"pp{a.prompt}", a.prompt, 0)] if a.batch == 1 else []
    rows.append(row(f"tg{a.tokens}", 0, a.tokens))
    print(json.dumps({"engine": a.engine, "load_seconds": engine.load, "rows": rows}))


main()
