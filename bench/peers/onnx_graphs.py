"""What `permafrost export` writes, checked and run by ONNX's own checker and ONNX Runtime on the CPU.

    parity  the scores of random batches of several lengths, padding included, against the engine's, and against
            Transformers' where it is installed; of the seven families of test/fixtures/architectures by default
    f1      entity F1 (exact spans, as seqeval's default mode has it) of the float and of the 8 bit graph on annotated
            text, by the first sub-token of each word; sizes; seconds

    python onnx_graphs.py parity [--model DIR ...] [--batches 8]
    python onnx_graphs.py f1 --model DIR --data FILE.conll [--token-column 0] [--tag-column -1]

Needs onnx, onnxruntime, numpy; f1 also tokenizers. Node runs the built package (dist) of this repository. One JSON line a
model, or a graph.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENGINE = """
import { TokenClassifier } from %s;
import { text } from 'node:stream/consumers';
const { model: directory, batches } = JSON.parse(await text(process.stdin));
const model = await TokenClassifier.load(directory, { device: 'cpu' });
const logits = [];
for (const inputIds of batches) logits.push([...(await model.logits({ inputIds })).data]);
await model.dispose();
process.stdout.write(JSON.stringify(logits));
"""


def export(model, out, int8=False):
    cli = os.path.join(ROOT, "dist", "cli", "main.js")
    subprocess.run(["node", cli, "export", "--model", model, "--onnx", out] + ["--int8"] * int8, check=True, stdout=subprocess.DEVNULL)
    path = os.path.join(out, "onnx", "model_quantized.onnx" if int8 else "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    return path


def session_of(path, threads=0):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session, ids, mask):
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return session.run(["logits"], {value.name: feed[value.name] for value in session.get_inputs()})[0]


def random_batch(rng, config):
    longest = config["max_position_embeddings"] - 4
    lengths = rng.integers(1, longest, size=rng.integers(1, 6))
    width = lengths.max() + rng.integers(0, 3)
    pad = config["pad_token_id"]
    ids = rng.integers(5, config["vocab_size"], size=(len(lengths), width))
    mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
    return np.where(mask == 1, ids, pad).astype(np.int64), mask


def engine_scores(model, batches):
    entry = json.dumps("file://" + os.path.join(ROOT, "dist", "index.js"))
    ragged = [[row[:n].tolist() for row, n in zip(ids, mask.sum(1))] for ids, mask in batches]
    asked = json.dumps({"model": os.path.abspath(model), "batches": ragged})
    command = ["node", "--input-type=module", "--eval", ENGINE % entry]
    return json.loads(subprocess.run(command, input=asked, check=True, capture_output=True, text=True).stdout)


def transformers_scores(model, batches):
    try:
        import torch
        import transformers
    except ImportError:
        return None
    transformers.logging.set_verbosity_error()
    peer = transformers.AutoModelForTokenClassification.from_pretrained(model).eval()
    with torch.no_grad():
        return [peer(input_ids=torch.tensor(i), attention_mask=torch.tensor(m)).logits.numpy()[m == 1] for i, m in batches]


def parity(args):
    fixtures = os.path.join(ROOT, "test", "fixtures", "architectures")
    for model in args.model or [os.path.join(fixtures, name) for name in sorted(os.listdir(fixtures))]:
        with open(os.path.join(model, "config.json")) as file:
            config = json.load(file)
        rng = np.random.default_rng(args.seed)
        batches = [random_batch(rng, config) for _ in range(args.batches)]
        with tempfile.TemporaryDirectory() as out:
            session = session_of(export(model, out))
        ours = [run(session, ids, mask)[mask == 1] for ids, mask in batches]
        difference = lambda others: max(float(np.abs(a.ravel() - np.ravel(b)).max()) for a, b in zip(ours, others))
        peer = transformers_scores(model, batches)
        print(json.dumps({
            "model": os.path.basename(os.path.normpath(model)),
            "model_type": config["model_type"],
            "tokens": int(sum(mask.sum() for _, mask in batches)),
            "largest_score": float(max(np.abs(scores).max() for scores in ours)),
            "max_difference_to_engine": difference(engine_scores(model, batches)),
            "max_difference_to_transformers": None if peer is None else difference(peer),
        }), flush=True)


def read_sentences(args):
    sentences = [[]]
    with open(args.data, encoding="utf-8") as file:
        for line in file:
            # Only tabs, or else spaces, part columns: words may hold other white space.
            line = line.rstrip("\n")
            columns = line.split("\t") if "\t" in line else line.split(" ")
            if line:
                sentences[-1].append((columns[args.token_column], columns[args.tag_column]))
            elif sentences[-1]:
                sentences.append([])
    return [sentence for sentence in sentences if sentence]


def spans_of(tags):
    """Entities of BIO tags; an I- that continues nothing begins one."""
    spans, start = set(), None
    for i, tag in enumerate(list(tags) + ["O"]):
        if start is not None and not (tag.startswith("I-") and tag[2:] == tags[start][2:]):
            spans.add((start, i, tags[start][2:]))
            start = None
        if start is None and tag != "O":
            start = i
    return spans


def f1(args):
    from tokenizers import Tokenizer

    with open(os.path.join(args.model, "config.json")) as file:
        config = json.load(file)
    labels = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
    tokenizer = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(args.max_length)
    sentences = read_sentences(args)
    encoded = [tokenizer.encode([word for word, _ in sentence], is_pretokenized=True) for sentence in sentences]
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
    float_scores = None
    for int8 in (False, True):
        with tempfile.TemporaryDirectory() as out:
            path = export(args.model, out, int8)
            size = os.path.getsize(path)
            session = session_of(path, args.threads)
        predicted, scores = [None] * len(encoded), [None] * len(encoded)
        seconds = 0.0
        for begin in range(0, len(order), args.batch_size):
            chosen = order[begin : begin + args.batch_size]
            width = max(len(encoded[i].ids) for i in chosen)
            ids = np.full((len(chosen), width), config.get("pad_token_id", 0), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, i in enumerate(chosen):
                ids[row, : len(encoded[i].ids)] = encoded[i].ids
                mask[row, : len(encoded[i].ids)] = 1
            started = time.perf_counter()
            logits = run(session, ids, mask)
            seconds += time.perf_counter() - started
            for row, i in enumerate(chosen):
                scores[i] = logits[row, : len(encoded[i].ids)]
                tags, seen = ["O"] * len(sentences[i]), set()
                for position, word in enumerate(encoded[i].word_ids):
                    if word is not None and word not in seen:
                        seen.add(word)
                        tags[word] = labels[int(logits[row, position].argmax())]
                predicted[i] = tags
        gold = [spans_of([tag for _, tag in sentence]) for sentence in sentences]
        found = [spans_of(tags) for tags in predicted]
        right = sum(len(a & b) for a, b in zip(gold, found))
        count = sum(map(len, gold)) + sum(map(len, found))
        float_scores = float_scores or scores
        print(json.dumps({
            "graph": "int8" if int8 else "float",
            "bytes": size,
            "sentences": len(sentences),
            "f1": 2 * right / count if count else 0.0,
            "max_difference": max(float(np.abs(a - b).max()) for a, b in zip(scores, float_scores)),
            "same_arg_max": sum(int((a.argmax(1) == b.argmax(1)).sum()) for a, b in zip(scores, float_scores)) / sum(map(len, scores)),
            "seconds": round(seconds, 2),
            "onnxruntime": onnxruntime.__version__,
        }), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("parity")
    command.set_defaults(action=parity)
    command.add_argument("--model", nargs="*")
    command.add_argument("--batches", type=int, default=8)
    command.add_argument("--seed", type=int, default=1)
    command = commands.add_parser("f1")
    command.set_defaults(action=f1)
    command.add_argument("--model", required=True)
    command.add_argument("--data", required=True)
    command.add_argument("--token-column", type=int, default=0)
    command.add_argument("--tag-column", type=int, default=-1)
    command.add_argument("--max-length", type=int, default=128)
    command.add_argument("--batch-size", type=int, default=16)
    command.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    args.action(args)


if __name__ == "__main__":
    main()
