import gzip
import io
import lzma
import re
import shutil
import tarfile
import tracemalloc

import numpy as np
import pytest

from keras_infomax.saved_model import archives


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "variables").mkdir(parents=True)
    (folder / "a.txt").write_text("first")
    (folder / "variables/b.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def write_archive(path, name, kind=tarfile.REGTYPE, target=""):
    with tarfile.open(path, "w:gz") as archive:
        good = tarfile.TarInfo("good.txt")
        good.size = 4
        archive.addfile(good, io.BytesIO(b"good"))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)


def test_what_is_packed_unpacks(folder, tmp_path):
    archives.pack(folder, tmp_path / "x.tar.gz")
    archives.unpack(tmp_path / "x.tar.gz", tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(folder)
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        assert archive.getnames() == ["a.txt", "variables", "variables/b.bin"]


def test_the_same_files_give_the_same_bytes(folder, tmp_path):
    archives.pack(folder, tmp_path / "x.tar.gz")
    (folder / "a.txt").write_text("first")  # At another time.
    archives.pack(folder, folder / "y.tar.gz")
    archives.pack(folder, folder / "y.tar.gz")  # It leaves itself out.
    first, second = tmp_path / "x.tar.gz", folder / "y.tar.gz"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("name", "kind", "target", "reason"),
    [
        ("../evil", tarfile.REGTYPE, "", "leaves the archive"),
        ("a/../../evil", tarfile.REGTYPE, "", "leaves the archive"),
        ("..\\evil", tarfile.REGTYPE, "", "leaves the archive"),
        ("/evil", tarfile.REGTYPE, "", "an absolute path"),
        ("C:\\evil", tarfile.REGTYPE, "", "an absolute path"),
        ("evil", tarfile.SYMTYPE, "/etc", "a link to '/etc'"),
        ("evil", tarfile.SYMTYPE, "good.txt", "a link to 'good.txt'"),
        ("evil", tarfile.LNKTYPE, "../evil", "a link to '../evil'"),
        ("evil", tarfile.FIFOTYPE, "", "neither a file nor a folder"),
        ("evil", tarfile.CHRTYPE, "", "neither a file nor a folder"),
    ],
)
def test_members_that_reach_outside_are_refused(tmp_path, name, kind, target, reason):
    write_archive(tmp_path / "x.tar.gz", name, kind, target)
    with pytest.raises(ValueError, match="Do not trust this archive") as error:
        archives.unpack(tmp_path / "x.tar.gz", tmp_path / "deep" / "copy")
    assert reason in str(error.value)
    with pytest.raises(ValueError, match=re.escape(reason)):
        archives.check(tmp_path / "x.tar.gz")
    assert [path.name for path in tmp_path.rglob("*")] == ["x.tar.gz", "deep"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "last byte", "no archive"])
