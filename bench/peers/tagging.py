"""What tags in Python on the CPU, for bench/workloads/tagging-peers.mjs: Transformers and ONNX Runtime.

    python tagging.py --model DIR --onnx FILE [--threads N]

DIR is a token classifier as Hugging Face has it, FILE its graph in ONNX. ONNX Runtime computes the fastest of that graph, of the
same as its optimizer of transformers tunes it, and of PyTorch's own export, tuned; in int8 as its `quantize_dynamic` rounds them. Prints one JSON line that says what it is made with. Then answers each
line it reads with the seconds that it takes:

    {"driver": "model" | "onnx" | "pipeline", "precision": "fp32" | "bf16" | "int8", "sentences": [[ids]], "texts": [...],
     "batch": sentences of a batch, "sorted": whether batches are of sentences of similar length}

`model` and `onnx` take ids and come to a class for each token, `pipeline` takes texts and comes to entities.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import torch
import transformers


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def optimized(path, out, config):
    """The graph with the fusions for transformers, where ONNX Runtime has them."""
    from onnxruntime.transformers.optimizer import optimize_model

    try:
        model = optimize_model(path, "bert", config.num_attention_heads, config.hidden_size)
        model.save_model_to_file(out)
        return out, sorted(kind for kind, count in model.get_fused_operator_statistics().items() if count)
    except Exception as error:
        print(f"The graph stays as it is: {error}", file=sys.stderr)
        return path, []


def rounded(path, out):
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(path, out, extra_options={"DefaultTensorType": 1})
    return out


def exported(model, out):
    """The graph as PyTorch traces Transformers' model, whose attention ONNX Runtime's optimizer knows; None where it cannot."""
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in [*names, "logits"]}
    ones = torch.ones(2, 8, dtype=torch.long)
    try:
        model.set_attn_implementation("eager")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Logits(model), (ones, ones, 0 * ones), out, input_names=names, output_names=["logits"], dynamic_axes=axes,
                opset_version=17, dynamo=False,
            )
        return out
    except Exception as error:
        print(f"PyTorch exports no graph: {error}", file=sys.stderr)
        return None
    finally:
        model.set_attn_implementation("sdpa")


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask, types):
        return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits


class OnnxDrivers:
    def __init__(self, args, model, folder):
        # Which is the fastest depends on the version of ONNX Runtime.
        files, self.fused = [args.onnx], set()
        for name, path in ("engine", args.onnx), ("torch", exported(model, os.path.join(folder, "torch.onnx"))):
            if path is None:
                continue
            tuned, fused = optimized(path, os.path.join(folder, f"{name}-tuned.onnx"), model.config)
            files.append(tuned)
            self.fused.update(fused)
        self.files = {"fp32": files, "int8": [rounded(path, os.path.join(folder, f"int8-{i}.onnx")) for i, path in enumerate(files)]}
        self.threads, self.sessions = args.threads, {}

    def session(self, precision, batches):
        """The fastest graph for these batches, found at the first call."""
        if precision not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 3
            made = [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for path in self.files[precision]]
            seconds = []
            for session in made:
                run_onnx(session, batches[:1])
                start = time.perf_counter()
                run_onnx(session, batches[:4])
                seconds.append(time.perf_counter() - start)
            self.sessions[precision] = made[int(np.argmin(seconds))]
        return self.sessions[precision]


def run_onnx(session, batches):
    names = [value.name for value in session.get_inputs()]
    for ids, mask in batches:
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        session.run(None, {name: feed[name] for name in names})[0].argmax(-1)


def run_model(model, batches, precision):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for ids, mask in batches:
            model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.argmax(-1)


def run_pipeline(pipeline, texts, batch, precision):
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for _ in pipeline(texts, batch_size=batch):
            pass


def padded(sentences):
    width = max(map(len, sentences))
    ids = np.zeros((len(sentences), width), np.int64)
    mask = np.zeros_like(ids)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = sentence
        mask[row, : len(sentence)] = 1
    return ids, mask


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    logging.disable(logging.WARNING)
    model = transformers.AutoModelForTokenClassification.from_pretrained(args.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    pipeline = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        onnx = OnnxDrivers(args, model, folder)
        facts = {"transformers": transformers.__version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
        answer({**facts, "attention": model.config._attn_implementation, "fused": sorted(onnx.fused)})
        for line in sys.stdin:
            asked = json.loads(line)
            driver, precision, batch = asked["driver"], asked["precision"], asked["batch"]
            start = time.perf_counter()
            order = range(len(asked["sentences"]))
            if asked["sorted"]:
                order = sorted(order, key=lambda index: len(asked["sentences"][index]))
            if driver == "pipeline":
                run_pipeline(pipeline, [asked["texts"][index] for index in order], batch, precision)
            else:
                sentences = [asked["sentences"][index] for index in order]
                batches = [padded(sentences[at : at + batch]) for at in range(0, len(sentences), batch)]
                if driver == "onnx":
                    run_onnx(onnx.session(precision, batches), batches)
                else:
                    run_model(model, batches, precision)
            answer({"seconds": time.perf_counter() - start})


if __name__ == "__main__":
    main()
