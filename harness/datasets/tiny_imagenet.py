"""Tiny ImageNet: 200 classes of ImageNet at 64x64, from its official folder or from a tar of it. Knows no model.

Made for Stanford's course CS231n; no sums of its files were ever published, so what is checked is that the classes,
the counts and the sizes are as documented. The official test images have no public labels: as everywhere, the
validation images take their place. Pixels come out of Pillow's JPEG decoder, whose versions can differ by a level, and
so can the SHA-256 of a split.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.datasets import jpeg
from harness.datasets.split import Split, digest_of
from harness.errors import DataError

NAME = "tiny-imagenet"
FOLDER = "tiny-imagenet-200"
# Validation and class lists alone, in one file: what is passed on where the whole set is too large.
ARCHIVE = "tiny-imagenet-200-val.tar"
PAGE = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
SIDE = 64
VALIDATION_PER_CLASS = 50
TRAINING_PER_CLASS = 500
# Of the training images in [0, 1], grey ones as RGB: as the README of the project's shared data folder gives them.
# Not recomputed, the training images not being at hand; the validation images, which are, have 0.482358 0.449497
# 0.398082 and 0.276465 0.269116 0.282453.
MEAN = (0.480237, 0.448067, 0.397504)
STANDARD_DEVIATION = (0.276436, 0.268863, 0.281590)
# WordNet's ids in the order of wnids.txt, which is that of the labels.
_WNIDS = """
    n02124075 n04067472 n04540053 n04099969 n07749582 n01641577 n02802426 n09246464 n07920052 n03970156
    n03891332 n02106662 n03201208 n02279972 n02132136 n04146614 n07873807 n02364673 n04507155 n03854065
    n03838899 n03733131 n01443537 n07875152 n03544143 n09428293 n03085013 n02437312 n07614500 n03804744
    n04265275 n02963159 n02486410 n01944390 n09256479 n02058221 n04275548 n02321529 n02769748 n02099712
    n07695742 n02056570 n02281406 n01774750 n02509815 n03983396 n07753592 n04254777 n02233338 n04008634
    n02823428 n02236044 n03393912 n07583066 n04074963 n01629819 n09332890 n02481823 n03902125 n03404251
    n09193705 n03637318 n04456115 n02666196 n03796401 n02795169 n02123045 n01855672 n01882714 n02917067
    n02988304 n04398044 n02843684 n02423022 n02669723 n04465501 n02165456 n03770439 n02099601 n04486054
    n02950826 n03814639 n04259630 n03424325 n02948072 n03179701 n03400231 n02206856 n03160309 n01984695
    n03977966 n03584254 n04023962 n02814860 n01910747 n04596742 n03992509 n04133789 n03937543 n02927161
    n01945685 n02395406 n02125311 n03126707 n04532106 n02268443 n02977058 n07734744 n03599486 n04562935
    n03014705 n04251144 n04356056 n02190166 n03670208 n02002724 n02074367 n04285008 n04560804 n04366367
    n02403003 n07615774 n04501370 n03026506 n02906734 n01770393 n04597913 n03930313 n04118538 n04179913
    n04311004 n02123394 n04070727 n02793495 n02730930 n02094433 n04371430 n04328186 n03649909 n04417672
    n03388043 n01774384 n02837789 n07579787 n04399382 n02791270 n03089624 n02814533 n04149813 n07747607
    n03355925 n01983481 n04487081 n03250847 n03255030 n02892201 n02883205 n03100240 n02415577 n02480495
    n01698640 n01784675 n04376876 n03444034 n01917289 n01950731 n03042490 n07711569 n04532670 n03763968
    n07768694 n02999410 n03617480 n06596364 n01768244 n02410509 n03976657 n01742172 n03980874 n02808440
    n02226429 n02231487 n02085620 n01644900 n02129165 n02699494 n03837869 n02815834 n07720875 n02788148
    n02909870 n03706229 n07871810 n03447447 n02113799 n12267677 n03662601 n02841315 n07715103 n02504458
