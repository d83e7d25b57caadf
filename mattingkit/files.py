"""Pictures in, pictures out: the package's reading and writing of files.

Inside mattingkit a picture is an array; here it meets the file system. :func:`load_image` reads pixels alone. A
photograph also carries its colour profile (without it, colours change) and its dots per inch (without them, an ID photo
prints at the wrong size): :func:`read_photo` keeps both, from a file or a pipe, and :func:`save_image` hands them on in
whatever way the format wants. Orientation is not handed on, since the pixels were already turned by it. Everything is
written through :func:`atomic_write`: a file appears whole or not at all.
"""

from __future__ import annotations

import io
import math
import os
import secrets
import struct
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_image, stored_values, to_uint8

#: What the results can be written as; the name the shell takes, and the file's suffix.
FORMATS = {"png": ".png", "webp": ".webp", "tiff": ".tif", "jpg": ".jpg"}

#: What counts as a picture in a folder. Some are here because cameras make them although Pillow may not read them:
#: those are reported, not passed over.
_SUFFIXES = (
    "jpg jpeg jpe jfif png apng webp tif tiff gif bmp dib ppm pgm pbm pnm tga jp2 j2k jpf avif heic heif psd ico "
    "dng cr2 cr3 nef arw orf rw2 raf"
)
PICTURE_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())


def is_picture(name: str) -> bool:
    """Whether a file counts as a picture, by its name; hidden files do not.

    Examples
    --------
    >>> is_picture("a.JPG"), is_picture("notes.txt"), is_picture(".hidden.png")
    (True, False, False)
    """
    path = Path(name)
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


