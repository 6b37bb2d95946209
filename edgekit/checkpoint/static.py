"""A classifier without layers: a table of word pieces, their mean, and a small head.

Made to be quick rather than to understand: of the order of words it knows only what a piece and its
two neighbours tell together. Knows nothing of how it is taught.
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
    """Says of the table and the head what other configs say of layers."""

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
        # The head counts as the one layer: every reader of a config expects these.
        self.num_hidden_layers = others.pop("num_hidden_layers", 1)
        self.num_attention_heads = others.pop("num_attention_heads", 1)
        super().__init__(**others)


class StaticBody(nn.Module):
    """The means of the pieces' rows and of what each says together with its neighbours."""

    def __init__(self, config: StaticConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.neighbours = nn.Linear(3 * config.hidden_size, config.hidden_size)

    def forward(self, input_ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(texts, 2 · hidden) from ids of shape (texts, tokens), and a mask where some are padding.

        Without a mask there is nothing to hide: fewer operations, and the same numbers.
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
    """Ids and mask in, logits out, as every sequence classifier of transformers."""

    config_class = StaticConfig  # type: ignore[assignment]
    base_model_prefix = "static"

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.static = StaticBody(config)
        self.norm = nn.LayerNorm(2 * config.hidden_size)
        self.dense = nn.Linear(2 * config.hidden_size, config.intermediate_size)
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(config.intermediate_size, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """As torch does: transformers' own start is meant for deep models, and far smaller."""
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
