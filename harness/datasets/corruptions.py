"""CIFAR-10-C's corruptions by name, at severities 1 to 5, seeded. Owns their parameters; knows no data set, no model.

Source of definitions and parameters: Hendrycks, Dietterich, "Benchmarking neural network robustness to common
corruptions and perturbations" (2019), and the script that made the published CIFAR-10-C (make_cifar_c.py). Nothing of
that code is here. The random numbers are others, so single images differ from the published ones and accuracies agree
only within sampling error. The parameters are those for 32x32 pixels; on larger images the same ones do less harm.

Like the published set, fractions of a level are cut off, except where the original went through an 8-bit library.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.datasets import jpeg
from harness.errors import DataError, UnknownName, UsageError

Images = NDArray[np.uint8]  # (n, 3, height, width)
Levels = NDArray[np.float32]  # the same in levels 0..255, unrounded
Corruption = Callable[[Images, int, Generator], Images]  # the number is an index into the parameters: severity - 1

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK = 1000  # images at a time: keeps the floats of one step near 12 MB

# In severity order. Shares of the full range, unless said otherwise.
GAUSSIAN_SIGMA = (0.04, 0.06, 0.08, 0.09, 0.10)
SHOT_PHOTONS = (500, 250, 100, 75, 50)  # at full brightness
IMPULSE_SHARE = (0.01, 0.02, 0.03, 0.05, 0.07)  # of values, each channel by itself
DEFOCUS_RADIUS_SIGMA = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))  # pixels
MOTION_RADIUS_SIGMA = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))  # pixels
MOTION_DEGREES = 45.0  # at most, to either side of the horizontal
BRIGHTNESS_SHIFT = (0.05, 0.10, 0.15, 0.20, 0.30)  # of HSV's value
CONTRAST_FACTOR = (0.75, 0.5, 0.4, 0.3, 0.15)
FOG_AMOUNT_DECAY = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))
PIXELATE_SHARE = (0.95, 0.9, 0.85, 0.75, 0.65)  # of the side
JPEG_QUALITY = (80, 65, 58, 50, 40)


def corrupt(name: str, images: Images, severity: int, seed: int) -> Images:
    """The images (n, 3, h, w) after one corruption, as new ones. Equal arguments give equal bytes.

    The random numbers depend on seed, name and severity alone, never on what was computed before. UnknownName,
    UsageError on a severity outside 1..5, DataError on images of another form.
    """
    if name not in TABLE:
        raise UnknownName("corruption", name, TABLE)
    if severity not in SEVERITIES:
        raise UsageError(f"severity {severity} of {name} does not exist; choose 1 (mild) to 5")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise DataError(f"{name} takes uint8 images (n, 3, height, width), not {images.dtype} {images.shape}")
    corrupted = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        generator = np.random.default_rng((seed, zlib.crc32(name.encode()), severity, start))
        corrupted[start : start + CHUNK] = TABLE[name](images[start : start + CHUNK], severity - 1, generator)
    return corrupted


def gaussian_noise(images: Images, index: int, generator: Generator) -> Images:
    """Normal noise on every value."""
    noise = generator.standard_normal(images.shape, np.float32)
    return _cut(images + noise * np.float32(255 * GAUSSIAN_SIGMA[index]))


def shot_noise(images: Images, index: int, generator: Generator) -> Images:
    """Each value becomes a count of photons, as many as Poisson has it."""
    photons = SHOT_PHOTONS[index]
    counts = generator.poisson(images * (photons / 255))
    return _cut(counts.astype(np.float32) * np.float32(255 / photons))


def impulse_noise(images: Images, index: int, generator: Generator) -> Images:
    """A share of the values is black or white, one as likely as the other."""
    draw, share = generator.random(images.shape, np.float32), IMPULSE_SHARE[index]
    return np.where(draw < share / 2, np.uint8(0), np.where(draw < share, np.uint8(255), images))


def defocus_blur(images: Images, index: int, _: Generator) -> Images:
    """The mean over a disk whose edge is softened."""
    kernel = defocus_kernel(*DEFOCUS_RADIUS_SIGMA[index])
    _, _, height, width = images.shape
    reach = len(kernel) // 2
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)), "reflect").astype(np.float32)
    total = np.zeros(images.shape, np.float32)
    for (row, column), weight in np.ndenumerate(kernel):
        if weight > 1e-6:  # what is left out moves no pixel by a hundredth of a level
            total += np.float32(weight) * padded[:, :, row : row + height, column : column + width]
    return _cut(total)


def defocus_kernel(radius: float, sigma: float) -> NDArray[np.float64]:
    """Weights (5, 5) of the pixels whose centres lie within `radius` (below 2), blurred by a 3x3 Gaussian of `sigma`.

    At radii under 1 the disk is one pixel, so the published blur is the 3x3 Gaussian alone there.
    """
    row, column = np.mgrid[-1:2, -1:2]
    disk = (row**2 + column**2 <= radius**2).astype(float)
    side = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * sigma**2))
    gaussian = np.outer(side, side) / side.sum() ** 2
    kernel = np.zeros((5, 5))
    for (i, j), weight in np.ndenumerate(disk / disk.sum()):
        kernel[i : i + 3, j : j + 3] += weight * gaussian
    return kernel


def motion_blur(images: Images, index: int, generator: Generator) -> Images:
    """A trail of half a Gaussian in one direction, which every image draws for itself.

    ImageMagick's definition, by which the published set was made: the i-th of 2 radius + 1 taps lies i pixels along
    the direction, rounded to whole pixels, and pixels outside are those of the edge.
    """
    radius, sigma = MOTION_RADIUS_SIGMA[index]
    _, _, height, width = images.shape
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    angles = np.radians(generator.uniform(-MOTION_DEGREES, MOTION_DEGREES, len(images)))
    pad = len(weights)
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "edge")
    total = np.zeros(images.shape, np.float32)
    for tap in np.flatnonzero(weights > 1e-5):
        right = np.ceil(tap * np.cos(angles) - 0.5).astype(int)
        down = np.ceil(tap * np.sin(angles) - 0.5).astype(int)
        for dx, dy in set(zip(right.tolist(), down.tolist(), strict=True)):
            those = np.flatnonzero((right == dx) & (down == dy))
            shifted = padded[those, :, pad + dy : pad + dy + height, pad + dx : pad + dx + width]
            total[those] += np.float32(weights[tap]) * shifted
    return _cut(total + np.float32(0.5))  # ImageMagick rounds


def brightness(images: Images, index: int, _: Generator) -> Images:
    """HSV's value, the largest of a pixel's channels, is raised; hue and saturation stay.

    With both kept, all three channels grow by the same factor, so no conversion is needed; black becomes grey.
    """
    shift = np.float32(255 * BRIGHTNESS_SHIFT[index])
    value = images.max(1, keepdims=True).astype(np.float32)
    raised = np.minimum(value + shift, np.float32(255))
    return _cut(np.where(value > 0, images * (raised / np.maximum(value, 1)), raised))


def contrast(images: Images, index: int, _: Generator) -> Images:
    """Every channel shrinks towards its own mean over the image."""
    mean = images.mean((2, 3), dtype=np.float64, keepdims=True).astype(np.float32)
    return _cut((images - mean) * np.float32(CONTRAST_FACTOR[index]) + mean)


def fog(images: Images, index: int, generator: Generator) -> Images:
    """A cloud is added to all channels alike, and all is darkened to the image's old maximum."""
    amount, decay = FOG_AMOUNT_DECAY[index]
    count, _, height, width = images.shape
    side = 1 << math.ceil(math.log2(max(height, width, 2)))
    clouds = plasma(count, side, decay, generator)[:, None, :height, :width].astype(np.float32)
    most = images.max((1, 2, 3), keepdims=True).astype(np.float32)
    thick = np.float32(255 * amount)
    return _cut((images + thick * clouds) * (most / (most + thick)))


