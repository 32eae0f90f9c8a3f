from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional

from harness.errors import UsageError
from harness.model.lesson import Augmentation
from harness.variants.training import augment


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_cutout_hides_one_square_and_nothing_else() -> None:
    images = torch.full((50, 3, 32, 32), 7, dtype=torch.uint8)
    hidden = (augment.cutout(images, 8, seeded()) == augment.GREY).all(1).sum((1, 2))
    assert hidden.max() == 64  # a whole square, where it lies inside the image
    assert hidden.min() >= 16  # its centre does, so a quarter at least
    assert augment.cutout(images, 0, seeded()) is images


def test_brightness_scales_each_image_by_one_factor_within_reach() -> None:
    images = torch.full((200, 3, 4, 4), 100, dtype=torch.uint8)
    seen = augment.brighten(images, 0.2, seeded())
    assert seen.dtype == torch.uint8
    assert (seen.flatten(1).min(1).values == seen.flatten(1).max(1).values).all()
    assert 79 <= int(seen.min()) < 90 < 110 < int(seen.max()) <= 120
    assert int(augment.brighten(images + 150, 0.2, seeded()).max()) == 255


def test_mixup_is_the_weighted_sum_of_two_images() -> None:
    images = torch.rand(16, 3, 4, 4)
    mixed = augment.mix(images, Augmentation(mixup_share=1.0), seeded())
    expected = mixed.share * images + (1 - mixed.share) * images[mixed.partner]
    assert 0 < mixed.share < 1
    assert torch.allclose(mixed.images, expected)


def test_cutmix_says_how_much_of_the_image_is_left() -> None:
    images = torch.arange(16.0).view(16, 1, 1, 1).expand(16, 3, 8, 8)
    for seed in range(20):
        mixed = augment.mix(images, Augmentation(cutmix_share=1.0), torch.Generator().manual_seed(seed))
        own = (mixed.images == images).all(1)
        other = (mixed.images == images[mixed.partner]).all(1)
        assert (own | other).all()
        moved = mixed.partner != torch.arange(16)
        assert torch.allclose(own[moved].float().mean((1, 2)), torch.tensor(mixed.share))


def test_nothing_is_mixed_unless_asked() -> None:
    images = torch.rand(4, 3, 4, 4)
    assert augment.mix(images, Augmentation(), seeded()).images is images


def test_alternating_flips_show_both_views_in_two_epochs() -> None:
    images = torch.arange(6, dtype=torch.uint8).view(2, 1, 1, 3)
    first = torch.tensor([True, False])
    how = Augmentation(translate_pixels=0)
    views = [augment.view_of_epoch(images, how, first, epoch, seeded()) for epoch in range(2)]
    assert torch.equal(views[0][0], images[0].flip(-1))
    assert torch.equal(views[1][0], images[0])
    assert torch.equal(views[0][1], images[1])


@pytest.mark.parametrize("reach", [1, 4, 6])
def test_shifting_is_cutting_from_the_mirrored_image(reach: int) -> None:
    images = torch.randint(0, 256, (60, 3, 7, 9), dtype=torch.uint8, generator=seeded())
    padded = functional.pad(images.float(), (reach,) * 4, mode="reflect").to(torch.uint8)
    rows, columns = torch.randint(0, 2 * reach + 1, (2, 60), generator=seeded()).tolist()
    expected = [padded[i, :, rows[i] : rows[i] + 7, columns[i] : columns[i] + 9] for i in range(60)]
    assert {0, 2 * reach} <= {*rows, *columns}  # both borders are reached
    assert torch.equal(augment.translate(images, reach, seeded()), torch.stack(expected))


def test_an_image_too_small_to_mirror_is_an_error() -> None:
    images = torch.zeros(2, 3, 7, 9, dtype=torch.uint8)
    with pytest.raises(UsageError, match=r"translate_pixels is 7, and images of 7 x 9 pixels .* at most 6"):
        augment.translate(images, 7, seeded())


def test_brightness_in_chunks_is_brightness_at_once() -> None:
    images = torch.randint(0, 256, (2 * augment.CHUNK + 5, 1, 2, 2), dtype=torch.uint8, generator=seeded())
    factor = 1 + 0.4 * (2 * torch.rand(len(images), generator=seeded()) - 1)
    expected = (images.float() * factor.view(-1, 1, 1, 1)).clamp(0, 255).to(torch.uint8)
    assert torch.equal(augment.brighten(images, 0.4, seeded()), expected)
