"""BERT for token classification from PyTorch's own modules, for machines without Transformers."""

import math

import torch
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, hidden, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))

    def forward(self, x, mask):
        batch, length, hidden = x.shape
        query, key, value = (
            linear(x).view(batch, length, self.heads, hidden // self.heads).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        if hasattr(nn.functional, "scaled_dot_product_attention"):
            context = nn.functional.scaled_dot_product_attention(query, key, value, mask, dropout)
        else:
            scores = query @ key.transpose(-1, -2) / math.sqrt(hidden // self.heads) + mask
            context = nn.functional.dropout(scores.softmax(-1), dropout, self.training) @ value
        return context.transpose(1, 2).reshape(batch, length, hidden)


class Layer(nn.Module):
    def __init__(self, hidden, heads, intermediate, dropout):
        super().__init__()
        self.attention = SelfAttention(hidden, heads, dropout)
        self.attention_output = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.up, self.down = nn.Linear(hidden, intermediate), nn.Linear(intermediate, hidden)
        self.output_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask):
        x = self.attention_norm(x + self.dropout(self.attention_output(self.attention(x, mask))))
        return self.output_norm(x + self.dropout(self.down(nn.functional.gelu(self.up(x)))))


class TorchBert(nn.Module):
    def __init__(self, layers, hidden, heads, intermediate, vocab, labels, dropout):
        super().__init__()
        self.word = nn.Embedding(vocab, hidden, padding_idx=0)
        self.position, self.token_type = nn.Embedding(512, hidden), nn.Embedding(2, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(hidden, heads, intermediate, dropout) for _ in range(layers))
        self.classifier = nn.Linear(hidden, labels)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                module.weight.data.normal_(0, 0.02)

    def embedding_parameters(self):
        for module in (self.word, self.position, self.token_type, self.norm):
            yield from module.parameters()

    def forward(self, input_ids, attention_mask, labels):
        positions = torch.arange(input_ids.shape[1])
        embedded = self.word(input_ids) + self.position(positions) + self.token_type.weight[0]
        x = self.dropout(self.norm(embedded))
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        logits = self.classifier(self.dropout(x))
        return nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))