def plasma(count: int, side: int, decay: float, generator: Generator) -> NDArray[np.float64]:
    """Random landscapes (count, side, side) in [0, 1] that continue over their edges; `side` is a power of two.

    Diamond-square (Fournier, Fussell, Carpenter, 1982): each new point is the mean of its four neighbours plus uniform
    noise, whose half width starts at 100^2 and falls by decay^2 at each halving, as in the published definition.
    """
    heights = np.zeros((count, side, side))
    step, rough = side, 100.0
    while step >= 2:
        half = step // 2
        corners, centres = heights[:, ::step, ::step], heights[:, half::step, half::step]

        def noise(shape: tuple[int, ...] = corners.shape, most: float = rough**2) -> NDArray[np.float64]:
            return generator.uniform(-most, most, shape)

        across, along = corners + np.roll(corners, -1, 2), corners + np.roll(corners, -1, 1)
        centres[...] = (across + np.roll(across, -1, 1)) / 4 + noise()
        heights[:, ::step, half::step] = (across + centres + np.roll(centres, 1, 1)) / 4 + noise()
        heights[:, half::step, ::step] = (along + centres + np.roll(centres, 1, 2)) / 4 + noise()
        step, rough = half, rough / decay
    heights -= heights.min((1, 2), keepdims=True)
    heights /= heights.max((1, 2), keepdims=True)
    return heights


