"""Training-time augmentation on whole uint8 batches. Owns the pixel arithmetic; knows no network and no schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import UsageError
from harness.model.lesson import Augmentation

GREY = 120  # near the mean of natural images, in 0..255
CHUNK = 4096  # images that are floats at a time


def translate(images: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `reach` pixels on both axes, mirrored at the border. (n, c, h, w) in and out.

    UsageError where an image has too few pixels to mirror.
    """
    if reach == 0:
        return images
    count, channels, height, width = images.shape
    if reach >= min(height, width):
        raise UsageError(
            f"translate_pixels is {reach}, and images of {height} x {width} pixels can be mirrored by at most "
            f"{min(height, width) - 1}; lower it"
        )
    shifts = torch.randint(0, 2 * reach + 1, (2, count), generator=generator).to(images.device) - reach
    rows = _mirrored(shifts[0].view(-1, 1) + torch.arange(height, device=images.device), height)
    columns = _mirrored(shifts[1].view(-1, 1) + torch.arange(width, device=images.device), width)
    return images[
        torch.arange(count, device=images.device).view(-1, 1, 1, 1),
        torch.arange(channels, device=images.device).view(1, -1, 1, 1),
        rows.view(count, 1, height, 1),
        columns.view(count, 1, 1, width),
    ]


def _mirrored(places: Tensor, length: int) -> Tensor:
    """Places of a line that goes on mirrored at both ends, neither of which is repeated, as places of the line."""
    return (length - 1) - ((length - 1) - places.abs()).abs()


def view_of_epoch(
    images: Tensor, how: Augmentation, first_flipped: Tensor, epoch: int, generator: torch.Generator
) -> Tensor:
    """One epoch's view of all images, uint8 (n, c, h, w) in and out; `first_flipped` as in `alternate_flip`."""
    seen = translate(images, how.translate_pixels, generator)
    if how.flip == "alternate":
        seen = alternate_flip(seen, first_flipped, epoch)
    elif how.flip == "random":
        seen = alternate_flip(seen, (torch.rand(len(seen), generator=generator) < 0.5).to(seen.device), 0)
    return brighten(cutout(seen, how.cutout_pixels, generator), how.brightness, generator)


def alternate_flip(images: Tensor, first_flipped: Tensor, epoch: int) -> Tensor:
    """Mirror half of the images, and the other half in the next epoch, so that each pair of epochs shows both views.

    `first_flipped`: bool (n,), fixed for the whole training. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds".
    """
    flipped = first_flipped ^ bool(epoch % 2)
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(-1), images)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Grey out one square of `side` pixels per image, its centre anywhere in the image. (n, c, h, w) in and out.

    Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017).
    """
    if side == 0:
        return images
    count, _, height, width = images.shape
    first_row = torch.randint(-(side // 2), height - side // 2, (count, 1), generator=generator).to(images.device)
    first_column = torch.randint(-(side // 2), width - side // 2, (count, 1), generator=generator).to(images.device)
    row, column = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    inside_rows = (row >= first_row) & (row < first_row + side)
    inside_columns = (column >= first_column) & (column < first_column + side)
    hidden = inside_rows.view(count, 1, height, 1) & inside_columns.view(count, 1, 1, width)
    return images.masked_fill(hidden, GREY)


def brighten(images: Tensor, reach: float, generator: torch.Generator) -> Tensor:
    """Multiply each image by its own factor from [1 - reach, 1 + reach], clipped to 0..255. (n, c, h, w) in and out."""
    if reach == 0:
        return images
    factor = (1 + reach * (2 * torch.rand(len(images), generator=generator) - 1)).to(images.device).view(-1, 1, 1, 1)
    seen = torch.empty_like(images)
    # A share at a time: all of CIFAR-10 in floats is 0.6 GB.
    for part, factors, into in zip(images.split(CHUNK), factor.split(CHUNK), seen.split(CHUNK), strict=True):
        into.copy_((part * factors).clamp_(0, 255))
    return seen


@dataclass(frozen=True)
class Mixed:
    """A batch of which each image is `share` of itself and the rest of image `partner`; share 1 is unmixed."""

    images: Tensor
    partner: Tensor
    share: float


def mix(images: Tensor, how: Augmentation, generator: torch.Generator) -> Mixed:
    """CutMix, MixUp or neither for a batch of floats (n, c, h, w), by the shares of `how`.

    Sources: Yun et al., "CutMix" (2019); Zhang et al., "mixup" (2018); both with Beta(1, 1), which is uniform.
    """
    if how.cutmix_share + how.mixup_share == 0:
        return Mixed(images, torch.arange(len(images)), 1.0)
    kind, share = torch.rand(2, generator=generator).tolist()
    partner = torch.randperm(len(images), generator=generator)
    if kind < how.cutmix_share:
        return _cut_mix(images, partner, share, generator)
    if kind < how.cutmix_share + how.mixup_share:
        return Mixed(images * share + images[partner] * (1 - share), partner, share)
    return Mixed(images, partner, 1.0)


def _cut_mix(images: Tensor, partner: Tensor, share: float, generator: torch.Generator) -> Mixed:
    """Paste a box of the partner; what is left of the image after clipping at the border is its true share."""
    height, width = images.shape[-2:]
    side = (1 - share) ** 0.5
    row, column = (torch.rand(2, generator=generator) * torch.tensor([height, width])).int().tolist()
    half_rows, half_columns = int(height * side / 2), int(width * side / 2)
    rows = slice(max(row - half_rows, 0), min(row + half_rows, height))
    columns = slice(max(column - half_columns, 0), min(column + half_columns, width))
    mixed = images.clone()
    mixed[:, :, rows, columns] = images[partner][:, :, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return Mixed(mixed, partner, 1 - pasted / (height * width))
