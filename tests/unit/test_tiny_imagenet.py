"""The reader of Tiny ImageNet on small made images in the official layout, and on the real validation images."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from harness.datasets import tiny_imagenet
from harness.datasets.table import dataset
from harness.errors import DataError
from harness.model.recipe import Initialise
from harness.registry import load_suite

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install pillow")

IDS = ("n01", "n02", "n03")
COLOURS = {"n01": (250, 10, 10), "n02": (10, 250, 10), "n03": (10, 10, 250)}


def picture(wnid: str, side: int = 64, mode: str = "RGB") -> bytes:
    """One colour all over, which JPEG keeps within a few levels."""
    file = io.BytesIO()
    Image.new(mode, (side, side), COLOURS[wnid] if mode == "RGB" else 99).save(file, "JPEG", quality=95)
    return file.getvalue()


def official(data_dir: Path, order: tuple[str, ...] = ("n02", "n03", "n01", "n03", "n01", "n02")) -> Path:
    """Write classes and validation images (two of each class) as the official archive unpacks."""
    root = data_dir / tiny_imagenet.FOLDER
    (root / "val" / "images").mkdir(parents=True)
    (root / "wnids.txt").write_text("".join(f"{one}\n" for one in IDS))
    (root / "words.txt").write_text("n00\tentity\nn03\tblue, azure\nn01\tred\nn02\tgreen\n")
    rows = [f"val_{i}.JPEG\t{one}\t0\t0\t62\t62\n" for i, one in enumerate(order)]
    (root / "val" / "val_annotations.txt").write_text("".join(rows))
    for i, one in enumerate(order):
        (root / "val" / "images" / f"val_{i}.JPEG").write_bytes(picture(one))
    return root


def packed(data_dir: Path) -> Path:
    """The same in one tar, the folder gone."""
    root = official(data_dir / "unpacked")
    archive = data_dir / tiny_imagenet.ARCHIVE
    with tarfile.open(archive, "w") as tar:
        tar.add(root, tiny_imagenet.FOLDER)
    return archive


def test_validation_images_come_in_the_annotations_order(tmp_path: Path) -> None:
    official(tmp_path)
    split = tiny_imagenet.read_validation(tiny_imagenet.find(tmp_path), IDS, 2)
    assert (split.images.shape, split.images.dtype) == ((6, 3, 64, 64), np.uint8)
    assert split.labels.tolist() == [1, 2, 0, 2, 0, 1]
    assert split.images.mean((2, 3)).argmax(1).tolist() == split.labels.tolist()  # red, green, blue by label
    assert split.dataset == "tiny-imagenet"


def test_the_folder_itself_and_the_tar_read_the_same(tmp_path: Path) -> None:
    packed(tmp_path)
    sources = [tiny_imagenet.find(tmp_path), tiny_imagenet.find(tmp_path / "unpacked" / tiny_imagenet.FOLDER)]
    assert sources[0].where.endswith(".tar")
    first, second = (tiny_imagenet.read_validation(one, IDS, 2) for one in sources)
    assert first.sha256 == second.sha256


def test_grey_images_have_three_equal_channels(tmp_path: Path) -> None:
    root = official(tmp_path)
    (root / "val" / "images" / "val_0.JPEG").write_bytes(picture("n02", mode="L"))
    split = tiny_imagenet.read_validation(tiny_imagenet.find(tmp_path), IDS, 2)
    assert set(split.images[0].ravel()) == {99}


def test_an_absent_set_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Tiny ImageNet under .*tiny-imagenet-200/wnids\.txt .*val\.tar.*--data"):
        tiny_imagenet.load_test(tmp_path)


def test_the_training_images_are_said_to_be_missing_and_where_to_put_them(tmp_path: Path) -> None:
    root = official(tmp_path)
    with pytest.raises(
        DataError,
        match=r"training images of Tiny ImageNet are missing: .*tiny-imagenet-200 has no train/n01/images/n01_0\.JPEG"
        r"\. Unpack http://cs231n.*zip so that tiny-imagenet-200/train/ holds .* 3 classes with 500 images",
    ):
        tiny_imagenet.read_training(tiny_imagenet.find(root), IDS)


def test_training_images_are_read_class_by_class(tmp_path: Path) -> None:
    root = official(tmp_path)
    for one in IDS:
        (root / "train" / one / "images").mkdir(parents=True)
        for i in range(2):
            (root / "train" / one / "images" / f"{one}_{i}.JPEG").write_bytes(picture(one))
    split = tiny_imagenet.read_training(tiny_imagenet.find(tmp_path), IDS, 2)
    assert split.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert split.images.mean((2, 3)).argmax(1).tolist() == split.labels.tolist()
    (root / "train" / "n02" / "images" / "n02_1.JPEG").unlink()
    with pytest.raises(DataError, match=r"has no train/n02/images/n02_1\.JPEG; the set is incomplete"):
        tiny_imagenet.read_training(tiny_imagenet.find(tmp_path), IDS, 2)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    official(tmp_path)
    with pytest.raises(DataError, match=r"wnids\.txt in .* is not the published one: 3 classes, expected 200"):
        tiny_imagenet.load_test(tmp_path)


def test_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    (official(tmp_path) / "wnids.txt").write_text("n02\nn01\nn03\n")
    with pytest.raises(DataError, match=r"wnids\.txt .* in their order, which is that of the labels"):
        tiny_imagenet.read_validation(tiny_imagenet.find(tmp_path), IDS, 2)


def test_a_short_list_is_named_with_its_class(tmp_path: Path) -> None:
    official(tmp_path, order=("n01", "n02", "n03", "n01", "n02"))
    with pytest.raises(DataError, match=r"val_annotations\.txt in .* lists 1 images of n03, expected 2"):
        tiny_imagenet.read_validation(tiny_imagenet.find(tmp_path), IDS, 2)


def test_an_unknown_class_is_named_with_its_image(tmp_path: Path) -> None:
    path = official(tmp_path) / "val" / "val_annotations.txt"
    path.write_text(path.read_text().replace("val_3.JPEG\tn03", "val_3.JPEG\tn99"))
    with pytest.raises(DataError, match=r"gives val/images/val_3\.JPEG the unknown class 'n99'"):
        tiny_imagenet.read_validation(tiny_imagenet.find(tmp_path), IDS, 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"has no val/images/val_4\.JPEG; the set is incomplete"),
        (picture("n01", side=63), r"val/images/val_4\.JPEG in .* has 63x63 pixels, expected 64x64"),
        (picture("n01")[:300], r"val/images/val_4\.JPEG in .* is not a whole JPEG image"),
        (b"GIF89a", r"val/images/val_4\.JPEG in .* is not a whole JPEG image"),
    ],
)
def test_a_bad_image_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = official(tmp_path) / "val" / "images" / "val_4.JPEG"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        tiny_imagenet.read_validation(tiny_imagenet.find(tmp_path), IDS, 2)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / tiny_imagenet.ARCHIVE).write_bytes(b"no tar")
    with pytest.raises(DataError, match=r"tiny-imagenet-200-val\.tar cannot be read"):
        tiny_imagenet.find(tmp_path)


def test_it_is_registered_with_its_classes_and_shape() -> None:
    known = dataset("tiny-imagenet")
    assert (len(set(known.classes)), known.shape) == (200, (3, 64, 64))
    assert (known.classes[0], known.classes[-1]) == ("n02124075", "n02504458")


def test_the_suite_promises_no_accuracy() -> None:
    suite, _ = load_suite("tiny-imagenet")
    for variant in suite.variants:
        assert variant.recipe is not None
        (step,) = variant.recipe.steps
        assert isinstance(step, Initialise)
        assert step.dataset == suite.dataset == "tiny-imagenet"
        assert "random weights" in variant.title
        assert "accuracy is missing" in variant.title


def real(shared: Path) -> Path:
    folder = shared / "data" / Path(tiny_imagenet.ARCHIVE).stem
    if not folder.is_dir():
        pytest.skip(f"there is no Tiny ImageNet in {folder}")
    return shared / "data"


def test_the_real_validation_images(shared: Path) -> None:
    """50 of each class, with the means and deviations that the set's description gives."""
    split = tiny_imagenet.load_test(real(shared))
    assert split.images.shape == (10_000, 3, 64, 64)
    assert np.bincount(split.labels).tolist() == [50] * 200
    counts = np.stack([np.bincount(split.images[:, channel].ravel(), minlength=256) for channel in range(3)])
    levels, total = np.arange(256) / 255, counts[0].sum()
    means = counts @ levels / total
    deviations = np.sqrt(counts @ levels**2 / total - means**2)
    assert means == pytest.approx([0.482358, 0.449497, 0.398082], abs=2e-4)  # decoders differ by a level now and then
    assert deviations == pytest.approx([0.276465, 0.269116, 0.282453], abs=2e-4)


def test_the_real_names_and_the_real_lack_of_training_images(shared: Path) -> None:
    assert tiny_imagenet.load_names(real(shared))[0] == "Egyptian cat"
    with pytest.raises(DataError, match=r"val\.tar has no train/n02124075/images/n02124075_0\.JPEG\. Unpack .*zip"):
        tiny_imagenet.load_train(real(shared))
