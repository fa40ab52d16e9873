"""The training step that `permafrost bench` measures, in Python on the CPU.

Hugging Face's BertForTokenClassification where Transformers is installed, else the same model from PyTorch's
modules. AdamW (fused where PyTorch has it), gradients clipped at norm 1, dropout 0.1, random weights.

    pad128    every sentence filled to 128 tokens
    longest   filled to the longest sentence of the batch
    sorted    batches of sentences of similar length, filled to the longest; since its batches differ in size,
              its seconds are per token, times the tokens of an average unsorted batch

    python hf_step.py --lengths FILE [--mode pad128,longest,sorted] [--shape bert-base] [--freeze bottom-up:6]
                      [--batch-size 32] [--steps 10] [--warmup 2] [--threads N]

The modes take turns, step by step. One JSON line a mode.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import time

import torch

from batches import MAX_LENGTH, batch_lengths, read_lengths

MODES = ("pad128", "longest", "sorted")
SHAPES = {
    "tiny": dict(layers=4, hidden=64, heads=2, intermediate=256),
    "mini": dict(layers=12, hidden=128, heads=4, intermediate=512),
    "bert-base": dict(layers=12, hidden=768, heads=12, intermediate=3072),
    "bert-large": dict(layers=24, hidden=1024, heads=16, intermediate=4096),
}
DROPOUT = 0.1
# Batches that are sorted together, as Hugging Face's group_by_length does.
SORTED_POOL = 50


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", required=True)
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--shape", choices=SHAPES, default="bert-base")
    parser.add_argument("--freeze", default="full", help="full, bottom-up:K or top-down:K")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--vocab-size", type=int, default=30522)
    parser.add_argument("--labels", type=int, default=9)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--plain-torch", action="store_true", help="PyTorch's modules even where Transformers is installed")
    args = parser.parse_args()
    args.modes = args.mode.split(",")
    unknown = [mode for mode in args.modes if mode not in MODES]
    if unknown:
        parser.error(f"no mode {', '.join(unknown)}; expected {', '.join(MODES)}")
    return args


def transformers_of(args):
    if args.plain_torch:
        return None
    try:
        import transformers
    except ImportError:
        return None
    return transformers


def create_model(args, transformers):
    """Returns the model, its loss as a function of a batch, its embeddings' parameters and its layers."""
    shape = SHAPES[args.shape]
    if transformers is None:
        from torch_bert import TorchBert

        model = TorchBert(vocab=args.vocab_size, labels=args.labels, dropout=DROPOUT, **shape)
        return model, lambda batch: model(**batch), list(model.embedding_parameters()), model.layers
    config = transformers.BertConfig(
        vocab_size=args.vocab_size,
        hidden_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["intermediate"],
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
        num_labels=args.labels,
        attn_implementation=args.attention,
    )
    model = transformers.BertForTokenClassification(config)
    embeddings = list(model.bert.embeddings.parameters())
    return model, lambda batch: model(**batch).loss, embeddings, model.bert.encoder.layer


def freeze(strategy, embeddings, layers):
    if strategy == "full":
        return
    name, _, k = strategy.partition(":")
    if name not in ("bottom-up", "top-down") or not k.isdigit() or int(k) > len(layers):
        raise SystemExit(f"--freeze {strategy}: expected full, bottom-up:K or top-down:K, K up to {len(layers)}")
    frozen = layers[: int(k)] if name == "bottom-up" else layers[len(layers) - int(k) :]
    for parameter in [*embeddings, *(p for layer in frozen for p in layer.parameters())]:
        parameter.requires_grad_(False)


def adamw(parameters):
    options = dict(lr=3e-5, weight_decay=0.01)
    try:
        return torch.optim.AdamW(parameters, fused=True, **options), "fused"
    except (TypeError, RuntimeError):
        return torch.optim.AdamW(parameters, **options), "default"