"""
CLASSES = tuple(_WNIDS.split())


@dataclass(frozen=True)
class Source:
    """Where the set was found, and how a file of it is read by its path below ``tiny-imagenet-200/`` (KeyError)."""

    where: str
    read: Callable[[str], bytes]


def find(data_dir: Path) -> Source:
    """The set below `data_dir`: its folder, unpacked, or a tar that holds it. DataError if neither."""
    for folder in (data_dir / FOLDER, data_dir):
        if (folder / "wnids.txt").is_file():
            return Source(str(folder), _reader_of_folder(folder))
    for archive in (data_dir / ARCHIVE, data_dir / Path(ARCHIVE).stem / ARCHIVE):
        if archive.is_file():
            return Source(str(archive), _reader_of_tar(archive))
    raise DataError(
        f"no Tiny ImageNet under {data_dir}: expected {FOLDER}/wnids.txt (unpacked from {PAGE}) or {ARCHIVE}. "
        "Point --data (or HARNESS_DATA) at the folder that holds either"
    )


def load_test(data_dir: Path) -> Split:
    """The 10,000 validation images in the order of val_annotations.txt, 50 of each class. DataError."""
    return read_validation(find(data_dir))


def load_train(data_dir: Path) -> Split:
    """The 100,000 training images (1.2 GB), class by class, 500 of each. DataError where they are not there."""
    return read_training(find(data_dir))


def load_names(data_dir: Path) -> tuple[str, ...]:
    """What the classes are called in English, in label order: a synonym or several each. DataError."""
    source = find(data_dir)
    names = dict(line.split("\t", 1) for line in _lines(source, "words.txt") if "\t" in line)
    missing = [one for one in CLASSES if one not in names]
    if missing:
        raise DataError(f"words.txt in {source.where} has no name for {missing[0]}; fetch the set again")
    return tuple(names[one] for one in CLASSES)


def read_validation(source: Source, classes: Sequence[str] = CLASSES, per_class: int = VALIDATION_PER_CLASS) -> Split:
    """The images that val_annotations.txt lists. DataError where a class, a count, an image or a size is not right."""
    label = _labels(source, classes)
    listed = []
    for line in _lines(source, "val/val_annotations.txt"):
        file, _, rest = line.partition("\t")
        listed.append((f"val/images/{file}", rest.partition("\t")[0]))
    unknown = [(path, wnid) for path, wnid in listed if wnid not in label]
    if unknown:
        raise DataError(
            f"val_annotations.txt in {source.where} gives {unknown[0][0]} the unknown class {unknown[0][1]!r}"
        )
    counts = Counter(wnid for _, wnid in listed)
    _check_counts(source, "val_annotations.txt", {one: counts[one] for one in classes}, per_class)
    return _decoded(source, [(path, label[wnid]) for path, wnid in listed])


def read_training(source: Source, classes: Sequence[str] = CLASSES, per_class: int = TRAINING_PER_CLASS) -> Split:
    """The images ``train/<class>/images/<class>_<number>.JPEG``, by class and number. DataError."""
    label = _labels(source, classes)
    names = [(f"train/{one}/images/{one}_{i}.JPEG", label[one]) for one in classes for i in range(per_class)]
    try:
        source.read(names[0][0])
    except KeyError:
        raise DataError(
            f"the training images of Tiny ImageNet are missing: {source.where} has no {names[0][0]}. Unpack {PAGE} "
            f"so that {FOLDER}/train/ holds a folder for each of the {len(classes)} classes with {per_class} images "
            f"in images/, beside {FOLDER}/val/, in the data folder"
        ) from None
    return _decoded(source, names)


def _labels(source: Source, classes: Sequence[str]) -> dict[str, int]:
    found = [line.strip() for line in _lines(source, "wnids.txt")]
    if found != list(classes):
        raise DataError(
            f"wnids.txt in {source.where} is not the published one: {len(found)} classes, expected {len(classes)} "
            f"from {classes[0]} to {classes[-1]} in their order, which is that of the labels. Fetch the set again"
        )
    return {one: i for i, one in enumerate(classes)}


def _check_counts(source: Source, file: str, counts: dict[str, int], per_class: int) -> None:
    wrong = [(one, count) for one, count in counts.items() if count != per_class]
    if wrong:
        one, count = wrong[0]
        raise DataError(
            f"{file} in {source.where} lists {count} images of {one}, expected {per_class}; it is incomplete"
        )


def _decoded(source: Source, listed: Sequence[tuple[str, int]]) -> Split:
    images = np.empty((len(listed), 3, SIDE, SIDE), np.uint8)
    for i, (path, _) in enumerate(listed):
        pixels = jpeg.decode(_content(source, path), f"{path} in {source.where}")
        if pixels.shape != images.shape[1:]:
            height, width = pixels.shape[1:]
            raise DataError(f"{path} in {source.where} has {width}x{height} pixels, expected {SIDE}x{SIDE}")
        images[i] = pixels
    labels = np.array([label for _, label in listed], np.int64)
    return Split(images, labels, digest_of(images, labels), NAME)


def _lines(source: Source, path: str) -> list[str]:
    try:
        return _content(source, path).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path} in {source.where} is not text; fetch the set again") from None


def _content(source: Source, path: str) -> bytes:
    try:
        return source.read(path)
    except KeyError:
        raise DataError(f"{source.where} has no {path}; the set is incomplete, fetch it again from {PAGE}") from None


def _reader_of_folder(folder: Path) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except OSError:
            raise KeyError(path) from None

    return read


def _reader_of_tar(archive: Path) -> Callable[[str], bytes]:
    """Everything is held in memory: the archive is 27 MB, and its members are read in another order than they lie."""
    try:
        with tarfile.open(archive) as tar:
            files = {member.name: _member(tar, member) for member in tar if member.isfile()}
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{archive} cannot be read ({error}); fetch it again") from None
    return lambda path: files[f"{FOLDER}/{path}"]


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
