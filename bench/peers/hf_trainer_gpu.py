"""Fine-tuning for token classification by Hugging Face's Trainer on a GPU: the time of a step and of an epoch.

    paper      the layer-freezing paper's recipe: fp32, every sentence padded to 128 tokens
    defaults   the Trainer's defaults: padded to the longest of the batch
    best       bf16, TF32, sdpa attention, fused AdamW, more workers
    grouped    best, with batches of similar length, which made the Trainer slower where it was measured
    compiled   best, with torch.compile; lengths are padded to multiples of 32, so that few shapes are compiled. Each
               shape is compiled before the clock starts, which is told as compileSeconds

    python hf_trainer_gpu.py --lengths FILE [--recipe paper,defaults,best,grouped,compiled] [--model bert-base-uncased]
                             [--freeze bottom-up:6] [--batch-size 32] [--steps 300] [--warmup 60]
                             [--device cpu --layers 1 --hidden 64]

Random ids and labels on sentences of the given lengths, cut at 128. Without --model the weights of bert-base are
random, which costs the same. On the CPU, with a small model, it only shows that the program works. Only training is timed; nothing is evaluated, saved or reported. One JSON line a recipe.
Needs torch with CUDA, transformers and accelerate.
"""

import argparse
import gc
import inspect
import json
import platform
import random
import statistics
import tempfile
import time

import torch
import transformers
from torch.utils.data import Dataset

# Sentences are cut there, as everywhere in this project's measurements.
MAX_LENGTH = 128
RECIPES = ("paper", "defaults", "best", "grouped", "compiled")
BEST = ("best", "grouped", "compiled")
COMPILED_MULTIPLE = 32


def read_lengths(path):
    """Token counts, special tokens included, cut at MAX_LENGTH."""
    with open(path) as file:
        return [min(length, MAX_LENGTH) for length in json.load(file)]


class RandomSentences(Dataset):
    def __init__(self, lengths, vocab_size, num_labels, seed):
        draw = random.Random(seed)
        self.sentences = [
            {
                "input_ids": [draw.randrange(1000, vocab_size) for _ in range(length)],
                "attention_mask": [1] * length,
                "labels": [-100, *(draw.randrange(num_labels) for _ in range(length - 2)), -100][:length],
            }
            for length in lengths
        ]

    def __len__(self):
        return len(self.sentences)

    def __getitem__(self, index):
        return self.sentences[index]


