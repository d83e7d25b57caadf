"""Pictures in, pictures out: the package's reading and writing of files.

Inside mattingkit a picture is an array; here it meets the file system. :func:`load_image` and :func:`save_image` move
pixels alone. A photograph also carries its colour profile (without it, colours change) and its dots per inch (without
them, an ID photo prints at the wrong size): :func:`read_photo` keeps both, from a file or a pipe, and
:func:`write_photo` hands them on in whatever way the format wants. Orientation is not handed on, since the pixels were
already turned by it. Everything is written through :func:`atomic_write`: a file appears whole or not at all.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_image, to_uint8

__all__ = [
    "FORMATS",
    "PICTURE_SUFFIXES",
    "Photo",
    "atomic_write",
    "load_image",
    "png_bytes",
    "read_array",
    "read_photo",
    "refuse_existing",
    "save_image",
    "write_photo",
]

#: What the results can be written as; the name the shell takes, and the file's suffix.
FORMATS = {"png": ".png", "webp": ".webp", "tiff": ".tif", "jpg": ".jpg"}

#: What counts as a picture in a folder. Some are here because cameras make them although Pillow may not read them:
#: those are reported, not passed over.
PICTURE_SUFFIXES = frozenset(
    f".{name}"
    for name in re.findall(
        r"\w+",
        "jpg jpeg jpe jfif png apng webp tif tiff gif bmp dib ppm pgm pbm pnm tga jp2 j2k jpf avif heic heif psd ico "
        "dng cr2 cr3 nef arw orf rw2 raf",
    )
)


def load_image(path: str | os.PathLike[str] | IO[bytes]) -> FloatArray:
    """Load a picture as (H, W, 3) float64 in [0, 1].

    The EXIF orientation is applied, transparency is dropped, palettes and CMYK become RGB, and of an animation the
    first frame is taken. 16-bit gray keeps its depth.

    Parameters
    ----------
    path : path or binary file
        Any format Pillow reads: JPEG, PNG, WebP, TIFF, GIF, BMP and more.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        sRGB values as stored.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is no picture, is truncated, or is too large to be one.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "gray.png")
    >>> save_image(path, np.full((4, 5), 0.2))
    >>> load_image(path)[0, 0]
    array([0.2, 0.2, 0.2])
    """
    return as_image(read_array(path))


def read_array(path: str | os.PathLike[str] | IO[bytes]) -> npt.NDArray[Any]:
    """Read a picture file's stored values, upright: (H, W), (H, W, 3) or (H, W, 4); see :func:`load_image`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = os.fspath(path) if isinstance(path, str | os.PathLike) else getattr(path, "name", "the stream")
    try:
        with warnings.catch_warnings():
            # Pillow warns at 89 megapixels and refuses at twice that; only the refusal concerns us.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                file.seek(0)
                # Decoding comes before the rotation: a truncated file fails here, whole.
                file.load()
                return _pixels(ImageOps.exif_transpose(file))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {name!r}. Check the path and its spelling.") from None
    except IsADirectoryError:
        raise ValueError(f"{name!r} is a folder; name one picture in it.") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name!r} is not a picture in a known format; JPEG, PNG, WebP, TIFF, GIF and BMP are."
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name!r} claims more pixels than a picture should have; scale it down first.") from None
    except (PermissionError, ConnectionError):
        raise
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(f"{name!r} is truncated or damaged ({error}); copy or export it again.") from error


def _pixels(picture: Any) -> npt.NDArray[Any]:
    """Turn an open Pillow picture of any mode into stored values with channels last."""
    mode: str = picture.mode
    if mode in ("L", "RGB", "RGBA", "LA", "1"):
        return np.asarray(picture)
    if mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16)
    if mode == "I":  # 16-bit gray PNG arrives as 32-bit integers
        deep: npt.NDArray[np.uint16] = np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
        return deep
    if mode == "F":
        return np.asarray(picture, dtype=np.float64)
    return np.asarray(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))