def pixelate(images: Images, index: int, _: Generator) -> Images:
    """Made smaller and as large as before, both by Pillow's box filter, columns first, in 8 bits after each step."""
    _, _, height, width = images.shape
    rows, columns = (int(side * PIXELATE_SHARE[index]) for side in (height, width))
    small = _resized(_resized(images, columns).swapaxes(2, 3), rows)
    return _resized(_resized(small.swapaxes(2, 3), width).swapaxes(2, 3), height).swapaxes(2, 3)


def _resized(images: Images, side: int) -> Images:
    """The last axis at another length, rounded."""
    levels: Levels = images @ box_filter(images.shape[-1], side) + np.float32(0.5)
    return levels.astype(np.uint8)


def box_filter(before: int, after: int) -> NDArray[np.float32]:
    """Weights (before, after) of Pillow's BOX: the mean of the pixels whose centres lie within the new pixel, its upper
    edge included, its lower one not; the nearest pixel where it is made larger. No pixel counts in part."""
    scale = before / after
    stretch = max(scale, 1.0)
    centres = (np.arange(after) + 0.5) * scale
    index = np.arange(before)[:, None]
    # In this order of operations Pillow's own roundings decide where a centre lies on an edge.
    place = (index - centres + 0.5) * (1 / stretch)
    first, last = ((centres + sign * stretch / 2 + 0.5).astype(int) for sign in (-1, 1))
    weights = ((place > -0.5) & (place <= 0.5) & (index >= first) & (index < last)).astype(np.float32)
    weights /= weights.sum(0)
    return weights


def jpeg_compression(images: Images, index: int, _: Generator) -> Images:
    """Through a JPEG file and back."""
    quality = JPEG_QUALITY[index]
    return np.stack([jpeg.decode(jpeg.encode(image, quality), "an image just encoded") for image in images])


def _cut(levels: Levels) -> Images:
    """Levels as bytes, fractions cut off, as in the published set. A thousandth of a level is added before: where the
    arithmetic ends at a whole level, its rounding must not take one away."""
    return (np.clip(levels, 0, 255) + np.float32(1e-3)).astype(np.uint8)


TABLE: Mapping[str, Corruption] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "defocus_blur": defocus_blur,
    "motion_blur": motion_blur,
    "brightness": brightness,
    "contrast": contrast,
    "fog": fog,
    "pixelate": pixelate,
    "jpeg": jpeg_compression,
}
