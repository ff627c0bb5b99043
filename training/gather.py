"""Gathers freely licensed photographs and drawings into one folder of PNG files.

    python -m training.gather [--data build/training] [--packages FOLDER] [--copies FOLDER]

Most come from Debian's wallpaper packages, which are unpacked, not installed; some from scikit-image; some pages of
lettering and of drawings from Debian packages are put together here. Their licences are in LICENCES.md, and each
package's own copyright file is kept beside the pictures. Copies as JPEG, a fifth of the size, are for a machine to
which little can be carried.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tilewright.store.atomic import whole_file
from training.pages import draw_lettering, strew_drawings

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path("build/training")

# Package: which of its pictures. Left out are drawings that are nothing but gradients, and small versions of others.
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

# From the package scikit-image: those in the public domain, or without known restrictions, by its documentation.
SCIKIT_IMAGE = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "retina.jpg", "rocket.jpg", "text.png"),
)

# Pictures are shrunk to this at most, which also removes what their JPEG compression left.
LONGEST_SIDE = 2560

# Package: which of its drawings, all with alpha. Flags, signs and icons are left out: there is little in them.
DRAWINGS: dict[str, tuple[str, ...]] = {
    "openclipart-png": tuple(
        f"openclipart/png/{kind}/**/*.png"
        for kind in ("animals", "buildings", "food", "people", "plants", "transportation")
    ),
    "wesnoth-1.16-data": ("core/images/portraits/**/*.png",),
}

# Of copies. The pictures above, 236 megapixels, come to 52 MB.
COPY_QUALITY = 90

# So many pages of lettering, and of each package's drawings.
PAGES = 8


def unpack(package: str, archives: Path, into: Path) -> Path:
    """Downloads a Debian package, unless it lies in `archives`, and unpacks it; returns the folder."""
    archives.mkdir(parents=True, exist_ok=True)
    if not any(archives.glob(f"{package}_*.deb")):
        subprocess.run(["apt-get", "download", package], cwd=archives, check=True)
    archive = next(archives.glob(f"{package}_*.deb"))
    folder = into / package
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
    return folder


def keep(source: Path, target: Path) -> None:
    """Stores a picture as PNG, in RGB and shrunk."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if max(picture.size) > LONGEST_SIDE:
        ratio = LONGEST_SIDE / max(picture.size)
        picture = picture.resize([round(side * ratio) for side in picture.size], Image.Resampling.LANCZOS)
    _save(picture, target)


def _save(picture: Image.Image, target: Path) -> None:
    with whole_file(target) as file:
        picture.save(file, "PNG", compress_level=1)


def pictures_in(folder: Path) -> list[Path]:
    """What was gathered there, or copied."""
    return sorted(path for path in folder.glob("*") if path.suffix in (".png", ".jpg"))


def copy_small(photos: Path, into: Path) -> None:
    """Copies pictures as JPEG of good quality, with all colours."""
    into.mkdir(parents=True, exist_ok=True)
    for photo in pictures_in(photos):
        with Image.open(photo) as picture, whole_file(into / f"{photo.stem}.jpg") as file:
            picture.convert("RGB").save(file, "JPEG", quality=COPY_QUALITY, subsampling=0)


def gather(data: Path, archives: Path) -> None:
    """Fills ``data/photos`` and ``data/licences``; what is there already stays."""
    photos = data / "photos"
    for package, patterns in PACKAGES.items():
        folder, sources = _unpacked(package, patterns, data, archives)
        for source in sources:
            # Plasma's files are named for their size: their folder tells which picture it is.
            name = "-".join([*source.relative_to(folder).parts[3:-1], source.stem])
            _keep_once(source, photos / f"{package}-{name}.png")
    for package, patterns in DRAWINGS.items():
        _, drawings = _unpacked(package, patterns, data, archives)
        for number in range(PAGES):
            page = photos / f"{package}-{number}.png"
            if not page.exists():
                _save(strew_drawings(np.random.default_rng(number), drawings), page)

    import skimage.data

    for name in SCIKIT_IMAGE:
        source = Path(skimage.data.__file__).parent / name
        _keep_once(source, photos / f"scikit-image-{source.stem}.png")
    for number in range(PAGES):
        _save(draw_lettering(np.random.default_rng(number)), photos / f"lettering-{number:02d}.png")


def _unpacked(package: str, patterns: Sequence[str], data: Path, archives: Path) -> tuple[Path, list[Path]]:
    """A package's folder and the pictures that are wanted of it; its copyright file is kept."""
    folder = unpack(package, archives, data / "unpacked")
    licence = data / "licences" / f"{package}.txt"
    licence.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "usr/share/doc" / package / "copyright", licence)
    return folder, sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})


def _keep_once(source: Path, target: Path) -> None:
    if not source.is_symlink() and not target.exists():
        keep(source, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help=f"where everything goes (default: {DATA})")
    parser.add_argument("--packages", type=Path, help="folder of .deb files (default: packages in the data folder)")
    parser.add_argument("--copies", type=Path, help="folder for copies as JPEG")
    arguments = parser.parse_args()
    photos = arguments.data / "photos"
    gather(arguments.data, arguments.packages or arguments.data / "packages")
    print(f"{len(pictures_in(photos))} pictures in {photos}")
    if arguments.copies:
        copy_small(photos, arguments.copies)


if __name__ == "__main__":
    main()