#: The formats that are read, by Pillow's names. Pillow knows more; some start other programs (EPS runs Ghostscript),
#: some are hardly kept up, and none of them is how a photograph or a trimap arrives.
READABLE = (
    *("JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "PPM", "TGA", "JPEG2000", "AVIF", "HEIF"),
    *("PSD", "ICO", "PCX", "SGI", "QOI"),
)

#: The environment variable that says how many megapixels a picture may have where the caller does not say, and the
#: limit without it. 120 megapixels are more than any but a few cameras take, and 2.9 GB as floats.
LIMIT_VARIABLE, _MAX_MEGAPIXELS = "MATTINGKIT_MAX_MEGAPIXELS", 120.0


def load_image(path: str | os.PathLike[str] | IO[bytes], *, max_megapixels: float | None = None) -> FloatArray:
    """Load a picture as (H, W, 3) float64 in [0, 1].

    The EXIF orientation is applied, transparency is dropped, palettes, CMYK and L*a*b* become RGB, and of an animation
    the first frame is taken. 16 bits keep their depth in gray, RGB and RGBA.

    Parameters
    ----------
    path : path or binary file
        JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000 and the others in :data:`READABLE`.
    max_megapixels : float, optional
        Refuse larger pictures before any memory is taken for them; by default 120, or what the environment variable
        ``MATTINGKIT_MAX_MEGAPIXELS`` says. A file of 20 KB can hold a picture that fills the memory.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        sRGB values as stored.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is no picture, is damaged, or is too large.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "gray.png")
    >>> save_image(path, np.full((4, 5), 0.2))
    >>> load_image(path)[0, 0]
    array([0.2, 0.2, 0.2])
    """
    return as_image(read_array(path, max_megapixels=max_megapixels))


def read_array(path: str | os.PathLike[str] | IO[bytes], *, max_megapixels: float | None = None) -> npt.NDArray[Any]:
    """Read a picture file's stored values, upright: (H, W), (H, W, 3) or (H, W, 4); see :func:`load_image`."""
    return _read(path, max_megapixels)[0]


def _read(
    source: str | os.PathLike[str] | IO[bytes], max_megapixels: float | None
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Decode a picture file: its values, upright, and what else its header says."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = os.fspath(source) if isinstance(source, str | os.PathLike) else getattr(source, "name", "the stream")
    if not isinstance(source, str | os.PathLike) and not source.seekable():
        source = io.BytesIO(source.read())
    Image.init()
    formats = [kind for kind in READABLE if kind in Image.OPEN]
    limit = _pixel_limit() if max_megapixels is None else max_megapixels
    try:
        with warnings.catch_warnings():
            # Pillow warns at 89 megapixels; the limit that counts is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source, formats=formats) as file:
                width, height = file.size
                if width * height > limit * 1e6:
                    raise _TooLargeError(width, height)
                info: dict[str, Any] = {str(key): value for key, value in file.info.items()}
                file.seek(0)
                tiles = list(file.tile)
                # Decoding comes before the rotation: a truncated file fails here, whole.
                file.load()
                if file.format == "PNG" and _ends_empty(file) and _has_too_few_rows(source):
                    raise ValueError("it has fewer rows than it says")
                values = stored_values(ImageOps.exif_transpose(file))
            low = _low_bytes(tiles)
            if low:
                # Pillow keeps the high byte of each 16-bit colour. Read in the other byte order, that is the low one.
                with Image.open(source, formats=formats) as file:
                    file.tile = low
                    values = values.astype(np.uint16) << 8 | np.asarray(ImageOps.exif_transpose(file))
            return values, info
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {name!r}. Check the path and its spelling.") from None
    except IsADirectoryError:
        raise ValueError(f"{name!r} is a folder; name one picture in it.") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name!r} is not a picture in a known format; JPEG, PNG, WebP, TIFF, GIF and BMP are."
        ) from None
    except _TooLargeError as size:
        width, height = size.args
        raise ValueError(
            f"{name!r} has {width} × {height} = {width * height / 1e6:.4g} megapixels, more than the limit of "
            f"{limit:.4g}. Scale it down, or raise the limit: max_megapixels=… in Python, --max-megapixels of a batch, "
            f"or {LIMIT_VARIABLE} in the environment."
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(
            f"{name!r} claims more pixels than Pillow opens; scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS."
        ) from None
    except (PermissionError, ConnectionError, MemoryError):
        raise
    except Exception as error:  # on damaged bytes decoders raise whatever comes
        raise ValueError(f"{name!r} is truncated or damaged ({error}); copy or export it again.") from error


def _ends_empty(picture: Any) -> bool:
    """Whether the last row of a picture is all 0, as rows are that a file did not bring."""
    return picture.crop((0, picture.height - 1, picture.width, picture.height)).getbbox(alpha_only=False) is None


def _has_too_few_rows(source: Any) -> bool:
    """Whether a PNG file's data ends before its last row, which Pillow does not mind. Interlaced ones are not judged.

    The data is a zlib stream of the rows, each begun by a byte that names its filter (PNG, 3rd edition, clause 10).
    """
    if isinstance(source, str | os.PathLike):
        content = Path(source).read_bytes()
    else:
        source.seek(0)
        content = source.read()
    place, data, (width, height, depth, kind, interlaced) = 8, [], (0, 0, 8, 0, 1)
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        name, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        if name == b"IHDR" and length == 13:
            width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif name == b"IDAT":
            data.append(body)
        place += 12 + length
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(kind, 1)
    wanted = height * (1 + (width * depth * channels + 7) // 8)
    stream, count = zlib.decompressobj(), 0
    for part in data:
        while part and count < wanted:
            count += len(stream.decompress(part, 1 << 20))
            part = stream.unconsumed_tail
    return not interlaced and count < wanted


class _TooLargeError(Exception):
    """A picture beyond the limit: width, height."""


def _pixel_limit() -> float:
    """The limit in megapixels where the caller gives none."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text) if text else _MAX_MEGAPIXELS
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise ValueError(f"{LIMIT_VARIABLE} is a number of megapixels, such as 200; got {text!r}.")
    return limit


def _low_bytes(tiles: list[Any]) -> list[Any]:
    """How to decode the low bytes of 16-bit colours, which Pillow drops; nothing for any other picture."""
    other = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
    swapped = []
    for tile in tiles:
        raw, *rest = (tile.args,) if isinstance(tile.args, str) else tile.args or ("",)
        if not isinstance(raw, str) or raw[:-1] not in ("RGB;16", "RGBA;16") or raw[-1] not in other:
            return []
        raw = raw[:-1] + other[raw[-1]]
        swapped.append(tile._replace(args=raw if isinstance(tile.args, str) else (raw, *rest)))
    return swapped


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
        ``icc_profile=…``, ``dpi=(300, 300)`` and what else Pillow knows for the format. A gray picture is no RGB: an
        RGB profile is left out.

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
    target = Path(path)
    picture, options = _prepared(target, image, quality, metadata)
    with atomic_write(target) as file:
        picture.save(file, **options)


def _prepared(target: Path, image: npt.ArrayLike, quality: int, metadata: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A Pillow picture, and the options to save it with; what cannot be saved is refused before a file is opened."""
    from PIL import Image

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
    if kind == "ICO" and max(pixels.shape[:2]) > 256:
        raise ValueError(
            f"An .ico holds 256 × 256 pixels at most, not {pixels.shape[1]} × {pixels.shape[0]}: use .png."
        )
    options = {"format": kind} | {key: value for key, value in metadata.items() if value is not None}
    if pixels.ndim == 2 and _is_rgb(options.get("icc_profile")):
        del options["icc_profile"]
    if kind == "WEBP" and "dpi" in options:
        # WebP has no field of its own for it; EXIF's X and Y resolution, in inches, do the same.
        (across, down), exif = options.pop("dpi"), Image.Exif()
        exif[0x011A], exif[0x011B], exif[0x0128] = across, down, 2
        options["exif"] = exif.tobytes()
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0  # halved colour would bleed across the very edges matting is about
    if kind == "TIFF":
        options.setdefault("compression", "tiff_deflate")
    return Image.fromarray(np.ascontiguousarray(pixels)), options


def png_bytes(picture: npt.ArrayLike, *, compress_level: int = 4) -> bytes:
    """Return a picture, an alpha or a cut-out as the bytes of an 8-bit PNG file.

    A ``compress_level`` of 1 is the quickest and makes files about a third larger; use it for what a screen shows once.
    """
    return photo_bytes(".png", picture, compress_level=compress_level)


def photo_bytes(suffix: str, image: npt.ArrayLike, *, quality: int = 95, **metadata: Any) -> bytes:
    """Return the bytes of the file that :func:`save_image` writes for a suffix.

    Examples
    --------
    >>> photo_bytes(".png", np.zeros((2, 3)))[1:4]
    b'PNG'
    """
    picture, options = _prepared(Path(f"picture{suffix}"), image, quality, metadata)
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


def packaged(folder: str) -> Path:
    """Where a folder of the repository is: inside an installed package, as ``_folder``, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / f"_{folder}"
    return inside if inside.is_dir() else package.parent / folder


def refuse_existing(targets: Iterable[str | os.PathLike[str]], overwrite: bool = False) -> None:
    """Refuse to write where files already are, before any work starts: FileExistsError names the first of them."""
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
    """Open a file for writing that takes its name only when complete; folders on the way are made.

    The bytes go to a temporary file beside the target, which then replaces it in one step. If the block raises, the
    target stays as it was and the temporary file is removed.

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
    temporary = target.with_name(f".{partial_stem(target.name)}.{secrets.token_hex(8)}.part")
    # The system itself takes the umask off these permissions: the file is as readable as any a person makes.
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def partial_stem(name: str) -> str:
    """Return the part of a file's name that its temporary file ``.STEM.RANDOM.part`` begins with.

    It is cut at 200 bytes: file systems allow 255 for the whole.
    """
    encoded = os.fsencode(name)
    return name if len(encoded) <= 200 else encoded[:200].decode(errors="ignore")


@dataclass(frozen=True)
class Photo:
    """A photograph read from a file: its pixels, (H, W, 3), and its name without folder and suffix.

    ``icc_profile`` is a profile of RGB colours only, since that is what the pixels are now; ``dpi`` counts dots per
    inch, across and down.
    """

    image: FloatArray
    name: str
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def read_photo(source: str | os.PathLike[str] | IO[bytes], *, largest: float | None = None) -> Photo:
    """Read a photograph with its colour profile and resolution, from a path, ``"-"`` (standard input) or a binary file.

    Pictures of more megapixels than ``largest`` are refused, as by :func:`load_image`, whose errors it raises too.

    Examples
    --------
    >>> import tempfile
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
        file.name = name = getattr(source, "name", "stdin")
    else:
        file, name = Path(source), Path(source).stem
    values, info = _read(file, largest)
    profile = info.get("icc_profile")
    # That of a CMYK or gray file would be wrong for the RGB pixels made of it.
    return Photo(as_image(values), name, profile if _is_rgb(profile) else None, _dpi(info.get("dpi")))


def _is_rgb(profile: Any) -> bool:
    """Whether an ICC profile is of RGB colours: bytes 16 to 20 name its colour space (ICC.1:2022, 7.2.6)."""
    return isinstance(profile, bytes) and profile[16:20] == b"RGB "


def _dpi(stored: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in stored)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None
