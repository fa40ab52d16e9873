"""Losses and gradients in float64, for test/fixtures/losses: PyTorch's cross_entropy with class weights and label
smoothing, the focal loss by its formula, and a linear-chain CRF by its forward recursion.

    python bench/peers/loss_fixture.py test/fixtures/parity test/fixtures/losses/expected.json
"""

import json
import sys

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification

WEIGHTS = [0.2, 1.5, 3.0, 0.75, 1.0, 2.0, 1.0, 4.0, 0.5]
SENTENCES = [1.0, 2.0, 0.25, 1.0, 3.0, 0.5]
CASES = {
    "weights": {"weights": WEIGHTS},
    "smoothing": {"smoothing": 0.1},
    "weights and smoothing": {"weights": WEIGHTS, "smoothing": 0.2},
    "focal": {"gamma": 2.0},
    "focal with weights": {"weights": WEIGHTS, "gamma": 0.5},
    "sentences": {"sentences": SENTENCES},
    "sentences with weights and smoothing": {"weights": WEIGHTS, "smoothing": 0.1, "sentences": SENTENCES},
    "crf": {"crf": True},
    "crf with sentences": {"crf": True, "sentences": SENTENCES},
}
KEPT = ["classifier.weight", "classifier.bias", "bert.encoder.layer.0.output.dense.bias"]


def token_loss(logits, labels, sentence, weights=None, smoothing=0.0, gamma=0.0):
    """Sum and what it is divided by; `sentence` is the weight of each token's sentence."""
    w = torch.ones(logits.shape[1], dtype=torch.float64) if weights is None else torch.tensor(weights).double()
    if gamma:
        log_p = logits.log_softmax(1).gather(1, labels[:, None])[:, 0]
        losses = -w[labels] * (1 - log_p.exp()) ** gamma * log_p
    else:
        losses = cross_entropy(logits, labels, weight=w, label_smoothing=smoothing, reduction="none")
    return (sentence * losses).sum(), (sentence * w[labels]).sum()


def chain_loss(logits, labels, start, transitions, end):
    alpha = start + logits[0]
    score = start[labels[0]] + logits[0, labels[0]]
    for n in range(1, len(labels)):
        alpha = torch.logsumexp(alpha[:, None] + transitions, 0) + logits[n]
        score = score + transitions[labels[n - 1], labels[n]] + logits[n, labels[n]]
    return torch.logsumexp(alpha + end, 0) - score - end[labels[-1]]


def main(model_dir, out):
    torch.manual_seed(11)
    model = AutoModelForTokenClassification.from_pretrained(model_dir, attn_implementation="eager").double().eval()
    batch = {k: torch.tensor(v) for k, v in json.load(open(f"{model_dir}/batches.json"))[0].items()}
    labels = batch.pop("labels")
    size = model.config.num_labels
    chain = {
        name: (torch.randn(shape, dtype=torch.float64) * 0.7).float().double().requires_grad_()
        for name, shape in {"start_transitions": (size,), "transitions": (size, size), "end_transitions": (size,)}.items()
    }
    results = []
    for name, case in CASES.items():
        options = dict(case)
        model.zero_grad()
        for parameter in chain.values():
            parameter.grad = None
        logits = model(**batch).logits
        known = labels != -100
        sentence = torch.tensor(options.pop("sentences", [1.0] * len(labels))).double()
        if options.pop("crf", False):
            chains = [
                chain_loss(l[k], y[k], chain["start_transitions"], chain["transitions"], chain["end_transitions"])
                for l, y, k in zip(logits, labels, known)
            ]
            total, weight = (torch.stack(chains) * sentence).sum(), (sentence * known.sum(1)).sum()
        else:
            of_tokens = sentence[:, None].expand_as(labels)[known]
            total, weight = token_loss(logits[known], labels[known], of_tokens, **options)
        loss = total / weight
        loss.backward()
        named = dict(model.named_parameters())
        gradients = {n: named[n].grad.flatten().tolist() for n in KEPT}
        if case.get("crf"):
            gradients |= {f"crf.{n}": p.grad.flatten().tolist() for n, p in chain.items()}
        results.append({"name": name, **case, "loss": loss.item(), "weight": weight.item(), "gradients": gradients})
    rounded = json.loads(json.dumps(results), parse_float=lambda x: float(f"{float(x):.10g}"))
    scores = {f"crf.{n}": p.detach().flatten().tolist() for n, p in chain.items()}
    with open(out, "w") as file:
        json.dump({"chain": scores, "cases": rounded}, file)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