def save_image(path: str | os.PathLike[str], image: npt.ArrayLike, *, quality: int = 95, **metadata: Any) -> None:
    """Save a picture, an alpha or a cut-out; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        The suffix names the format: .png, .jpg, .webp, .tif, …; folders on the way are made.
    image : array_like, shape (H, W), (H, W, 3) or (H, W, 4)
        Values as :func:`as_image` takes them; four channels are RGBA, not premultiplied.
    quality : int, default 95
        1 to 100, for JPEG and WebP.
    **metadata
        Handed to Pillow as they are: ``icc_profile=…``, ``dpi=(300, 300)``.

    Raises
    ------
    ValueError
        For an unknown suffix, or transparency in a format without it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "out", "cutout.png")
    >>> save_image(path, np.zeros((4, 5, 4)))
    >>> path.exists()
    True
    """
    from PIL import Image

    target = Path(path)
    Image.init()
    kind = Image.registered_extensions().get(target.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise ValueError(f"{target.name!r} has no known picture suffix; use .png, .jpg, .webp or .tif.")
    pixels = to_uint8(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] == 4 and kind in ("JPEG", "BMP"):
        raise ValueError(
            f"{kind} has no transparency: save as .png, .webp or .tif, or composite over a background first."
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(f"A picture to save has shape (H, W), (H, W, 3) or (H, W, 4); got {pixels.shape}.")
    options: dict[str, Any] = {key: value for key, value in metadata.items() if value is not None}
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0  # halved colour would bleed across the very edges matting is about
    if kind == "TIFF":
        options.setdefault("compression", "tiff_deflate")
    with atomic_write(target) as file:
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, format=kind, **options)


def png_bytes(picture: npt.ArrayLike, *, compress_level: int = 4) -> bytes:
    """Return a picture, an alpha or a cut-out as the bytes of an 8-bit PNG file.

    Parameters
    ----------
    picture : array_like, shape (H, W), (H, W, 3) or (H, W, 4)
        bool, uint8, uint16, or float in [0, 1].
    compress_level : int, default 4
        0 to 9. 1 is the quickest and makes files about a third larger; use it for what a screen shows once.

    Returns
    -------
    bytes

    Examples
    --------
    >>> png_bytes(np.zeros((4, 4)))[1:4]
    b'PNG'
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(file, "PNG", compress_level=compress_level)
    return file.getvalue()


def refuse_existing(targets: Iterable[str | os.PathLike[str]], overwrite: bool = False) -> None:
    """Refuse to write where files already are, before any work starts.

    Parameters
    ----------
    targets : iterable of path
        Every file that is going to be written.
    overwrite : bool, default False
        True allows all of them to be replaced.

    Raises
    ------
    FileExistsError
        Names the first that exist, and how to go on.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "alpha.png").touch()
    >>> refuse_existing([folder / "cutout.png"])
    >>> refuse_existing([folder / "alpha.png"], overwrite=True)
    >>> refuse_existing([folder / "alpha.png"])  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    FileExistsError: alpha.png is already there
    """
    if overwrite:
        return
    # A link that points nowhere is somebody's too.
    there = [os.fspath(target) for target in targets if os.path.lexists(target)]
    if there:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        are, them = ("is", "it") if len(there) == 1 else ("are", "them")
        raise FileExistsError(
            f"{', '.join(there[:3])}{more} {are} already there, and nothing was written. Choose another place with -o, "
            f"or replace {them} with --overwrite (in Python overwrite=True)."
        )


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name only when complete.

    The bytes go to a temporary file beside the target, which then replaces it in one step. If the block raises, the
    target stays as it was and the temporary file is removed.

    Parameters
    ----------
    path : path
        The target; folders on the way are made.

    Yields
    ------
    binary file

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "notes.txt")
    >>> with atomic_write(path) as file:
    ...     _ = file.write(b"whole")
    >>> path.read_bytes()
    b'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a picture is as readable as any other file a person makes.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Photo:
    """A photograph read from a file.

    Parameters
    ----------
    image : ndarray of float64, shape (H, W, 3)
    name : str
        The file's name without folder and suffix.
    icc_profile : bytes or None
        Only a profile of RGB colours, since that is what the pixels are now.
    dpi : (float, float) or None
        Dots per inch, across and down.

    Examples
    --------
    >>> Photo(np.zeros((2, 2, 3)), "black").dpi is None
    True
    """

    image: FloatArray
    name: str
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def read_photo(source: str | os.PathLike[str] | IO[bytes], *, largest: float | None = None) -> Photo:
    """Read a photograph with its colour profile and resolution.

    Parameters
    ----------
    source : path, ``"-"`` for standard input, or binary file
    largest : float, optional
        Refuse pictures of more megapixels, before decoding them.

    Returns
    -------
    Photo

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`mattingkit.load_image`; and for a picture that is too large.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp(), "print.png")
    >>> save_image(path, np.zeros((3, 4, 3)), dpi=(300, 300))
    >>> photo = read_photo(path)
    >>> photo.name, [round(value) for value in photo.dpi]
    ('print', [300, 300])
    """
    if hasattr(source, "read") or source == "-":
        content = sys.stdin.buffer.read() if source == "-" else source.read()
        if not content:
            raise ValueError("Standard input is empty; pipe a picture in: cat photo.jpg | mattingkit cutout - -o -")
        file: Any = io.BytesIO(content)
        name = "stdin"
    else:
        file, name = Path(source), Path(source).stem
    size, metadata = _look(file)
    if largest is not None and size is not None and size[0] * size[1] > largest * 1e6:
        raise ValueError(
            f"The picture has {size[0]} × {size[1]} = {size[0] * size[1] / 1e6:.0f} megapixels, more than the limit "
            f"of {largest:g} (--max-megapixels)."
        )
    if isinstance(file, io.BytesIO):
        file.seek(0)
    return Photo(load_image(file), name, **metadata)


def _look(file: Any) -> tuple[tuple[int, int] | None, dict[str, Any]]:
    """Size and metadata from a file's header; what is wrong with the file is left for the decoder to say."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                profile = picture.info.get("icc_profile")
                # Bytes 16 to 20 of an ICC profile name its colour space (ICC.1:2022, 7.2.6); that of a CMYK or gray
                # file would be wrong for the RGB pixels made of it.
                if not profile or profile[16:20] != b"RGB ":
                    profile = None
                return picture.size, {"icc_profile": profile, "dpi": _dpi(picture.info.get("dpi"))}
    except Exception:  # anything at all can be in a broken header
        return None, {}


