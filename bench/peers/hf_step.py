"""The training step that `permafrost bench` measures, in Python on the CPU, for bench/workloads/peers.mjs.

Hugging Face's BertForTokenClassification where Transformers is installed, else the same model from PyTorch's
modules. AdamW (fused where PyTorch has it), gradients clipped at norm 1, dropout 0.1, random weights.

    python hf_step.py [--shape bert-base] [--freeze bottom-up:6] [--threads N]

Prints one JSON line that says what it is made with. Then trains one step for each line that it reads,
{"lengths": [tokens of each sentence], "width": tokens of a filled sentence, "precision": "fp32" or "bf16"}, and answers
{"seconds": s, "loss": l}. bf16 is autocast, over fp32 weights.
"""

import argparse
import json
import os
import platform
import sys
import time

import torch

SHAPES = {
    "tiny": dict(layers=4, hidden=64, heads=2, intermediate=256),
    "mini": dict(layers=12, hidden=128, heads=4, intermediate=512),
    "small": dict(layers=12, hidden=384, heads=12, intermediate=1536),
    "bert-base": dict(layers=12, hidden=768, heads=12, intermediate=3072),
    "bert-large": dict(layers=24, hidden=1024, heads=16, intermediate=4096),
}
DROPOUT = 0.1


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="bert-base")
    parser.add_argument("--freeze", default="full", help="full, bottom-up:K or top-down:K")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--vocab-size", type=int, default=30522)
    parser.add_argument("--labels", type=int, default=9)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--plain-torch", action="store_true", help="PyTorch's modules even where Transformers is installed")
    return parser.parse_args()


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


def train_step(trainable, loss_of, optimizer, batch, precision):
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = loss_of(batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trainable, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    loss = loss.item()
    return {"seconds": time.perf_counter() - start, "loss": loss}


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    transformers = transformers_of(args)
    model, loss_of, embeddings, layers = create_model(args, transformers)
    freeze(args.freeze, embeddings, layers)
    model.train()
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, kind = adamw(trainable)
    generator = torch.Generator().manual_seed(args.seed)
    answer(
        {
            "model": f"Transformers {transformers.__version__}, {args.attention}" if transformers else "PyTorch's modules",
            "optimizer": f"AdamW, {kind}",
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        }
    )
    for line in sys.stdin:
        asked = json.loads(line)
        batch = padded_batch(asked["lengths"], asked["width"], args, generator)
        answer(train_step(trainable, loss_of, optimizer, batch, asked.get("precision", "fp32")))


if __name__ == "__main__":
    main()
