"""Collects freely licensed photographs and drawings in one folder of PNG files.

    python -m training.gather [--data build/training] [--packages FOLDER] [--copies FOLDER]

Most pictures are from Debian's wallpaper packages, which are unpacked and not installed, some from
scikit-image. Pages of text and collages of drawings from Debian packages are drawn here.
LICENCES.md lists the licences, and the copyright file of every package is kept with the pictures.
JPEG copies have a fifth of the size, for transfers to other machines.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tilewright.store.atomic import atomic_write
from training.pages import draw_collage, draw_text_page

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path("build/training")

# Package → patterns of its pictures. Left out are drawings that are only gradients, and smaller
# versions of others.
PACKAGES: dict[str, tuple[str, ...]] = {
    "lomiri-wallpapers-16.04": ("*_by_[!A]*.jpg", "*_by_Aitzol*.jpg"),
    "lomiri-wallpapers-20.04": ("Infinite*.jpg", "Kleiber*.jpg"),
    "mate-backgrounds": ("nature/*.jpg", "Elephants_3840x2160.jpg"),
    "palapeli-data": ("collection/*.jpg",),
    "plasma-workspace-wallpapers": tuple(
        f"{name}/contents/images/{size}.*"
        for size, names in {
            "2560x1600": "Autumn BytheWater ColdRipple ColorfulCups EveningGlow FallenLeaf Grey Kite OneStandsOut Path",
            "3840x2160": "Canopee Kokkini",
            "5120x2880": "IceCold Patak SafeLanding Shell Volna",
        }.items()
        for name in names.split()
    ),
}

# Pictures of scikit-image that are CC0, in the public domain or without known restrictions by its
# documentation.
SCIKIT_IMAGE = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "retina.jpg", "rocket.jpg", "text.png"),
)

# Larger pictures are downscaled to this size in pixels, which also removes JPEG artefacts.
LONGEST_SIDE = 2560

# Package → patterns of its drawings, all with alpha. Flags, signs and icons are left out: they have
# little detail.
DRAWINGS: dict[str, tuple[str, ...]] = {
    "openclipart-png": tuple(
        f"openclipart/png/{kind}/**/*.png"
        for kind in ("animals", "buildings", "food", "people", "plants", "transportation")
    ),
    "wesnoth-1.16-data": ("core/images/portraits/**/*.png",),
}

# JPEG quality of copies. Those of the pictures above, 236 megapixels, have 52 MB.
COPY_QUALITY = 90

# Number of pages of text, and of collages for each package of drawings.
PAGES = 8


def unpack(package: str, archives: Path, into: Path) -> Path:
    """Unpacks a Debian package, after downloading it if necessary.

    Args:
        package: Name of the package.
        archives: Folder of ``.deb`` files.
        into: Parent of the folder with the contents.

    Returns:
        The folder with the contents.
    """
    archives.mkdir(parents=True, exist_ok=True)
    if not any(archives.glob(f"{package}_*.deb")):
        subprocess.run(["apt-get", "download", package], cwd=archives, check=True)
    archive = next(archives.glob(f"{package}_*.deb"))
    folder = into / package
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
    return folder


def import_picture(source: Path, target: Path) -> None:
    """Converts a picture to a PNG file in RGB, at most `LONGEST_SIDE` wide and high."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if max(picture.size) > LONGEST_SIDE:
        ratio = LONGEST_SIDE / max(picture.size)
        picture = picture.resize([round(side * ratio) for side in picture.size], Image.Resampling.LANCZOS)
    _save(picture, target)


def _save(picture: Image.Image, target: Path) -> None:
    with atomic_write(target) as file:
        picture.save(file, "PNG", compress_level=1)


def list_pictures(folder: Path) -> list[Path]:
    """Returns the PNG and JPEG files of a folder, sorted."""
    return sorted(path for path in folder.glob("*") if path.suffix in (".png", ".jpg"))


def copy_as_jpeg(photos: Path, into: Path) -> None:
    """Copies the pictures of a folder as JPEG, without chroma subsampling."""
    into.mkdir(parents=True, exist_ok=True)
    for photo in list_pictures(photos):
        with Image.open(photo) as picture, atomic_write(into / f"{photo.stem}.jpg") as file:
            picture.convert("RGB").save(file, "JPEG", quality=COPY_QUALITY, subsampling=0)


def gather(data: Path, archives: Path) -> None:
    """Fills the folders ``photos`` and ``licences``; existing pictures are kept.

    Args:
        data: Parent of the folders.
        archives: Folder of ``.deb`` files, to which missing ones are downloaded.
    """
    photos = data / "photos"
    for package, patterns in PACKAGES.items():
        folder, sources = _unpack_pictures(package, patterns, data, archives)
        for source in sources:
            # Plasma names files by their size, and folders by the picture.
            name = "-".join([*source.relative_to(folder).parts[3:-1], source.stem])
            _import_if_missing(source, photos / f"{package}-{name}.png")
    for package, patterns in DRAWINGS.items():
        _, drawings = _unpack_pictures(package, patterns, data, archives)
        for number in range(PAGES):
            page = photos / f"{package}-{number}.png"
            if not page.exists():
                _save(draw_collage(np.random.default_rng(number), drawings), page)

    import skimage.data

    for name in SCIKIT_IMAGE:
        source = Path(skimage.data.__file__).parent / name
        _import_if_missing(source, photos / f"scikit-image-{source.stem}.png")
    for number in range(PAGES):
        _save(draw_text_page(np.random.default_rng(number)), photos / f"lettering-{number:02d}.png")


def _unpack_pictures(package: str, patterns: Sequence[str], data: Path, archives: Path) -> tuple[Path, list[Path]]:
    """Unpacks a package and copies its copyright file; returns its folder and matching pictures."""
    folder = unpack(package, archives, data / "unpacked")
    licence = data / "licences" / f"{package}.txt"
    licence.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "usr/share/doc" / package / "copyright", licence)
    return folder, sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})


def _import_if_missing(source: Path, target: Path) -> None:
    if not source.is_symlink() and not target.exists():
        import_picture(source, target)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="output folder (default: %(default)s)")
    parser.add_argument("--packages", type=Path, help="folder of .deb files (default: packages in the output folder)")
    parser.add_argument("--copies", type=Path, help="output folder of JPEG copies")
    arguments = parser.parse_args()
    photos = arguments.data / "photos"
    gather(arguments.data, arguments.packages or arguments.data / "packages")
    print(f"{len(list_pictures(photos))} pictures in {photos}")
    if arguments.copies:
        copy_as_jpeg(photos, arguments.copies)


if __name__ == "__main__":
    main()
