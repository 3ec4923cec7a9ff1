"""Cross-entropy over all items without ever holding all logits: loss and gradients are made a few rows at a time.

Wijmans et al. (2024, arXiv 2411.09009) do the same for the vocabulary of a language model, in one kernel of a GPU.
"""

from __future__ import annotations

import torch
from torch.autograd.function import FunctionCtx


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, state: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, target: torch.Tensor, rows: int, products: torch.dtype) -> torch.Tensor:
        loss, low = state.new_zeros(()), weight.to(products)
        d_state, d_weight, d_bias = torch.empty_like(state), torch.zeros_like(weight), torch.zeros_like(bias)
        for h, t, d in zip(state.to(products).split(rows), target.split(rows), d_state.split(rows), strict=True):
            p = torch.mm(h, low.T).to(state.dtype).add_(bias)  # logits; turned into probabilities in place
            own, most = p.gather(1, t[:, None]), p.amax(1, keepdim=True)
            total = p.sub_(most).exp_().sum(1, keepdim=True)
            loss += (total.log() + most - own).sum()
            p.div_(total)
            p[torch.arange(len(t), device=t.device), t] -= 1  # the gradient of cross-entropy: probability minus truth
            d_bias += p.sum(0)
            p = p.to(products)
            d.copy_(torch.mm(p, low))
            d_weight += torch.mm(p.T, h)
        ctx.save_for_backward(d_state, d_weight, d_bias)
        return loss

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return *(gradient * d for d in ctx.saved_tensors), None, None, None


def full_softmax(state: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, target: torch.Tensor, rows: int | None = None) -> torch.Tensor:
    """Sum of -log softmax(state · weightᵀ + bias)[target]: the value and the gradients of ``F.cross_entropy(…, reduction="sum")``.

    The logits of ``rows`` states exist at a time, small enough to stay in the processor's cache: for 5,000 states and 4,000 items half a
    million numbers in place of 20 million. Under ``torch.autocast`` the three matrix products are made in its type, all else in float32.

    Args:
        state: float [n, d]. weight: float [items, d]. bias: float [items]. target: int64 [n], rows of ``weight``.
        rows: states at a time; ``None`` takes 128, and 4,096 on a GPU.
    """
    device = state.device.type
    products = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else state.dtype
    return _FullSoftmax.apply(state.to(weight.dtype), weight, bias, target, rows or (128 if device == "cpu" else 4096), products)
