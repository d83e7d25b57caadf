"""Data sets of pictures with trimaps and true alphas, laid out as alphamatting.com's.

Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009, publish 27 pictures with
their true alphas and two trimaps each. :func:`find_pictures` reads that layout and simpler ones; nothing is known
about a data set but what its folders say. :func:`fetch_alphamatting` brings the published set, which is not ours to
pass on: each user fetches it from its authors.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mattingkit.files import atomic_write, is_picture

#: Where alphamatting.com keeps its files.
ALPHAMATTING_URL = "http://www.alphamatting.com/datasets/zip/"

#: The low-resolution training set: file name to SHA-256, as PyMatting's tests/download_images.py states them.
ALPHAMATTING = {
    "input_training_lowres.zip": "78d403b0671424cd6e6a01b5489a4d26e53c40b1b9b98ea33f3ee02a09ccb5db",
    "trimap_training_lowres.zip": "819a095689057c3747df5d18492b4ef42f13f2d8d58b18de1411938229a3f4b6",
    "gt_training_lowres.zip": "686d560ea2b6e920b97485a34b64c24657b049e751cf97b05c962ebd5f1f7569",
}


@dataclass(frozen=True)
class TestPicture:
    """One picture of a data set, such as GT01, with its true alpha and its trimap of one set, such as Trimap1."""

    # pytest collects classes whose name begins with Test; this is none.
    __test__ = False

    name: str
    trimaps: str
    image: Path
    trimap: Path
    truth: Path


def find_pictures(folder: str | os.PathLike[str]) -> list[TestPicture]:
    """Find the pictures of a data set, each with its trimaps and its true alpha; by set of trimaps, then by name.

    The folder holds one of pictures whose name begins with ``input`` or ``image``, one of true alphas (``gt``,
    ``alpha`` or ``truth``), and trimaps in one or several folders (``trimap…``), or in folders inside one, as
    ``trimap_training_lowres/Trimap1``. Files belong together by name. FileNotFoundError is raised where a part of the
    layout is missing, ValueError where a trimap has no partner.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {str(root)!r}.")
    images = _pictures_in(_one_folder(root, ("input", "image"), "the pictures"))
    truths = _pictures_in(_one_folder(root, ("gt", "alpha", "truth", "ground"), "the true alphas"))
    found = []
    for place in _trimap_folders(root):
        for name, trimap in _pictures_in(place).items():
            missing = [what for what, files in (("picture", images), ("true alpha", truths)) if name not in files]
            if missing:
                raise ValueError(f"The trimap {str(trimap)!r} has no {' and no '.join(missing)} of the same name.")
            found.append(TestPicture(name, place.name, images[name], trimap, truths[name]))
    return found


def _folders(root: Path, beginnings: tuple[str, ...]) -> list[Path]:
    named = [(path.name.lower(), path) for path in sorted(root.iterdir()) if path.is_dir()]
    return [path for name, path in named if name.startswith(beginnings) and "highres" not in name]


def _one_folder(root: Path, beginnings: tuple[str, ...], what: str) -> Path:
    """The folder with one of these names; a folder that only holds another counts as that one."""
    for place in _folders(root, beginnings):
        inner = [path for path in place.iterdir() if not path.name.startswith(".")]
        return inner[0] if len(inner) == 1 and inner[0].is_dir() else place
    raise FileNotFoundError(
        f"{str(root)!r} has no folder with {what}: one whose name begins with {' or '.join(beginnings)}. "
        "The layout is input/, trimap1/, trimap2/, …, alpha/, or alphamatting.com's own."
    )


def _trimap_folders(root: Path) -> list[Path]:
    places = []
    for place in _folders(root, ("trimap",)):
        # alphamatting.com: trimap_training_lowres/Trimap1, …
        inner = sorted(path for path in place.rglob("*") if path.is_dir() and _pictures_in(path))
        places += [place] if _pictures_in(place) else inner
    if not places:
        raise FileNotFoundError(f"{str(root)!r} has no folder of trimaps: one whose name begins with trimap.")
    return places


def _pictures_in(place: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(place.iterdir()) if is_picture(path.name)}


def fetch_alphamatting(
    folder: str | os.PathLike[str],
    *,
    url: str = ALPHAMATTING_URL,
    files: Mapping[str, str] = ALPHAMATTING,
    progress: bool = True,
) -> Path:
    """Fetch alphamatting.com's 27 training pictures, 21 MB, from its authors; :func:`find_pictures` reads them.

    The folder gets the data set's folders, and the files as fetched in ``downloads/``; files placed there by hand serve
    too. ConnectionError is raised where the site cannot be reached, with which files to place where; ValueError where
    what arrived has another checksum.
    """
    import pooch

    root = Path(folder)
    downloads = root / "downloads"
    for name, digest in files.items():
        try:
            archive = pooch.retrieve(
                url + name,
                known_hash=f"sha256:{digest}",
                fname=name,
                path=downloads,
                # http_proxy and its like are honoured by requests, which pooch's own downloader uses.
                downloader=pooch.HTTPDownloader(progressbar=progress, timeout=30),
            )
        except OSError as error:
            raise ConnectionError(
                f"Could not fetch {url}{name} ({type(error).__name__}). Fetch {', '.join(files)} from {url} on another "
                f"machine, place them in {downloads} and run the same command again."
            ) from error
        _unpack(Path(archive), root / Path(name).stem)
    return root


def _unpack(archive: Path, target: Path) -> None:
    """Unpack the pictures of an archive; a folder in it of the archive's own name is not repeated."""
    with zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            parts = list(Path(member.filename).parts)
            if {"..", "/", "__MACOSX"} & set(parts) or member.is_dir() or not is_picture(parts[-1]):
                continue
            if parts[0].lower() == archive.stem.lower():
                del parts[0]
            with content.open(member) as source, atomic_write(target.joinpath(*parts)) as file:
                file.write(source.read())
