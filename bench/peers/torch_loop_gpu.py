"""The training step of token classification in a bare PyTorch loop on a GPU: what is left when no trainer is in the way.

    tf32         fp32 weights, products in TF32, every batch padded to its longest sentence
    bf16         the same under autocast to bf16
    bf16-sorted  bf16, with batches of sentences of similar length, in an order of their own; for large batches

    python torch_loop_gpu.py --lengths FILE [--mode tf32,bf16,bf16-sorted] [--batch-size 32] [--steps 100] [--warmup 20]
                             [--device cpu --layers 1 --hidden 64]

Hugging Face's BERT with random weights and sdpa attention, fused AdamW with the usual decay groups, clipping to 1, a
linear schedule; batches lie on the device before the clock starts, and no loss is read back while it runs. One JSON line
a mode. Needs torch and transformers.
"""

import argparse
import json
import random
import time

import torch
import transformers

MAX_LENGTH = 128
MODES = ("tf32", "bf16", "bf16-sorted")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", required=True)
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100, help="timed steps")
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--labels", type=int, default=9)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768, help="64 a head")
    args = parser.parse_args()
    args.modes = args.mode.split(",")
    unknown = [mode for mode in args.modes if mode not in MODES]
    if unknown:
        parser.error(f"no mode {', '.join(unknown)}; expected {', '.join(MODES)}")
    return args


def groups_of(lengths, args, by_length):
    """Sentence lengths of each step's batch."""
    draw = random.Random(args.seed)
    order = list(lengths)
    draw.shuffle(order)
    if by_length:
        order.sort()
    size = min(args.batch_size, len(order))
    groups = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    draw.shuffle(groups)
    return groups


def padded(group, args, vocab_size, generator):
    width = max(group)
    mask = torch.arange(width)[None, :] < torch.tensor(group)[:, None]
    ids = torch.randint(1000, vocab_size, mask.shape, generator=generator)
    labels = torch.randint(0, args.labels, mask.shape, generator=generator)
    batch = {
        "input_ids": ids.masked_fill(~mask, 0),
        "attention_mask": mask.long(),
        "labels": labels.masked_fill(~mask, -100),
    }
    return {name: tensor.to(args.device) for name, tensor in batch.items()}, sum(group)


def optimizer_of(model, args):
    decayed, others = [], []
    for name, parameter in model.named_parameters():
        (others if name.endswith("bias") or "LayerNorm" in name else decayed).append(parameter)
    options = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(options, lr=3e-5, fused=args.device == "cuda")


def synchronize(args):
    if args.device == "cuda":
        torch.cuda.synchronize()


def run(mode, args, lengths):
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    config = transformers.BertConfig(
        hidden_size=args.hidden,
        num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 64,
        intermediate_size=4 * args.hidden,
        num_labels=args.labels,
        attn_implementation="sdpa",
    )
    model = transformers.BertForTokenClassification(config).to(args.device).train()
    optimizer = optimizer_of(model, args)
    total = args.warmup + args.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / total))
    groups = groups_of(lengths, args, by_length=mode == "bf16-sorted")
    generator = torch.Generator().manual_seed(args.seed)
    batches = [padded(group, args, config.vocab_size, generator) for group in groups[: min(len(groups), total)]]

    def step(number):
        inputs, tokens = batches[number % len(batches)]
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=mode != "tf32"):
            loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        return tokens

    for number in range(args.warmup):
        step(number)
    synchronize(args)
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    tokens = sum(step(args.warmup + number) for number in range(args.steps))
    synchronize(args)
    seconds = time.perf_counter() - started
    return {
        "mode": mode,
        "secondsPerStep": seconds / args.steps,
        "tokensPerSecond": tokens / seconds,
        "tokensPerStep": tokens / args.steps,
        "steps": args.steps,
        "batchSize": args.batch_size,
        "peakBytes": torch.cuda.max_memory_allocated() if args.device == "cuda" else 0,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "versions": {"torch": torch.__version__, "cuda": torch.version.cuda, "transformers": transformers.__version__},
    }


def main():
    args = parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("No CUDA device.")
    with open(args.lengths) as file:
        lengths = [min(length, MAX_LENGTH) for length in json.load(file)]
    for mode in args.modes:
        print(json.dumps(run(mode, args, lengths)), flush=True)


if __name__ == "__main__":
    main()
