"""Fine-tuning for token classification by Hugging Face's Trainer on the CPU, for bench/peers/fine-tuning.mjs.

Reads one JSON object a line, {"train", "validation", "test": a data file each, "model": a directory, "frozen": layers
frozen from the bottom beside the embeddings, "seed", "epochs", "batchSize", "learningRate", "warmupRatio", "weightDecay",
"maxLength", "threads"}, and answers with one a line: {"predicted": tags of each word of each test sentence, "seconds":
of training with its evaluations, "steps"}. Data files are JSON lines of {"words", "tags"}.

The Trainer's own order, dropout, padding to the longest of a batch, AdamW, linear schedule and clipping; the best epoch by
entity F1 on the validation sentences is kept. Needs torch, transformers and accelerate.
"""

import json
import os
import sys
import tempfile
import time

# What is printed besides answers would not be read.
answers, sys.stdout = sys.stdout, sys.stderr
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers

IGNORED = -100


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def encode(tokenizer, sentences, index, max_length):
    """Token ids with the label of each word at its first token, and the word at each of these tokens."""
    examples, words = [], []
    for sentence in sentences:
        encoded = tokenizer(sentence["words"], is_split_into_words=True, truncation=True, max_length=max_length)
        of = encoded.word_ids()
        first = [word is not None and word != before for word, before in zip(of, [None, *of])]
        labels = [index[sentence["tags"][word]] if is_first else IGNORED for word, is_first in zip(of, first)]
        examples.append({"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": labels})
        words.append({token: of[token] for token, is_first in enumerate(first) if is_first})
    return examples, words


def spans(tags):
    """Entities as (first word, word behind the last, type) of IOB2 tags; an I- that continues nothing begins one."""
    found, start, kind = set(), None, None
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, own = tag.partition("-")
        if start is not None and (prefix != "I" or own != kind):
            found.add((start, position, kind))
            start = None
        if prefix == "B" or (prefix == "I" and start is None):
            start, kind = position, own
    return found


def entity_f1(labels):
    def score(prediction):
        correct = gold = predicted = 0
        for row, truth in zip(prediction.predictions.argmax(-1), prediction.label_ids):
            kept = truth != IGNORED
            want, got = (spans([labels[i] for i in ids[kept]]) for ids in (truth, row))
            correct, gold, predicted = correct + len(want & got), gold + len(want), predicted + len(got)
        return {"entity_f1": 2 * correct / max(1, gold + predicted)}

    return score


def word_tags(scores, sentences, words, labels):
    """A tag for each word; O where truncation or the tokenizer left nothing of it."""
    tagged = [["O"] * len(sentence["words"]) for sentence in sentences]
    for tags, row, of in zip(tagged, scores, words):
        for token, word in of.items():
            tags[word] = labels[row[token].argmax()]
    return tagged


def train(job):
    torch.set_num_threads(job["threads"])
    splits = {name: read(job[name]) for name in ("train", "validation", "test")}
    labels = sorted({tag for sentences in splits.values() for s in sentences for tag in s["tags"]})
    index = {label: i for i, label in enumerate(labels)}
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    encoded = {name: encode(tokenizer, part, index, job["maxLength"]) for name, part in splits.items()}
    transformers.set_seed(job["seed"])
    model = transformers.AutoModelForTokenClassification.from_pretrained(job["model"], num_labels=len(labels))
    for module in [model.base_model.embeddings, *model.base_model.encoder.layer[: job["frozen"]]]:
        module.requires_grad_(False)
    with tempfile.TemporaryDirectory() as directory:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=directory,
                per_device_train_batch_size=job["batchSize"],
                per_device_eval_batch_size=32,
                learning_rate=job["learningRate"],
                weight_decay=job["weightDecay"],
                num_train_epochs=job["epochs"],
                warmup_steps=job["warmupRatio"],
                seed=job["seed"],
                eval_strategy="epoch",
                save_strategy="epoch",
                save_only_model=True,
                save_total_limit=1,
                load_best_model_at_end=True,
                metric_for_best_model="entity_f1",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
            ),
            train_dataset=encoded["train"][0],
            eval_dataset=encoded["validation"][0],
            data_collator=transformers.DataCollatorForTokenClassification(tokenizer),
            compute_metrics=entity_f1(labels),
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
        examples, words = encoded["test"]
        scores = trainer.predict(examples).predictions
    return {
        "predicted": word_tags(scores, splits["test"], words, labels),
        "seconds": seconds,
        "steps": trainer.state.global_step,
    }


def main():
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"versions": versions}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(train(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
