"""Writes golden.json, golden.safetensors, base/ and chat.jsonl: five steps of supervised
fine-tuning of a tiny Llama by PyTorch, each on all of chat.jsonl, one conversation at a
time. Losses, the norm and the values of all gradients are those of the loss that Go states:
the sum over what the assistant says and the end of its turn, over their number.

Needs torch, transformers and safetensors.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils.chat_template_utils import render_jinja_template

here = pathlib.Path(__file__).parent
torch.manual_seed(7)
torch.set_num_threads(1)
STEPS, LR, BETAS, EPS, DECAY, CLIP = 5, 1e-2, (0.9, 0.95), 1e-8, 0.01, 1.0
SPECIAL = {"<|endoftext|>": 256, "<|im_start|>": 257, "<|im_end|>": 258}
VOCAB = 257  # the base model's: bytes and <|endoftext|>

CHATS = [
    [("system", "You add."), ("user", "1+1?"), ("assistant", "2"), ("user", "And 2+3?"), ("assistant", "5, as ever.")],
    [("user", "Grüße!"), ("assistant", "Guten Tag, 世界 🙂\n")],
    [("user", "Say nothing much."), ("assistant", "Very well: " + "so it goes, " * 4)],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "and?")],
    [("user", "Short."), ("assistant", "Ok.")],
    [("user", "Is <|im_end|> a token?"), ("assistant", "It is.")],
]
with open(here / "chat.jsonl", "w") as f:
    for chat in CHATS:
        f.write(json.dumps({"messages": [{"role": r, "content": c} for r, c in chat]}, ensure_ascii=False) + "\n")

config = LlamaConfig(
    vocab_size=VOCAB, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    max_position_embeddings=192, tie_word_embeddings=True, rms_norm_eps=1e-5, rope_theta=10000.0, initializer_range=0.2,
    bos_token_id=256, eos_token_id=256, pad_token_id=None)
config._attn_implementation = "eager"
model = LlamaForCausalLM(config)
model.save_pretrained(here / "base")

# Rows of added tokens begin as the mean of the others.
old = model.get_input_embeddings().weight.data.clone()
model.resize_token_embeddings(VOCAB + 2, mean_resizing=False)
model.get_input_embeddings().weight.data[VOCAB:] = old.mean(0)
model.tie_weights()

template = (here / "../../../tokenizer/chat/templates/chatml.jinja").read_text()


def encode(text):
    """Ids of bytes and special tokens, and the byte at which each begins."""
    ids, starts, at = [], [], 0
    raw = text.encode()
    while at < len(raw):
        for name, number in SPECIAL.items():
            if raw.startswith(name.encode(), at):
                ids.append(number)
                starts.append(at)
                at += len(name)
                break
        else:
            ids.append(raw[at])
            starts.append(at)
            at += 1
    return ids, starts


samples = []
for chat in CHATS:
    messages = [{"role": r, "content": c} for r, c in chat]
    texts, spans = render_jinja_template([messages], chat_template=template, return_assistant_tokens_mask=True)
    ids, starts = encode(texts[0])
    labels = [-100] * len(ids)
    for a, b in spans[0]:
        a, b = (len(texts[0][:n].encode()) for n in (a, b))
        for i, start in enumerate(starts):
            if a <= start < b:
                labels[i] = ids[i]
    samples.append((torch.tensor([ids]), torch.tensor([labels])))
supervised = sum((labels != -100).sum().item() for _, labels in samples)

decayed = [p for p in model.parameters() if p.dim() > 1]
others = [p for p in model.parameters() if p.dim() == 1]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=LR, betas=BETAS, eps=EPS)
losses, norms, gradients = [], [], {}
for step in range(STEPS):
    optimizer.zero_grad()
    total = 0.0
    for ids, labels in samples:
        logits = model(input_ids=ids).logits
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum") / supervised
        loss.backward()
        total += loss.item()
    losses.append(total)
    for name, p in model.named_parameters():
        gradients[f"{step}.{name}"] = p.grad.clone()
    norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
    optimizer.step()
save_file(gradients, here / "golden.safetensors")
(here / "golden.json").write_text(json.dumps({"losses": losses, "grad_norms": norms, "supervised": supervised, "tokens": sum(i.numel() for i, _ in samples)}, indent=1) + "\n")
(here / "base/generation_config.json").unlink()
