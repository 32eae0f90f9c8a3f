"""The corruptions against what follows from their definitions: on grey images, single bright pixels, Pillow itself."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.datasets import corruptions
from harness.datasets.corruptions import SEVERITIES, TABLE, corrupt
from harness.errors import DataError, UnknownName, UsageError

Images = NDArray[np.uint8]


def flat(level: int, count: int = 8, side: int = 32) -> Images:
    return np.full((count, 3, side, side), level, np.uint8)


def dot(side: int = 32) -> Images:
    """Black but for one white pixel in the middle of all channels."""
    images = flat(0, 1, side)
    images[:, :, side // 2, side // 2] = 255
    return images


def noisy(count: int = 4, height: int = 32, width: int = 32) -> Images:
    return np.random.default_rng(7).integers(0, 256, (count, 3, height, width), dtype=np.uint8)


def needs_pillow(name: str) -> None:
    if name == "jpeg":
        pytest.importorskip("PIL", reason="Pillow is not installed: pip install pillow")


@pytest.mark.parametrize("name", TABLE)
def test_each_keeps_the_form_and_its_input_and_repeats_itself(name: str) -> None:
    needs_pillow(name)
    images = noisy(5, 20, 24)
    before = images.copy()
    first = corrupt(name, images, 3, seed=1)
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert np.array_equal(images, before)
    assert not np.array_equal(first, images)
    assert np.array_equal(first, corrupt(name, images, 3, seed=1))


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "motion_blur", "fog"])
def test_the_seed_changes_the_random_ones(name: str) -> None:
    images = noisy(3)
    assert not np.array_equal(corrupt(name, images, 2, seed=1), corrupt(name, images, 2, seed=2))


@pytest.mark.parametrize("name", ["defocus_blur", "brightness", "contrast", "pixelate", "jpeg"])
def test_the_seed_changes_nothing_else(name: str) -> None:
    needs_pillow(name)
    images = noisy(3)
    assert np.array_equal(corrupt(name, images, 2, seed=1), corrupt(name, images, 2, seed=2))


@pytest.mark.parametrize("name", TABLE)
def test_severity_5_is_farther_from_the_image_than_1(name: str) -> None:
    needs_pillow(name)
    x, y = np.mgrid[0:32, 0:32]
    smooth = (60 + 3 * x + 2 * y + 20 * np.sin(x * y / 20)).astype(np.uint8)
    images = np.stack([smooth, smooth.T, 255 - smooth])[None].repeat(4, 0)
    near, far = (np.abs(corrupt(name, images, s, 0).astype(int) - images).mean() for s in (1, 5))
    assert 0 < near < far


def test_images_are_corrupted_one_like_the_other_across_chunks() -> None:
    """Chunks draw from generators of their own: the second thousand does not repeat the first."""
    images = flat(128, corruptions.CHUNK + 5, side=4)
    found = corrupt("gaussian_noise", images, 1, 0)
    assert not np.array_equal(found[:5], found[corruptions.CHUNK :])
    assert np.array_equal(found[: corruptions.CHUNK], corrupt("gaussian_noise", images[: corruptions.CHUNK], 1, 0))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_noise_has_the_published_sigma(severity: int) -> None:
    """On mid grey nothing is clipped; cutting fractions adds a variance of 1/12 and takes half a level. 98,304 values:
    the standard error of the deviation is 0.23 %."""
    sigma = 255 * (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    found = corrupt("gaussian_noise", flat(128, 32), severity, 0).astype(float)
    assert found.std() == pytest.approx(math.sqrt(sigma**2 + 1 / 12), rel=0.01)
    assert found.mean() == pytest.approx(127.5, abs=0.4)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shot_noise_counts_photons(severity: int) -> None:
    """Level 102 is 0.4: k photons with Poisson's probability for 0.4 of all, each 255 / photons levels, fractions cut
    off. Black stays black."""
    photons = (500, 250, 100, 75, 50)[severity - 1]
    mean, k = 0.4 * photons, np.arange(photons)
    chance = np.exp(k * math.log(mean) - mean - np.array([math.lgamma(i + 1) for i in k]))
    levels = np.floor(k * 255 / photons + 1e-9)
    expected = (chance * levels).sum()
    found = corrupt("shot_noise", flat(102, 32), severity, 0).astype(float)
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / math.sqrt(found.size))
    assert found.std() == pytest.approx(math.sqrt((chance * (levels - expected) ** 2).sum()), rel=0.01)
    assert corrupt("shot_noise", flat(0), severity, 0).max() == 0


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_replaces_the_published_share(severity: int) -> None:
    """Half of them black, half white, each channel by itself; all else is untouched. 4 standard errors are allowed."""
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    found = corrupt("impulse_noise", flat(100, 64), severity, 0)
    assert set(np.unique(found)) == {0, 100, 255}
    allowed = 4 * math.sqrt(share / 2 / found.size)
    assert (found == 0).mean() == pytest.approx(share / 2, abs=allowed)
    assert (found == 255).mean() == pytest.approx(share / 2, abs=allowed)
    assert ((found == 0).any(1) & ~(found == 0).all(1)).any()


def test_a_mild_defocus_is_a_small_gaussian() -> None:
    """Radius 0.3 covers one pixel; exp(-1 / (2 0.4^2)) = 0.04394 beside 1, so the middle keeps 1 / 1.08788^2."""
    found = corrupt("defocus_blur", dot(), 1, 0)[0, 0]
    assert found[16, 16] == int(255 / 1.087874**2)
    assert found[16, 17] == found[15, 16] == int(255 * 0.043937 / 1.087874**2)
    assert found[16, 18] == 0


def test_the_strongest_defocus_is_the_mean_of_nine() -> None:
    """Radius 1.5 covers 3x3 pixels, and a Gaussian of 0.1 pixels moves nothing."""
    found = corrupt("defocus_blur", dot(), 5, 0)[0, 0]
    assert np.array_equal(np.argwhere(found), np.argwhere(np.pad(np.ones((3, 3)), 15)[:32, :32]))
    assert set(found[15:18, 15:18].ravel()) == {28}


def test_defocus_covers_a_disk_and_weighs_one() -> None:
    """Radius 1 covers the middle and its four neighbours; the blur of 0.2 pixels gives 3.7e-6 of each away."""
    kernel = corruptions.defocus_kernel(1.0, 0.2)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[1:4, 1:4] == pytest.approx(np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]) / 5, abs=1e-5)


@pytest.mark.parametrize("name", ["defocus_blur", "motion_blur"])
def test_a_blur_leaves_a_flat_image_as_it_is(name: str) -> None:
    """Weights add up to one, at the edges too."""
    for severity in SEVERITIES:
        assert np.array_equal(corrupt(name, flat(77), severity, 0), flat(77))


class Straight(np.random.Generator):
    """Draws the same angle for all."""

    def __init__(self, degrees: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.degrees = degrees

    def uniform(self, low=0.0, high=1.0, size=None):  # type: ignore[no-untyped-def]  # as numpy has it
        return np.full(size, self.degrees)


def test_motion_blur_draws_a_trail_of_half_a_gaussian() -> None:
    """Sigma 1: weights 1, 0.6065, 0.1353, 0.0111, 0.0003 over 1.7533. A pixel takes what lies to its right."""
    found = corruptions.motion_blur(dot(), 0, Straight(0.0))[0, 0]
    assert found[16, 10:17].tolist() == [0, 0, 0, 2, 20, 88, 145]
    assert np.delete(found, 16, axis=0).max() == 0


def test_motion_blur_follows_its_angle() -> None:
    """At 45 degrees tap i lies at round(0.7071 i): 0, 1, 1, 2, 3 down and right."""
    found = corruptions.motion_blur(dot(), 0, Straight(45.0))[0, 0]
    assert {tuple(place) for place in np.argwhere(found)} == {(16, 16), (15, 15), (14, 14)}
    assert found[15, 15] == 108  # taps 1 and 2 together: 255 (0.6065 + 0.1353) / 1.7533


@pytest.mark.parametrize(("severity", "shift"), [(1, 12.75), (2, 25.5), (3, 38.25), (4, 51.0), (5, 76.5)])
def test_brightness_raises_the_largest_channel_and_keeps_the_hue(severity: int, shift: float) -> None:
    images = flat(0, 1)
    images[:, 0], images[:, 1] = 100, 40
    found = corrupt("brightness", images, severity, 0)[0, :, 0, 0].tolist()
    assert found == [int(100 + shift), int((100 + shift) * 0.4), 0]


def test_brightness_stops_at_white_and_makes_black_grey() -> None:
    images = flat(250, 1)
    images[:, 1] = 125
    assert corrupt("brightness", images, 5, 0)[0, :, 0, 0].tolist() == [255, 127, 255]
    assert set(corrupt("brightness", flat(0), 4, 0).ravel()) == {51}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_shrinks_about_each_channels_own_mean(severity: int) -> None:
    """Half of each channel is its mean + 40, half - 40; the means are 100, 140, 180."""
    factor = (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1]
    images = np.broadcast_to(np.array([100, 140, 180])[None, :, None, None], (2, 3, 4, 4)).astype(np.uint8)
    images[..., :2] += 40
    images[..., 2:] -= 40
    found = corrupt("contrast", images, severity, 0)
    for channel, mean in enumerate((100, 140, 180)):
        assert set(found[:, channel].ravel()) == {mean + round(40 * factor), mean - round(40 * factor)}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_fog_is_an_affine_image_of_its_cloud(severity: int) -> None:
    """Of flat 128: the clearest pixel is 128 m / (m + a) with m = 128, a = 255 amount; the thickest 128."""
    amount = (0.2, 0.5, 0.75, 1.0, 1.5)[severity - 1]
    found = corrupt("fog", flat(128, 6), severity, 0)
    assert np.array_equal(found[:, 0], found[:, 2])
    assert found.max((1, 2, 3)).tolist() == [128] * 6
    assert found.min((1, 2, 3)).tolist() == [int(128 * 128 / (128 + 255 * amount))] * 6


def test_clouds_fill_their_range_and_continue_over_the_edge() -> None:
    clouds = corruptions.plasma(50, 32, 3.0, np.random.default_rng(0))
    assert clouds.min((1, 2)).tolist() == [0.0] * 50
    assert clouds.max((1, 2)).tolist() == [1.0] * 50
    inside, over = np.abs(np.diff(clouds, axis=2)).mean(), np.abs(clouds[..., 0] - clouds[..., -1]).mean()
    assert over == pytest.approx(inside, rel=0.3)
    rough = corruptions.plasma(50, 32, 1.75, np.random.default_rng(0))
    assert np.abs(np.diff(rough, axis=2)).mean() > 1.2 * inside


def test_clouds_start_from_the_mean_of_the_corners() -> None:
    """A 2x2 map: its corner is 0, so the centre is one draw, and each edge point (2 x 0 + 2 centre) / 4 + its own."""
    draws = np.random.default_rng(4).uniform(-(100.0**2), 100.0**2, 3)
    points = np.array([[0, draws[0] / 2 + draws[1]], [draws[0] / 2 + draws[2], draws[0]]])
    expected = (points - points.min()) / np.ptp(points)
    assert corruptions.plasma(1, 2, 3.0, np.random.default_rng(4))[0] == pytest.approx(expected)


def test_pixelate_by_hand() -> None:
    """4 columns to int(4 x 0.65) = 2 and back: means of pairs, halves rounded up."""
    row = np.array([10, 21, 200, 100], np.uint8)
    images = np.broadcast_to(row, (1, 3, 4, 4)).copy()
    assert corrupt("pixelate", images, 5, 0)[0, 0].tolist() == [[16, 16, 150, 150]] * 4


@pytest.mark.parametrize("side", [16, 32, 45, 64])
def test_pixelate_is_pillows_box_filter(side: int) -> None:
    """Byte for byte, also where centres fall on edges (16 to 10, 45 to 42)."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install pillow")
    images = noisy(2, side, side + 3)
    for severity in SEVERITIES:
        share = corruptions.PIXELATE_SHARE[severity - 1]
        small = (int((side + 3) * share), int(side * share))
        for found, original in zip(corrupt("pixelate", images, severity, 0), images, strict=True):
            picture = image.fromarray(np.ascontiguousarray(original.transpose(1, 2, 0)))
            expected = picture.resize(small, image.Resampling.BOX).resize((side + 3, side), image.Resampling.BOX)
            assert np.array_equal(found, np.asarray(expected).transpose(2, 0, 1))


def test_jpeg_without_pillow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"needs Pillow, which is not installed: pip install pillow.*\[build\]"):
        corrupt("jpeg", flat(1, 1), 1, 0)


def test_wrong_calls_are_named() -> None:
    with pytest.raises(UnknownName, match="no corruption is called 'gausian_noise'; did you mean gaussian_noise"):
        corrupt("gausian_noise", flat(1), 1, 0)
    with pytest.raises(UsageError, match="severity 6 of fog does not exist; choose 1"):
        corrupt("fog", flat(1), 6, 0)
    with pytest.raises(DataError, match=r"contrast takes uint8 images \(n, 3, height, width\), not float64"):
        corrupt("contrast", np.zeros((1, 3, 4, 4)), 1, 0)  # type: ignore[arg-type]  # on purpose
