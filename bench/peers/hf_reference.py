"""What Hugging Face Transformers makes of a pretrained encoder: the numbers of test/fixtures/real-encoders.

    python hf_reference.py --model DIR --sentences F --words NAME=F [NAME=F ...] > OUT.json

F is JSON lines of {"words"}. Of the sentences: token ids, and of each layer's hidden states (embeddings first) the sum, the
sum of squares, and the values of the first and the last four units at the first and the last token; the same of the logits
of a head whose weights are cos(1 + i) / 20 and biases label / 10, in float32 on the CPU. Of the words of each file NAME:
the number of tokens, and the SHA-256 of a line a sentence of token ids and of word numbers (- for special tokens).
"""

import argparse
import hashlib
import json

import torch
import transformers

LABELS = 5
UNITS = 4


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line)["words"] for line in file]


def digest_of(values):
    flat = values.double().flatten()
    return {
        "sum": flat.sum().item(),
        "squares": flat.square().sum().item(),
        "first": values[0, :UNITS].tolist(),
        "last": values[-1, -UNITS:].tolist(),
    }


def sentence_digest(words, tokenizer, model, weight, bias):
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**encoded, output_hidden_states=True).hidden_states
    states = [state[0] for state in states]
    return {
        "words": words,
        "inputIds": encoded["input_ids"][0].tolist(),
        "layers": [digest_of(state) for state in states],
        "logits": digest_of(states[-1] @ weight.T + bias),
    }


def token_digest(sentences, tokenizer):
    digest, tokens = hashlib.sha256(), 0
    for words in sentences:
        encoded = tokenizer(words, is_split_into_words=True, verbose=False)
        numbers = ["-" if word is None else str(word) for word in encoded.word_ids()]
        line = f"{' '.join(map(str, encoded['input_ids']))}|{' '.join(numbers)}\n"
        digest.update(line.encode())
        tokens += len(numbers)
    return {"sentences": len(sentences), "tokens": tokens, "sha256": digest.hexdigest()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--sentences", required=True)
    parser.add_argument("--words", nargs="*", default=[], metavar="NAME=F")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    model = transformers.AutoModel.from_pretrained(args.model, attn_implementation="eager").eval()
    hidden = model.config.hidden_size
    weight = (torch.cos(1 + torch.arange(LABELS * hidden, dtype=torch.float64)) / 20).float().view(LABELS, hidden)
    bias = torch.arange(LABELS, dtype=torch.float32) / 10
    result = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "sentences": [sentence_digest(w, tokenizer, model, weight, bias) for w in read(args.sentences)],
        "files": {
            name: token_digest(read(path), tokenizer) for name, path in (pair.split("=", 1) for pair in args.words)
        },
    }
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
