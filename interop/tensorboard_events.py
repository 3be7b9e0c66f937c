"""Check that TensorBoard reads the event files of a run as its metrics.jsonl has them.

Run it by tensorboard.sh.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

CONFIG = """model: {vocab_size: 257, layers: 2, dim: 32, heads: 4, kv_heads: 2, ffn_dim: 64, context: 32}
data: {train: text.txt, tokenizer: bytes, seq: 32}
optim: {lr: 3e-3, warmup_steps: 2}
train: {steps: 8, batch: 4, micro_batch: 2}
eval: {every: 2, samples: ["a deep"]}
checkpoint: {every: 4}
"""
failed = 0


def check(what, ok, detail=""):
    global failed
    failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'} tensorboard: {what}{f' ({detail})' if detail else ''}", flush=True)


def golden(path):
    """Events by TensorBoard's own protocol buffers and record writer."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "wb") as f:
        w = RecordWriter(f)
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        text = summary_pb2.Summary.Value(tag="samples/1", tensor=tensor_util.make_tensor_proto(["what a model\nwrote"]))
        text.metadata.plugin_data.plugin_name = "text"
        for e in [
            event_pb2.Event(wall_time=1.7e9, file_version="brain.Event:2"),
            event_pb2.Event(wall_time=1.7e9 + 0.5, step=11, session_log=start),
            event_pb2.Event(wall_time=1.7e9 + 1, step=11, summary=summary_pb2.Summary(value=[
                summary_pb2.Summary.Value(tag="train/loss", simple_value=1.5), summary_pb2.Summary.Value(tag="train/lr", simple_value=-2)])),
            event_pb2.Event(wall_time=1.7e9 + 2, step=12, summary=summary_pb2.Summary(value=[text])),
        ]:
            w.write(e.SerializeToString())


def read(folder):
    a = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    a.Reload()
    return a


def hparams(a, tag):
    content = a.SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def compare(name, folder, run):
    a = read(folder)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [r for r in records if "loss" in r]
    for key, tag in {"loss": "train/loss", "lr": "train/lr", "grad_norm": "train/grad_norm", "tokens_per_second": "speed/tokens_per_second", "mfu": "speed/mfu", "memory_bytes": "speed/memory_bytes"}.items():
        got = [(e.step, e.value) for e in a.Scalars(tag)]
        want = [(r["step"], r[key]) for r in steps]
        check(f"{name}: {tag}", len(got) == len(want) and all(s == t and abs(x - y) <= 1e-6 * abs(y) for (s, x), (t, y) in zip(got, want)), f"{len(got)} steps")
    heldout = [(r["step"], r["heldout_loss"]) for r in records if "heldout_loss" in r]
    got = [(e.step, e.value) for e in a.Scalars("heldout/loss")]
    check(f"{name}: heldout/loss", [s for s, _ in got] == [s for s, _ in heldout] and all(abs(x - y) < 1e-6 for (_, x), (_, y) in zip(got, heldout)), f"{len(got)} scorings")
    texts = [(e.step, tensor_util.make_ndarray(e.tensor_proto)[0].decode()) for e in a.Tensors("samples/1")]
    samples = [(r["step"], r["samples"][0]) for r in records if "samples" in r]
    want = {step: "    " + (one["prompt"] + one["text"]).replace("\n", "\n    ") for step, one in samples}
    check(f"{name}: samples", dict(texts) == want and want, f"{len(texts)} texts")  # TensorBoard keeps those that were made again twice
    start = hparams(a, "session_start_info").session_start_info
    check(f"{name}: hparams", start.hparams["optim.lr"].number_value == 3e-3 and start.hparams["data.tokenizer"].string_value == "bytes" and start.hparams["model.share_embedding"].bool_value, f"{len(start.hparams)} keys")
    experiment = hparams(a, "experiment").experiment
    check(f"{name}: experiment", [m.name.tag for m in experiment.metric_infos] == ["heldout/loss", "train/loss"] and {h.name for h in experiment.hparam_infos} == set(start.hparams))
    check(f"{name}: its end", hparams(a, "session_end_info").session_end_info.status == 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path)
    args = parser.parse_args()
    if args.golden:
        return golden(args.golden)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "tiny.yaml").write_text(CONFIG)
        (work / "text.txt").write_text("a deep and thin model reads this line\n" * 300)

        def train(*words):
            subprocess.run([args.train, *words], cwd=work, check=True, capture_output=True)

        run = work / "run"
        train("--config", "tiny.yaml", "--out", "run")
        shutil.rmtree(run / "checkpoints" / "step-00000008")
        before = len(read(run).Scalars("train/loss"))
        train("--resume", "run")
        files = list(run.glob("events.out.tfevents.*"))
        check("a run, and what was made again", before == 8 and len(files) == 2, f"{before} steps, {len(files)} files")
        compare("resumed", run, run)
        train("report", "--tensorboard", "run", "--out", "after")
        compare("written afterwards", work / "after" / "run", run)
    print(f"{failed} failed")
    sys.exit(failed > 0)


main()
