"""What `folder:PATH` reads, what it says, and what it leaves alone."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_infomax import datasets
from keras_infomax.datasets import image_files


def save(path, image=20, **options):
    """Writes an image: an array, an image of Pillow, or a grey value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, int):
        image = np.full((4, 6, 3), image, "uint8")
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)


def load(folder, **options):
    return datasets.load(f"folder:{folder}", **options)


def read(folder, **options):
    """All images of a folder, whatever their split."""
    data = load(folder, **options)
    return np.concatenate([data.train_images, data.test_images])


@pytest.fixture
def pets(tmp_path):
    """Six cats and six dogs."""
    for number in range(6):
        save(tmp_path / "cat" / f"{number}.png", number)
        save(tmp_path / "dog" / f"{number}.png", 100 + number)
    return tmp_path


def png(width, height):
    """A black PNG of few bytes."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    packer = zlib.compressobj(9)
    lines = b"".join(packer.compress(bytes(1 + width)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", header),
            chunk(b"IDAT", lines + packer.flush()),
            chunk(b"IEND", b""),
        ]
    )


GREY_16 = np.arange(24, dtype="uint16").reshape(4, 6) * 2700
COLORS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), "uint8")
ALPHA = np.concatenate([COLORS, COLORS[..., :1]], axis=-1)
UPPER_8 = (GREY_16 // 256).astype("uint8")[..., np.newaxis]
GREY = np.asarray(Image.fromarray(COLORS).convert("L"))
PALETTE = Image.fromarray(COLORS).convert("P", palette=Image.Palette.ADAPTIVE)
TWO_FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (6, 4), "red")]}


@pytest.mark.parametrize(
    ("suffix", "image", "expected", "options"),
    [
        ("png", COLORS, COLORS, {}),
        ("bmp", COLORS, COLORS, {}),
        ("TIFF", COLORS, COLORS, {}),
        ("tif", COLORS, COLORS, {"compression": "tiff_lzw"}),
        ("webp", COLORS, COLORS, {"lossless": True}),
        ("png", GREY, GREY[..., np.newaxis], {}),
        ("png", ALPHA, COLORS, {}),
        ("tiff", ALPHA, COLORS, {}),
        ("webp", ALPHA, COLORS, {"lossless": True, "exact": True}),
        ("png", Image.fromarray(GREY).convert("LA"), GREY[..., np.newaxis], {}),
        ("png", Image.fromarray(GREY).convert("1", dither=0), None, {}),
        ("png", PALETTE, np.asarray(PALETTE.convert("RGB")), {}),
        ("png", PALETTE, np.asarray(PALETTE.convert("RGB")), {"transparency": 0}),
        ("gif", PALETTE, np.asarray(PALETTE.convert("RGB")), {}),
        ("png", GREY_16, UPPER_8, {}),
        ("tiff", GREY_16, UPPER_8, {}),
        ("tiff", Image.fromarray(COLORS).convert("CMYK"), COLORS, {}),
        ("gif", PALETTE, np.asarray(PALETTE.convert("RGB")), TWO_FRAMES),
        ("webp", COLORS, COLORS, {"lossless": True, **TWO_FRAMES}),
        ("tiff", COLORS, COLORS, TWO_FRAMES),
        ("png", COLORS, COLORS, TWO_FRAMES),
    ],
)
def test_every_format_is_read(tmp_path, capsys, suffix, image, expected, options):
    for number in range(2):
        save(tmp_path / f"{number}.{suffix}", image, **options)
    if expected is None:
        expected = np.where(GREY > 127, 255, 0)[..., np.newaxis]
    np.testing.assert_array_equal(read(tmp_path), [expected, expected])
    out = capsys.readouterr().out
    assert ("all frames but the first: 2" in out) == ("append_images" in options)


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_jpeg_is_read_nearly(tmp_path, mode):
    image = Image.linear_gradient("L").resize((60, 40)).convert("RGB").convert(mode)
    for number in range(2):
        save(tmp_path / f"{number}.jpg", image, quality=95)
    expected = image if mode == "L" else image.convert("RGB")
    expected = np.asarray(expected).reshape(40, 60, -1)
    np.testing.assert_allclose(read(tmp_path)[0], expected, atol=6)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path, suffix, orientation):
    stored = np.zeros((16, 24, 3), "uint8")
    stored[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(2):
        save(tmp_path / f"{number}.{suffix}", stored, exif=exif)
    # Of EXIF 2.3: where the first row and the first column of what is stored belong.
    flip, turns = {
        1: (False, 0),
        2: (True, 0),
        3: (False, 2),
        4: (True, 2),
        5: (True, 1),
        6: (False, 3),
        7: (True, 3),
        8: (False, 1),
    }[orientation]
    upright = np.rot90(stored[:, ::-1] if flip else stored, turns)
    np.testing.assert_allclose(read(tmp_path)[0], upright, atol=60)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_unknown_range_are_refused(tmp_path, mode):
    save(tmp_path / "0.tiff", Image.fromarray(GREY).convert(mode))
    with pytest.raises(ValueError, match="0.tiff cannot .* 32 bits .* save it with 8"):
        load(tmp_path)


def test_the_report_tells_what_was_read_and_what_was_not(pets, capsys):
    load(pets)
    assert capsys.readouterr().out == f"{pets}: 12 images of 2 classes (cat 6, dog 6)\n"
    save(pets / "__MACOSX" / "cat" / "0.png")
    save(pets / "dog" / "@eaDir" / "preview.png")
    for name in (
        ".DS_Store",
        "dog/Thumbs.db",
        "cat/._0.png",
        "readme.txt",
        "cat/x.heic",
    ):
        (pets / name).write_text("no image")
    (pets / "empty" / "folder").mkdir(parents=True)
    save(pets / "dog" / "far" / "down" / "6.webp", 106)
    (pets / "dog" / "7.jpg").write_bytes(b"")
    data = load(pets, on_error="skip")
    assert data.class_names == ("cat", "dog")
    assert len(data.train_images) + len(data.test_images) == 13
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{pets}: 13 images of 2 classes (cat 6, dog 7)"
    assert second == (
        "  left out: hidden: 5 (.DS_Store, __MACOSX, dog/@eaDir, and 2 more); "
        "of other types: 2 (readme.txt, cat/x.heic); "
        "folders without images: 1 (empty); unreadable: 1 (dog/7.jpg cannot be read as "
        "an image: it is not a BMP, GIF, JPEG, PNG, TIFF or WebP file, or its header "
        "is damaged)"
    )


def test_the_report_counts_splits_and_unlabelled_images(tmp_path, capsys):
    for number in range(3):
        save(tmp_path / "train" / f"{number}.png")
    save(tmp_path / "test" / "a" / "0.png")
    save(tmp_path / "spare" / "0.png")
    load(tmp_path)
    assert capsys.readouterr().out == (
        f"{tmp_path}: 4 images (train 3, test 1) of 1 class (a 1), 3 of them without "
        "labels\n  left out: beside train and test: 1 (spare)\n"
    )


def test_labels_are_those_of_the_first_folder_however_deep(tmp_path):
    for number in range(4):
        save(tmp_path / "b" / "x" / f"{number}" / "0.png", 100 + number)
        save(tmp_path / "a" / f"{number}.png", number)
        save(tmp_path / "a" / "b" / f"{number}.png", 10 + number)
    data = load(tmp_path)
    images = np.concatenate([data.train_images, data.test_images])[:, 0, 0, 0]
    labels = np.concatenate([data.train_labels, data.test_labels])
    assert data.class_names == ("a", "b")
    np.testing.assert_array_equal(labels, images >= 100)
    assert sorted(images) == [0, 1, 2, 3, 10, 11, 12, 13, 100, 101, 102, 103]


def test_classes_one_folder_too_deep_are_pointed_at(tmp_path, capsys):
    for name in "abc":
        save(tmp_path / "photos" / name / "0.png")
    assert load(tmp_path).class_names == ("photos",)
    assert f"'folder:{tmp_path}/photos' makes them" in capsys.readouterr().out
    assert load(tmp_path / "photos").class_names == ("a", "b", "c")
    assert "makes them" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "it is not a BMP, GIF"),
        (lambda path: path.write_text("no image"), "it is not a BMP, GIF"),
        (lambda path: path.write_bytes(png(6, 4)[:-40]), r"\w+"),
        (lambda path: path.write_bytes(b"RIFF\xff\0\0\0WEBPVP8X"), r"\w+"),
        (lambda path: path.write_bytes(b"II*\0\x08\0\0\0\xff\xff"), r"\w+"),
        (lambda path: path.symlink_to("missing.png"), "No such file"),
        (lambda path: path.symlink_to("bad.png"), "Too many levels"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: os.mkfifo(path), "it is not a regular file"),
        (lambda path: path.write_bytes(png(400, 300)), "it has 120000 pixels, more"),
        (lambda path: path.write_bytes(png(120, 100)), "it has 12000 pixels, more"),
        (
            lambda path: save(path, Image.new("RGB", (400, 300)), format="WEBP"),
            "it has 120000 pixels, more than max_pixels=10000 .*max_pixels=120000",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_or_skipped(pets, capsys, make, message):
    make(pets / "cat" / "bad.png")
    with pytest.raises(
        ValueError, match=f"cat/bad.png cannot be .*: {message}"
    ) as info:
        load(pets, max_pixels=10_000)
    assert "--config.on_error=skip" in str(info.value)
    assert "\n" not in str(info.value)
    assert len(read(pets, max_pixels=10_000, on_error="skip")) == 12
    assert "unreadable: 1 (cat/bad.png" in capsys.readouterr().out


def test_a_small_file_of_a_large_image_is_never_decoded(pets, monkeypatch):
    (pets / "cat" / "bomb.png").write_bytes(png(20_000, 6_000))
    monkeypatch.setattr(image_files, "read_pixels", None)
    with pytest.raises(ValueError, match="it has 120000000 pixels, more than"):
        load(pets)


def test_limits_can_be_raised(pets):
    bomb = pets / "cat" / "large.png"
    bomb.write_bytes(png(400, 300))
    options = {"image_size": (4, 6), "on_error": "skip"}
    assert len(read(pets, max_pixels=119_999, **options)) == 12
    assert len(read(pets, max_pixels=120_000, **options)) == 13
    bomb.unlink()
    assert len(read(pets, max_bytes=12 * 4 * 6 * 3)) == 12
    with pytest.raises(ValueError, match="12 images .* 864 bytes .*max_bytes=864"):
        load(pets, max_bytes=12 * 4 * 6 * 3 - 1)
    with pytest.raises(ValueError, match="would take 36,000,000,000,000 bytes"):
        load(pets, image_size=(10**6, 10**6))


def test_files_of_more_bytes_than_an_image_needs_are_not_opened(pets):
    with open(pets / "cat" / "sparse.webp", "wb") as file:
        file.write(b"RIFF\xff\xff\xff\xffWEBPVP8X")
        file.truncate(2**40)
    with pytest.raises(ValueError, match="it has 1099511627776 bytes, more than"):
        load(pets)


def test_the_limit_of_pillow_and_its_warnings_stay_as_they_were(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    with warnings.catch_warnings(record=True) as caught:
        load(pets)
    assert not caught
    assert Image.MAX_IMAGE_PIXELS == 7


def test_all_failures_are_told_at_once(pets):
    for number in range(7):
        (pets / "cat" / f"bad{number}.png").write_text("bad")
    with pytest.raises(ValueError, match="bad0.png, .*bad2.png, and 4 more cannot be"):
        load(pets)


def test_classes_of_which_nothing_is_left_vanish(pets):
    for file in (pets / "cat").iterdir():
        file.write_bytes(file.read_bytes()[:40])
    data = load(pets, on_error="skip")
    assert data.class_names == ("dog",)
    assert set(data.train_labels) == {0}
    for file in (pets / "dog").iterdir():
        file.write_text("bad")
    with pytest.raises(ValueError, match="holds no images.*received unreadable: 12"):
        load(pets, on_error="skip")


def test_links_are_followed_and_nothing_is_read_twice(pets, tmp_path_factory, capsys):
    outside = tmp_path_factory.mktemp("outside")
    save(outside / "0.png", 50)
    (outside / "back").symlink_to(pets)
    (pets / "bird").symlink_to(outside)
    (pets / "cat" / "again").symlink_to(outside)
    (pets / "cat" / "up").symlink_to(pets)
    (pets / "cat" / "sibling").symlink_to("../dog")
    (pets / "dog" / "sibling").symlink_to("../cat")
    (pets / "cat" / "all").symlink_to("/")
    (pets / "cat" / "file.png").symlink_to("0.png")
    data = load(pets)
    assert data.class_names == ("bird", "cat", "dog")
    out = capsys.readouterr().out
    assert "14 images of 3 classes (bird 1, cat 7, dog 6)" in out
    assert "links to folders that are read already: 6" in out


def test_folders_may_be_deeper_than_python_recurses(pets):
    here = os.getcwd()
    try:
        os.chdir(pets / "cat")
        for _ in range(1100):
            os.mkdir("d")
            os.chdir("d")
        Image.new("RGB", (6, 4)).save("deep.png")
        assert len(read(pets)) == 13
        os.remove("deep.png")
        for _ in range(1100):
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)


def test_folders_that_cannot_be_opened_are_named(pets, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    (pets / "cat" / "secret").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match="cat/secret cannot be opened: Permission den"):
        load(pets)
    assert len(read(pets, on_error="skip")) == 12


def test_names_of_any_characters_are_shown_in_one_line(tmp_path, capsys):
    names = ("new\nline", "\x1b[31m", "\udcff", "it's", "back\\slash")
    for name in names:
        for number in range(2):
            save(tmp_path / name / f"{number}.png")
    shown = ("\\udcff", "\\x1b[31m", "new\\nline", "it's", "back\\slash")
    assert set(load(tmp_path).class_names) == set(shown)
    (line,) = capsys.readouterr().out.splitlines()
    assert all(name in line for name in shown)


@pytest.mark.parametrize(
    "names", [("train", "val"), ("Train", "Test"), ("validation",)]
)
def test_splits_of_other_names_are_not_taken_for_classes(tmp_path, names):
    for name in names:
        save(tmp_path / name / "a" / "0.png")
    with pytest.raises(ValueError, match="look like splits.*Name two of them 'train' "):
        load(tmp_path)
    save(tmp_path / "bus" / "0.png")
    assert "bus" in load(tmp_path).class_names


def test_folders_of_systems_do_not_make_unlabelled_images_unclear(tmp_path):
    for number in range(5):
        save(tmp_path / f"{number}.png")
    save(tmp_path / "__MACOSX" / "0.png")
    (tmp_path / "notes").mkdir()
    assert load(tmp_path).train_labels is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'skip'; received 'igno"),
        ({"on_error": None}, "on_error must be 'raise' or 'skip'; received None"),
        ({"max_pixels": 0}, "max_pixels must be a positive integer; received 0"),
        ({"max_pixels": 1e8}, "max_pixels must be a positive integer; received 1000"),
        ({"max_bytes": True}, "max_bytes must be a positive integer; received True"),
        ({"max_bytes": "4GB"}, "max_bytes must be a positive integer; received '4GB'"),
    ],
)
def test_options_are_checked(pets, options, message):
    with pytest.raises(ValueError, match=message):
        load(pets, **options)


def test_sizes_that_differ_suggest_the_smallest(pets):
    save(pets / "dog" / "9.png", np.zeros((9, 5, 3), "uint8"))
    with pytest.raises(ValueError, match=r'--config.image_size="\(4, 5\)"'):
        load(pets)
    assert read(pets, image_size=(4, 5)).shape == (13, 4, 5, 3)


def test_one_image_makes_no_split(tmp_path):
    save(tmp_path / "cat" / "0.png")
    with pytest.raises(ValueError, match="must hold at least two images.*train and"):
        load(tmp_path)
    save(tmp_path / "cat" / "1.png")
    assert len(read(tmp_path)) == 2