class Collator:
    """Pads to `width`, or to the longest sentence of the batch rounded up to a multiple."""

    def __init__(self, width=None, multiple=1):
        self.width, self.multiple = width, multiple

    def __call__(self, sentences):
        longest = max(len(sentence["input_ids"]) for sentence in sentences)
        width = self.width or -(-longest // self.multiple) * self.multiple
        fillers = {"input_ids": 0, "attention_mask": 0, "labels": -100}
        return {
            key: torch.tensor([s[key] + [filler] * (width - len(s[key])) for s in sentences])
            for key, filler in fillers.items()
        }


class StepClock(transformers.TrainerCallback):
    """Wall time between ends of steps, the device's queue drained at each: what a step costs from end to end."""

    def __init__(self, warmup, drain_every_step):
        self.warmup, self.drain = warmup, drain_every_step
        self.seconds, self.started, self.last = [], None, None

    def on_step_end(self, args, state, control, **_):
        timed = state.global_step > self.warmup
        if self.drain or state.global_step == self.warmup:
            synchronize()
        now = time.perf_counter()
        if state.global_step == self.warmup:
            self.started = now
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
        if timed and self.last is not None:
            self.seconds.append(now - self.last)
        self.last = now

    def on_train_end(self, args, state, control, **_):
        synchronize()
        self.total = time.perf_counter() - self.started


def synchronize():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", required=True)
    parser.add_argument("--recipe", default=",".join(RECIPES))
    parser.add_argument("--model", help="a model directory or hub name; random bert-base weights without it")
    parser.add_argument("--freeze", default="full", help="full, bottom-up:K or top-down:K")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=300, help="timed steps")
    parser.add_argument("--warmup", type=int, default=60, help="steps before, in which compilation happens")
    parser.add_argument("--labels", type=int, default=9)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument(
        "--drain-every-step",
        action="store_true",
        help="wait for the device after each step: gives times step by step, and slows the host's run-ahead",
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--layers", type=int, default=12, help="of the random model")
    parser.add_argument("--hidden", type=int, default=768, help="of the random model; 64 a head")
    args = parser.parse_args()
    args.recipes = args.recipe.split(",")
    unknown = [recipe for recipe in args.recipes if recipe not in RECIPES]
    if unknown:
        parser.error(f"no recipe {', '.join(unknown)}; expected {', '.join(RECIPES)}")
    if args.warmup < 1:
        parser.error("--warmup must be at least 1: the clock starts at the end of a step")
    return args


def create_model(args, attention):
    options = {"num_labels": args.labels, "attn_implementation": attention}
    if args.model:
        return transformers.AutoModelForTokenClassification.from_pretrained(args.model, **options)
    shape = {
        "hidden_size": args.hidden,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.hidden // 64,
        "intermediate_size": 4 * args.hidden,
    }
    return transformers.BertForTokenClassification(transformers.BertConfig(**options, **shape))


def freeze(strategy, model):
    if strategy == "full":
        return
    layers = model.base_model.encoder.layer
    name, _, k = strategy.partition(":")
    if name not in ("bottom-up", "top-down") or not k.isdigit() or int(k) > len(layers):
        raise SystemExit(f"--freeze {strategy}: expected full, bottom-up:K or top-down:K, K up to {len(layers)}")
    frozen = layers[: int(k)] if name == "bottom-up" else layers[len(layers) - int(k) :]
    for module in [model.base_model.embeddings, *frozen]:
        module.requires_grad_(False)


def training_arguments(recipe, args, directory):
    options = {
        "output_dir": directory,
        "per_device_train_batch_size": args.batch_size,
        "learning_rate": 3e-5,
        "weight_decay": 0.01,
        "max_steps": args.warmup + args.steps,
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "seed": args.seed,
    }
    if recipe in BEST:
        options.update(
            bf16=True,
            tf32=args.device == "cuda",
            optim="adamw_torch_fused",
            dataloader_num_workers=4,
            dataloader_persistent_workers=True,
            dataloader_pin_memory=args.device == "cuda",
        )
    if recipe == "grouped":
        # The setting was renamed in Transformers 5.
        known = inspect.signature(transformers.TrainingArguments).parameters
        if "train_sampling_strategy" in known:
            options["train_sampling_strategy"] = "group_by_length"
        else:
            options["group_by_length"] = True
    if recipe == "paper":
        options.update(tf32=False, optim="adamw_torch")
    if args.device == "cpu":
        options["use_cpu"] = True
    if recipe == "compiled":
        options["torch_compile"] = True
    return transformers.TrainingArguments(**options)


def collator_of(recipe):
    if recipe == "paper":
        return Collator(width=MAX_LENGTH)
    return Collator(multiple=COMPILED_MULTIPLE if recipe == "compiled" else 1)


def compile_widths(trainer, multiple):
    """Forward and backward at every width that a batch may have, on the trainer's own compiled model."""
    started = time.perf_counter()
    size = trainer.args.per_device_train_batch_size
    model = trainer._wrap_model(trainer.model_wrapped) if hasattr(trainer, "_wrap_model") else trainer.model
    model.train()
    for width in range(multiple, MAX_LENGTH + 1, multiple):
        sentence = {"input_ids": [1000] * width, "attention_mask": [1] * width, "labels": [0] * width}
        inputs = trainer._prepare_inputs(Collator(width=width)([sentence] * size))
        with trainer.compute_loss_context_manager():
            trainer.compute_loss(model, inputs).backward()
        model.zero_grad(set_to_none=True)
    synchronize()
    return time.perf_counter() - started


def run(recipe, args, lengths):
    torch.manual_seed(args.seed)
    model = create_model(args, "eager" if recipe == "paper" else "sdpa")
    freeze(args.freeze, model)
    clock = StepClock(args.warmup, args.drain_every_step)
    dataset = RandomSentences(lengths, model.config.vocab_size, args.labels, args.seed)
    with tempfile.TemporaryDirectory() as directory:
        trainer = transformers.Trainer(
            model=model,
            args=training_arguments(recipe, args, directory),
            train_dataset=dataset,
            data_collator=collator_of(recipe),
            callbacks=[clock],
        )
        compile_seconds = compile_widths(trainer, collator_of(recipe).multiple) if recipe == "compiled" else None
        # Standard output is for the results alone.
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    mean_tokens = sum(lengths) / len(lengths) * args.batch_size
    result = {
        "mode": recipe,
        "freeze": args.freeze,
        # The host runs ahead of the device unless it is made to wait, so single steps only count where it was.
        "secondsPerStep": statistics.median(clock.seconds) if args.drain_every_step else clock.total / args.steps,
        "tokensPerSecond": mean_tokens * args.steps / clock.total,
        "tokensPerStep": mean_tokens,
        "secondsPerEpoch": clock.total / args.steps * len(lengths) / args.batch_size,
        "steps": args.steps,
        "batchSize": args.batch_size,
        **({} if compile_seconds is None else {"compileSeconds": compile_seconds}),
        "peakBytes": torch.cuda.max_memory_allocated() if args.device == "cuda" else 0,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "transformers": transformers.__version__,
        },
    }
    del trainer, model
    gc.collect()
    if args.device == "cuda":
        torch.cuda.empty_cache()
    return result


def main():
    args = parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("No CUDA device. hf_step.py measures on the CPU.")
    lengths = read_lengths(args.lengths)
    for recipe in args.recipes:
        print(json.dumps(run(recipe, args, lengths)), flush=True)


if __name__ == "__main__":
    main()