def _dpi(stored: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in stored)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None


def write_photo(
    target: str | os.PathLike[str],
    pixels: npt.ArrayLike,
    *,
    icc_profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    quality: int = 95,
) -> None:
    """Write a picture whole or not at all, with its profile and resolution in the way its format wants.

    Parameters
    ----------
    target : path
        Its suffix names the format. With ``"-.png"``, the bytes go to standard output in that format.
    pixels : array_like, shape (H, W), (H, W, 3) or (H, W, 4)
    icc_profile : bytes, optional
        Left out for a gray picture, which is no RGB.
    dpi : (float, float), optional
    quality : int, default 95
        For JPEG and WebP.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp(), "alpha.webp")
    >>> write_photo(path, np.zeros((3, 4)), dpi=(300, 300))
    >>> path.exists()
    True
    """
    path = Path(target)
    metadata: dict[str, Any] = {"icc_profile": icc_profile if np.ndim(pixels) == 3 else None, "dpi": dpi}
    if path.suffix.lower() == ".webp" and dpi is not None:
        from PIL import Image

        # WebP has no field of its own for it; EXIF's X and Y resolution, in inches, do the same.
        exif = Image.Exif()
        exif[0x011A], exif[0x011B], exif[0x0128] = dpi[0], dpi[1], 2
        metadata = {"icc_profile": metadata["icc_profile"], "exif": exif.tobytes()}
    if path.stem != "-":
        save_image(path, pixels, quality=quality, **metadata)
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, f"picture{path.suffix}")
        save_image(whole, pixels, quality=quality, **metadata)
        sys.stdout.buffer.write(whole.read_bytes())
        sys.stdout.buffer.flush()
