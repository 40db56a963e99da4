"""Vectors looked up by number."""

from __future__ import annotations

from typing import Any, Self

from tinygan.autograd import Parameter, Tensor, no_grad
from tinygan.nn import functional as F
from tinygan.nn import init
from tinygan.nn.linear import empty_parameter
from tinygan.nn.module import Module


class Embedding(Module):
    """y[...] = W[x[...]]: integers of any shape (...) -> (..., E), W (V, E), initially N(0, 1).

    The row `padding_idx` starts at zero and gets no gradient. `_weight` is taken for W as it is,
    `_freeze` keeps it from being trained. The arguments between them are where PyTorch has them:
    rows are not kept to a norm, nor gradients scaled by frequency or sparse, and asking for it is
    an error.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if max_norm is not None or scale_grad_by_freq or sparse:
            raise NotImplementedError(
                f"Embedding: got max_norm={max_norm}, scale_grad_by_freq={scale_grad_by_freq}, "
                f"sparse={sparse}; expected None, False and False, as others are not there"
            )
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"padding_idx {padding_idx} is out of range for {num_embeddings} embeddings"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        if _weight is None:
            self.weight = empty_parameter((num_embeddings, embedding_dim), device, dtype)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise ValueError(
                    f"Embedding: expected a weight of shape {(num_embeddings, embedding_dim)}, "
                    f"got {tuple(_weight.shape)}"
                )
            self.weight = Parameter(_weight)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Self:
        """An embedding whose W is given, not trained unless `freeze` is False."""
        rows, width = embeddings.shape
        return cls(rows, width, padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0.0)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