def padded_batch(lengths, width, args, generator):
    """Random ids and labels; the first and the last token of a sentence have no label, and neither has padding."""
    size = (len(lengths), width)
    positions, ends = torch.arange(width), torch.tensor(lengths)[:, None]
    mask = (positions < ends).long()
    labels = torch.randint(0, args.labels, size, generator=generator)
    inner = (positions > 0) & (positions < ends - 1) | (ends < 3) & (positions < ends)
    return {
        "input_ids": torch.randint(1, args.vocab_size, size, generator=generator) * mask,
        "attention_mask": mask,
        "labels": labels.masked_fill(~inner, -100),
    }


def sorted_batches(lengths, args):
    """Batches spread evenly over a pool of sentences sorted by length."""
    pool = batch_lengths(lengths, args.batch_size, max(SORTED_POOL, args.steps), args.seed)
    flat = sorted(length for batch in pool for length in batch)
    cut = [flat[i : i + args.batch_size] for i in range(0, len(flat), args.batch_size)]
    chosen = [cut[int((step + 0.5) * len(cut) / args.steps)] for step in range(args.steps)]
    return chosen[: args.warmup] + chosen if args.warmup <= args.steps else [chosen[0]] * args.warmup + chosen


def plan_batches(mode, lengths, args):
    """Lengths and width of each batch, those of the warm-up first."""
    if mode == "sorted":
        return [(batch, max(batch)) for batch in sorted_batches(lengths, args)]
    batches = batch_lengths(lengths, args.batch_size, args.warmup + args.steps, args.seed)
    return [(batch, MAX_LENGTH if mode == "pad128" else max(batch)) for batch in batches]


def measure(args, model, loss_of, optimizer):
    lengths = read_lengths(args.lengths)
    plans = {mode: plan_batches(mode, lengths, args) for mode in args.modes}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    generator = torch.Generator().manual_seed(args.seed)
    samples = {mode: [] for mode in args.modes}
    for step in range(args.warmup + args.steps):
        for mode in args.modes:
            batch_of_lengths, width = plans[mode][step]
            batch = padded_batch(batch_of_lengths, width, args, generator)
            start = time.perf_counter()
            loss = loss_of(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainable, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()
            seconds = time.perf_counter() - start
            if step >= args.warmup:
                samples[mode].append((seconds, sum(batch_of_lengths), width * len(batch_of_lengths)))
    return samples


def result(mode, samples, args):
    seconds, tokens, padded = ([sample[i] for sample in samples] for i in range(3))
    common = {
        "mode": mode,
        "freeze": args.freeze,
        "tokensPerSecond": sum(tokens) / sum(seconds),
        "tokensPerStep": sum(tokens) / len(tokens),
        "paddedTokensPerStep": sum(padded) / len(padded),
        "seconds": seconds,
    }
    if mode != "sorted":
        return {**common, "secondsPerStep": statistics.median(seconds)}
    unsorted = batch_lengths(read_lengths(args.lengths), args.batch_size, args.warmup + args.steps, args.seed)
    average = sum(map(sum, unsorted[args.warmup :])) / args.steps
    return {**common, "secondsPerStep": sum(seconds) / sum(tokens) * average}


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    transformers = transformers_of(args)
    model, loss_of, embeddings, layers = create_model(args, transformers)
    freeze(args.freeze, embeddings, layers)
    model.train()
    optimizer, kind = adamw([parameter for parameter in model.parameters() if parameter.requires_grad])
    samples = measure(args, model, loss_of, optimizer)
    made_with = {
        "shape": args.shape,
        "batchSize": args.batch_size,
        "threads": args.threads,
        "optimizer": f"AdamW, {kind}",
        "attention": args.attention if transformers else "torch modules",
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers and transformers.__version__,
            "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        },
    }
    for mode in args.modes:
        print(json.dumps({**result(mode, samples[mode], args), **made_with}))


if __name__ == "__main__":
    main()