def test_damaged_archives_are_refused_and_leave_nothing(folder, tmp_path, damage):
    path = tmp_path / "x.tar.gz"
    archives.pack(folder, path)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
    elif damage == "last byte":
        data[-5] ^= 1  # In the checksum, behind all members.
    else:
        data = b"<html>404</html>"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.tar\.gz cannot be read as a \.tar\.gz"):
        archives.unpack(path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def header_of(kind, size, **pax):
    """The first bytes of an archive whose member claims a size."""
    member = tarfile.TarInfo("big")
    member.type, member.size = kind, size
    member.pax_headers = {key: str(value) for key, value in pax.items()}
    return member.tobuf(tarfile.PAX_FORMAT)


def assert_refused(path, message):
    """Refused by both ways to read it, with little memory, and nothing is left."""
    before = sorted(path.parent.iterdir())
    for read in (archives.check, lambda p: archives.unpack(p, path.parent / "copy")):
        tracemalloc.start()
        with pytest.raises(ValueError, match=message) as error:
            read(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 100 << 20
        assert len(str(error.value)) < 700
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize(
    "header",
    [
        header_of(tarfile.REGTYPE, 10**12),
        header_of(
            tarfile.REGTYPE, 512, **{"GNU.sparse.size": 10**12, "GNU.sparse.map": "0,1"}
        ),
    ],
    ids=["file", "sparse"],
)
def test_archives_that_fill_the_disk_are_refused_at_once(header, tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(header + bytes(2048)))
    assert_refused(path, "must unpack to 268,435,456 bytes")


@pytest.mark.parametrize("size", [2**32, 5 << 20])
@pytest.mark.parametrize(
    "kind",
    [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME],
    ids=["pax", "global", "long name"],
)
def test_archives_that_fill_the_memory_are_refused_at_once(kind, size, tmp_path):
    path = tmp_path / "x.tar.gz"
    stored = bytes(min(size, 6 << 20))
    path.write_bytes(gzip.compress(header_of(kind, size) + stored))
    assert_refused(path, "must unpack to|headers of the archive .* 4,194,304 bytes")


def test_many_members_are_refused(tmp_path):
    path = tmp_path / "x.tar.gz"
    many = b"".join(tarfile.TarInfo(str(n)).tobuf() for n in range(9000))
    path.write_bytes(gzip.compress(many))
    with pytest.raises(ValueError, match="headers of the archive"):
        archives.check(path)


def test_what_is_packed_twice_is_not_unpacked_without_limits(tmp_path):
    """1,556 bytes, of which an xz inside makes 1.5 GiB of memory."""
    compressor = lzma.LZMACompressor(preset=0)
    packed = compressor.compress(header_of(tarfile.XHDTYPE, 3 << 29))
    block = bytes(1 << 24)
    packed += b"".join(compressor.compress(block) for _ in range(8))
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(packed + compressor.flush()))
    assert_refused(path, "cannot be read as a .tar.gz; it may be damaged")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a/" * 3000 + "b"], "a path of 3001 parts, more than 64"),
        (["good.txt", "./good.txt"], "the second one of this name"),
        (["good.txt", "GOOD.txt"], "'GOOD.txt', the second one of this name"),
        (["caf\u00e9", "cafe\u0301"], "the second one of this name"),
    ],
    ids=["deep", "twice", "letters", "accents"],
)
def test_paths_that_not_every_system_has_are_refused(names, reason, tmp_path):
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    assert_refused(path, f"{reason}. Do not trust this archive")


@pytest.mark.parametrize("fault", ["chained", "number", "loop", "plain", "xz"])
def test_malformed_archives_are_one_line(fault, tmp_path):
    path = tmp_path / "x.tar.gz"
    if fault == "chained":  # tarfile calls itself for each.
        data = header_of(tarfile.GNUTYPE_LONGNAME, 0) * 3000
    elif fault == "number":
        data = header_of(tarfile.REGTYPE, 0, **{"GNU.sparse.map": "a", "x": 1})
    elif fault == "loop":
        header = bytearray(tarfile.TarInfo("back").tobuf())
        header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # Minus 1,024 bytes.
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data = bytes(header) * 3
    else:
        data = tarfile.TarInfo("x").tobuf() + bytes(1024)
    pack = {"plain": bytes, "xz": lzma.compress}.get(fault, gzip.compress)
    path.write_bytes(pack(data))
    assert_refused(path, "x.tar.gz (cannot be read|must be files)")


def test_archives_need_room_on_the_disk(folder, tmp_path, monkeypatch):
    archives.pack(folder, tmp_path / "x.tar.gz")
    room = shutil.disk_usage(tmp_path)._replace(free=6000)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: room)
    with pytest.raises(ValueError, match="6,000 bytes at most.*make room"):
        archives.unpack(tmp_path / "x.tar.gz", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_existing_folder_is_kept(folder, tmp_path):
    archives.pack(folder, tmp_path / "x.tar.gz")
    with pytest.raises(ValueError, match="exists already"):
        archives.unpack(tmp_path / "x.tar.gz", folder)


def test_what_is_no_folder_is_not_packed(tmp_path):
    with pytest.raises(ValueError, match="folder must exist"):
        archives.pack(tmp_path / "none", tmp_path / "none.tar.gz")
    assert list(tmp_path.iterdir()) == []
