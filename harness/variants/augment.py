"""Training-time augmentation on whole uint8 batches. Owns the pixel arithmetic; knows no network and no schedule."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def translate(images: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `reach` pixels on both axes, mirrored at the border. (n, c, h, w) in and out."""
    if reach == 0:
        return images
    count, channels, height, width = images.shape
    padded = functional.pad(images.float(), (reach,) * 4, mode="reflect").to(images.dtype)
    shifts = torch.randint(0, 2 * reach + 1, (2, count), generator=generator).to(images.device)
    rows = shifts[0].view(-1, 1) + torch.arange(height, device=images.device)
    columns = shifts[1].view(-1, 1) + torch.arange(width, device=images.device)
    return padded[
        torch.arange(count, device=images.device).view(-1, 1, 1, 1),
        torch.arange(channels, device=images.device).view(1, -1, 1, 1),
        rows.view(count, 1, height, 1),
        columns.view(count, 1, 1, width),
    ]


def alternate_flip(images: Tensor, first_flipped: Tensor, epoch: int) -> Tensor:
    """Mirror half of the images, and the other half in the next epoch, so that each pair of epochs shows both views.

    `first_flipped`: bool (n,), fixed for the whole training. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds".
    """
    flipped = first_flipped ^ bool(epoch % 2)
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(-1), images)
