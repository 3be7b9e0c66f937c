"""One measurement of PyTorch's training step, as JSON on standard output.

The same model as mobilellm-bench's (transformers' LLaMA; a layer that is shared
is the same module called again), batch, precision and number of threads: forward
under autocast, backward, gradient clipping, fused AdamW, attention by
scaled_dot_product_attention.
"""
import argparse
import json
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def model(c):
    config = LlamaConfig(
        vocab_size=c["vocab_size"], hidden_size=c["dim"], intermediate_size=c["ffn_dim"],
        num_hidden_layers=c["layers"], num_attention_heads=c["heads"], num_key_value_heads=c["kv_heads"],
        head_dim=c["head_dim"], max_position_embeddings=c["context"], tie_word_embeddings=c["share_embedding"],
        use_cache=False, attn_implementation="sdpa",
    )
    m = LlamaForCausalLM(config)
    order = c["schedule"]
    if len(order) != c["layers"]:
        layers = m.model.layers
        m.model.layers = torch.nn.ModuleList([layers[i] for i in order])
        m.config.num_hidden_layers = len(order)
    return m


def peak_memory(device):
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return total - free
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True, help="the model's config as JSON")
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--seq", type=int, required=True)
    p.add_argument("--precision", choices=["bf16", "float32"], required=True)
    p.add_argument("--compile", action="store_true")
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--warm-up", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    m = model(json.loads(a.model)).to(a.device)
    m.train()
    decay = [x for x in m.parameters() if x.dim() > 1]
    rest = [x for x in m.parameters() if x.dim() < 2]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0}],
                            lr=1e-3, betas=(0.9, 0.95), fused=True)
    run = torch.compile(m) if a.compile else m
    tokens = torch.randint(0, m.config.vocab_size, (a.batch, a.seq), device=a.device)

    def step():
        with torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.precision == "bf16"):
            loss = run(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        return loss.item()

    start = time.time()
    for _ in range(a.warm_up):
        step()
    first = time.time() - start
    times = []
    for _ in range(a.steps):
        start = time.time()
        step()
        times.append(time.time() - start)
    print(json.dumps({
        "tokens_per_second": a.batch * a.seq / statistics.median(times), "step_seconds": times,
        "peak_bytes": peak_memory(a.device), "start_seconds": first, "torch": torch.__version__,
    }))


main()
