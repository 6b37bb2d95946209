"""A classifier without layers: a table of token vectors, their mean, and a small head.

Built for speed rather than understanding: of word order it sees only what a token and its two
neighbours say together. Knows nothing of how it is trained.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from edgekit.checkpoint.describe import STATIC

DROPOUT = 0.1


class StaticConfig(PretrainedConfig):
    """Describes the table and the head as other configs describe layers."""

    model_type = STATIC

    def __init__(
        self,
        *,
        vocab_size: int = 1000,
        hidden_size: int = 256,
        intermediate_size: int = 256,
        max_position_embeddings: int = 512,
        **others: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        # The head counts as the only layer: every reader of a config expects these keys.
        self.num_hidden_layers = others.pop("num_hidden_layers", 1)
        self.num_attention_heads = others.pop("num_attention_heads", 1)
        super().__init__(**others)


class StaticBody(nn.Module):
    """The mean of the tokens' vectors, and the mean of what each says with its neighbours."""

    def __init__(self, config: StaticConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.neighbours = nn.Linear(3 * config.hidden_size, config.hidden_size)

    def forward(self, input_ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(texts, 2 · hidden) from ids of shape (texts, tokens), with a mask if some are padding.

        Without padding, no mask is needed: fewer operations, and the same numbers.
        """
        rows = self.embeddings(input_ids)
        if mask is None:
            return torch.cat([rows.mean(dim=1), self._together(rows).mean(dim=1)], dim=-1)
        real = mask.unsqueeze(-1).float()
        rows = rows * real
        together = self._together(rows) * real
        return torch.cat([rows.sum(dim=1), together.sum(dim=1)], dim=-1) / real.sum(dim=1)

    def _together(self, rows: torch.Tensor) -> torch.Tensor:
        around = functional.pad(rows, (0, 0, 1, 1))
        three = torch.cat([around[:, :-2], rows, around[:, 2:]], dim=-1)
        together: torch.Tensor = functional.gelu(self.neighbours(three))
        return together


class StaticForSequenceClassification(PreTrainedModel):
    """Ids and mask in, logits out, like every sequence classifier of transformers."""

    config_class = StaticConfig
    base_model_prefix = "static"

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.static = StaticBody(config)
        self.norm = nn.LayerNorm(2 * config.hidden_size)
        self.dense = nn.Linear(2 * config.hidden_size, config.intermediate_size)
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(config.intermediate_size, config.num_labels)  # type: ignore[arg-type]
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """torch's defaults: transformers' are meant for deep models, and far smaller."""
        if isinstance(module, (nn.Embedding, nn.LayerNorm, nn.Linear)):
            module.reset_parameters()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.static.embeddings

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        means = self.norm(self.static(input_ids, attention_mask))
        hidden = functional.gelu(self.dense(self.dropout(means)))
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(hidden)))
