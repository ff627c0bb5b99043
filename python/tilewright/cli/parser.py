"""The words that the command line understands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tilewright import __version__

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EPILOG = """\
examples:
  tilewright upscale photo.jpg -o large.png -x 4
  tilewright upscale --help
  tilewright models
  tilewright info

exit status: 0 all done; 1 something failed; 2 the command line is not understood
or cannot be carried out, and nothing was done; 130 stopped with Ctrl-C.
"""

_UPSCALE_EPILOG = """\
examples:
  tilewright upscale photo.jpg -o large.png -x 4
  tilewright upscale *.jpg -o large/ -x 2 --format webp --quality 90
  tilewright upscale -r holidays -o holidays-large/ -x 2
  tilewright upscale scan.png -o scan4.png -x 4 --model realesrgan-x4plus
  tilewright upscale scan.png -o scan4.png -x 4 --model my-network.onnx
  tilewright upscale drawing.jpg -o drawing2.png -x 2 --model realcugan-pro --denoise 3
  tilewright upscale *.png -o screens/ --size 3840x2160

A picture that fails is named on stderr and does not stop the others. A result
appears under its name only when it is whole. What is not given here comes from the
TILEWRIGHT_ environment variables, if they are set.
"""

_RUN_EPILOG = """\
examples:
  tilewright run task.json
  some-program | tilewright run - | jq '.data[0].imageURL'

A task:
  {"taskType": "imageUpscale", "taskUUID": "b1a7e05c-3d0b-4c55-9f0e-2f6d8a4c7e13",
   "inputImage": "UUID of a stored image, data URI or base64", "upscaleFactor": 2}
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line. It gives ``command``, ``verbose``, ``quiet`` and the command's own."""
    result = argparse.ArgumentParser(
        prog="tilewright",
        description="Makes pictures larger with a super-resolution network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--version", action="version", version=f"tilewright {__version__}")
    result.set_defaults(verbose=False, quiet=False)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_upscale(commands)
    _add_run(commands)
    _add_models(commands)
    _add_info(commands)
    return result


def _add(commands: _Commands, name: str, help_text: str, epilog: str | None = None) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("-v", "--verbose", action="store_true", help="say more on stderr: network, runtime, reasons")
    return command


def _add_upscale(commands: _Commands) -> None:
    command = _add(commands, "upscale", "upscale picture files", _UPSCALE_EPILOG)
    command.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help="PNG, JPG, WEBP or GIF files, animated too; folders, for the pictures in them; patterns such as '*.png'",
    )
    command.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        required=True,
        help="file to write, or folder: one that exists, or ends with a slash, or when there can be several pictures",
    )
    larger = command.add_mutually_exclusive_group(required=True)
    larger.add_argument("-x", "--factor", type=int, choices=(2, 3, 4), help="how much larger")
    larger.add_argument(
        "--size", metavar="WxH", type=_size, help="of the results in pixels, up to 4 times a picture; see --fit"
    )
    command.add_argument(
        "--fit",
        choices=("inside", "exact"),
        default="inside",
        help="with --size: inside keeps each picture's proportions, exact does not (default: %(default)s)",
    )
    command.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="a network that `tilewright models` names, or an .onnx file (default: tilewright-photo)",
    )
    command.add_argument(
        "--denoise", metavar="LEVEL", help="strength of denoising, where the network offers it (`tilewright models`)"
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), help="where the network runs (default: auto, CUDA where it can)"
    )
    command.add_argument(
        "--format",
        type=_format,
        choices=("png", "jpg", "webp"),
        help="of the results (default: as OUT ends; in a folder as each picture is, PNG for GIF)",
    )
    command.add_argument(
        "--quality", metavar="N", type=_quality, default=95, help="1 to 100, for JPG and WEBP (default: %(default)s)"
    )
    command.add_argument(
        "--compression", choices=("fast", "balanced", "small"), help="how hard PNG files are compressed (default: fast)"
    )
    # None where they are not given: the settings decide then.
    command.add_argument(
        "--progressive", action="store_true", default=None, help="JPG files build up from coarse to fine as they load"
    )
    command.add_argument(
        "--lossless", action="store_true", default=None, help="WEBP files keep every pixel; --quality has no say then"
    )
    command.add_argument("--keep-metadata", action="store_true", help="results keep Exif and XMP: camera, date, place")
    command.add_argument(
        "--precision",
        choices=("auto", "fp32", "fp16"),
        help="auto may use bf16, or fp16 on CUDA, where it was seen to agree (default: auto)",
    )
    command.add_argument(
        "--tta",
        action="store_true",
        default=None,
        help="show every tile to the network eight ways round and take the mean: a little better, 8 times as long",
    )
    command.add_argument(
        "--true-colour",
        action="store_true",
        default=None,
        help="give results the broad colours of their pictures, which networks shift by some levels",
    )
    command.add_argument(
        "--tile", metavar="N", type=_positive, help="tile width and height in pixels (default: by the memory budget)"
    )
    command.add_argument(
        "--report", action="store_true", help="print a line of JSON for each: seconds by stage, tiles, memory"
    )
    command.add_argument("--overwrite", action="store_true", help="replace results that exist; never a picture of IN")
    command.add_argument(
        "-r",
        "--recursive",
        action="store_true",
        help="search folders to their full depth; OUT gets the same subfolders",
    )
    command.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def _add_run(commands: _Commands) -> None:
    command = _add(commands, "run", "run tasks in the wire format and print the response", _RUN_EPILOG)
    command.add_argument("tasks", metavar="FILE", help="JSON: a task object or an array of them; - for stdin")


def _add_models(commands: _Commands) -> None:
    command = _add(commands, "models", "list the networks that --model can name")
    command.add_argument("--json", action="store_true", help="as JSON, with what each is good for and its source")


def _add_info(commands: _Commands) -> None:
    command = _add(
        commands, "info", "tell what runs here: versions, device and why no GPU, precision, folders; or plan a picture"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument(
        "--plan", metavar="WxH", type=_size, help="tell how a picture of this size would be cut, and what it would take"
    )
    command.add_argument("--model", metavar="NAME|FILE", help="with --plan: as for upscale")
    command.add_argument("--denoise", metavar="LEVEL", help="with --plan: as for upscale")
    command.add_argument("-x", "--factor", type=int, choices=(2, 3, 4), default=4, help="with --plan (default: 4)")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return _positive(width), _positive(height)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1920x1080") from error


def _format(text: str) -> str:
    return {"jpeg": "jpg"}.get(text.lower(), text.lower())


def _quality(text: str) -> int:
    value = _positive(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to 100")
    return value


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value
