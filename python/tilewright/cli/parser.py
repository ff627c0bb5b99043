"""The argument parser of the command line."""

from __future__ import annotations

import argparse
import os
import textwrap
from importlib.metadata import version
from typing import TYPE_CHECKING

from tilewright.cli.network_options import spec_field
from tilewright.cli.options import CommandParser, ProgramParser
from tilewright.literals import FACTORS, INPUT_FORMATS

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[CommandParser]

_EPILOG = """\
examples:
  tilewright upscale photo.jpg -x 4
  tilewright upscale --help
  tilewright models
  tilewright info

exit status: 0 success; 1 something failed; 2 invalid or impossible command
line, nothing was written; 130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP.
"""

_UPSCALE_EPILOG = """\
examples:
  tilewright upscale photo.jpg -x 4
  tilewright upscale photo.jpg -o large.tif -x 4
  tilewright upscale *.jpg -o large/ -x 2 --format webp --quality 90
  tilewright upscale -r holidays -o holidays-large/ -x 2
  tilewright upscale scan.png -o scan4.png -x 4 --model best
  tilewright upscale scan.png -o scan4.png -x 4 --model 4x-UltraSharp.pth
  tilewright upscale scan.png -o clean.png -x 1 --model 1x-DeJPG.pth
  tilewright upscale art.jpg -o art2.png -x 2 --model realcugan-pro --denoise 3
  tilewright upscale *.png -o screens/ --size 3840x2160
  tilewright upscale - -o - -x 2 < photo.jpg > large.jpg

A picture that fails is reported on stderr, and the others are still upscaled.
Results are written atomically. Options override the TILEWRIGHT_ environment
variables.
"""

_RUN_EPILOG = """\
examples:
  tilewright run task.json
  some-program | tilewright run - | jq '.data[0].imageURL'

A task:
  {"taskType": "imageUpscale",
   "taskUUID": "b1a7e05c-3d0b-4c55-9f0e-2f6d8a4c7e13",
   "inputImage": "UUID of a stored image, data URI or base64",
   "upscaleFactor": 2}
"""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line.

    Its result has ``command``, ``verbose``, ``quiet`` and the arguments of that command.
    """
    result = ProgramParser(
        prog="tilewright",
        description="Upscales pictures with a super-resolution network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--version", action="version", version=f"tilewright {version('tilewright')}")
    result.set_defaults(verbose=False, quiet=False)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=CommandParser)
    _add_upscale(commands)
    _add_run(commands)
    _add_models(commands)
    _add_info(commands)
    _add_store(commands)
    _add_serve(commands)
    result.commands = commands.choices
    return result


def _add(commands: _Commands, name: str, help_text: str, epilog: str | None = None) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=help_text,
        description=textwrap.fill(f"{help_text[0].upper()}{help_text[1:]}.", 78),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("-v", "--verbose", action="store_true", help="print log messages: network, runtime, fallbacks")
    return command


def _add_upscale(commands: _Commands) -> None:
    command = _add(commands, "upscale", "upscale picture files", _UPSCALE_EPILOG)
    _add_files_and_size(command)
    _add_network(command)
    _add_format(command)
    _add_quality(command)
    command.add_argument(
        "--report", action="store_true", help="print one line of JSON per picture: seconds by stage, tiles, memory"
    )
    command.add_argument("--overwrite", action="store_true", help="replace existing results, never an input picture")
    command.add_argument(
        "-r", "--recursive", action="store_true", help="search subfolders too; OUT gets the same subfolders"
    )
    command.add_argument("-q", "--quiet", action="store_true", help="print only errors")


def _add_files_and_size(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help=f"{INPUT_FORMATS} files, animations included; folders of pictures; patterns such as '*.png'; - for stdin",
    )
    command.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        help="output file; or output folder, if it exists, ends with a slash, or IN can be several pictures; "
        "- for stdout (default: beside each picture, as in photo-x4.png)",
    )
    command.add_argument(
        "--suffix",
        metavar="TEXT",
        type=_suffix,
        help="end of the names of results before the extension (default: none in a folder OUT; beside a picture "
        "-x4, or -1920x1080 for --size)",
    )
    scale = command.add_mutually_exclusive_group(required=True)
    scale.add_argument(
        "-x",
        "--factor",
        type=int,
        choices=FACTORS,
        help="upscaling factor, as the network offers: 2, 3 or 4 for most; 1 only cleans the picture",
    )
    scale.add_argument(
        "--size",
        metavar="WxH",
        type=_size,
        help="output size in pixels, up to the input times the factor of the network; see --fit",
    )
    command.add_argument(
        "--fit",
        choices=("inside", "exact"),
        default="inside",
        help="with --size: inside keeps the aspect ratio, exact does not (default: %(default)s)",
    )


def _add_network(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="network listed by `tilewright models`; a purpose: fast, best, drawing, text, faithful; or a file: "
        ".onnx, .pth, .safetensors, .param (default: tilewright-photo)",
    )
    command.add_argument(
        "--pre",
        metavar="NAME|FILE",
        help="network of factor 1 to run first, such as one that removes noise or JPEG artefacts",
    )
    _add_spec(command)
    command.add_argument(
        "--denoise", metavar="LEVEL", help="denoising strength, if the network offers it (see `tilewright models`)"
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), help="where the network runs (default: auto, CUDA if available)"
    )


def _add_spec(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--spec",
        metavar="KEY=VALUE",
        type=spec_field,
        action="append",
        help="fact about a network file that cannot be found out, such as channel_order=BGR or value_range=0,255; "
        "may be repeated",
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format",
        type=_format,
        choices=("png", "jpg", "webp", "tiff"),
        help="output format (default: from the extension of OUT; in a folder OUT or to stdout, each input's own, "
        "else PNG; without OUT, PNG)",
    )
    command.add_argument(
        "--quality",
        metavar="N",
        type=_quality,
        help="quality of JPG and WEBP, 1 to 100 (default: 95; lossless for lossless WEBP that stays WEBP)",
    )
    command.add_argument(
        "--compression", choices=("fast", "balanced", "small"), help="PNG compression effort (default: fast)"
    )
    # None when not given, so that the settings decide.
    command.add_argument(
        "--progressive", action="store_true", default=None, help="write progressive JPG: it loads from coarse to fine"
    )
    command.add_argument(
        "--lossless", action="store_true", default=None, help="write lossless WEBP; --quality is ignored"
    )
    command.add_argument(
        "--keep-metadata",
        action="store_true",
        help="keep Exif, XMP, IPTC and PNG text: camera, date, place, keywords, prompt",
    )


def _add_quality(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=("auto", "fp32", "fp16"),
        help="auto uses bf16, or fp16 on CUDA, if its result agrees with fp32 (default: auto)",
    )
    command.add_argument(
        "--tta",
        action="store_true",
        default=None,
        help="self-ensemble: average the results of 8 flips and rotations; slightly better, 8 times slower",
    )
    command.add_argument(
        "--true-colour",
        action="store_true",
        default=None,
        help="restore the input's low-frequency colours, which networks shift by a few levels",
    )
    command.add_argument(
        "--tile", metavar="N", type=_positive, help="tile width and height in pixels (default: from the memory budget)"
    )


def _add_run(commands: _Commands) -> None:
    command = _add(commands, "run", "run tasks in the wire format and print the response", _RUN_EPILOG)
    command.add_argument("tasks", metavar="FILE", help="JSON file with a task or an array of tasks; - for stdin")


def _add_models(commands: _Commands) -> None:
    command = _add(commands, "models", "list the networks for --model, or inspect, import, remove or download one")
    command.add_argument("--json", action="store_true", help="print JSON, with summary and source of each network")
    # Without an action, the networks are listed.
    actions = command.add_subparsers(dest="action", metavar="ACTION", parser_class=CommandParser)
    listing = _add(actions, "list", "list the networks, as without an action")
    listing.add_argument("--json", action="store_true", help="print JSON, with summary and source of each network")
    inspect = _add(actions, "inspect", "show what is known about a network, its seams, cost and time")
    inspect.add_argument("network", metavar="NAME|FILE", help="network listed by `tilewright models`, or a file")
    inspect.add_argument("--json", action="store_true", help="print JSON")
    _add_spec(inspect)
    importing = _add(actions, "import", "keep a network file under a name, which tasks may then use as model")
    importing.add_argument("file", metavar="FILE", help=".onnx, .pth, .pt, .ckpt, .safetensors or .param")
    importing.add_argument("--name", metavar="NAME", help="name of the network (default: the file's)")
    _add_spec(importing)
    removing = _add(actions, "remove", "remove a network that was imported")
    removing.add_argument("name", metavar="NAME", help="name of the network")
    downloading = _add(actions, "download", "download a network from openmodeldb.info and import it")
    downloading.add_argument("name", metavar="NAME", help="name there, such as 4x-realesr-general-x4v3")
    downloading.add_argument(
        "--name", dest="name_here", metavar="NAME", help="name of the network here (default: the same)"
    )
    downloading.add_argument(
        "--accept-licence", action="store_true", help="accept a licence that forbids commercial use, or a missing one"
    )


def _add_info(commands: _Commands) -> None:
    command = _add(
        commands, "info", "show versions, device, precision and folders, and why a GPU is not used; or plan a picture"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--plan", metavar="WxH", type=_size, help="show tiles, memory and time for a picture of this size instead"
    )
    command.add_argument("--model", metavar="NAME|FILE", help="with --plan: as for upscale")
    command.add_argument("--pre", metavar="NAME|FILE", help="with --plan: as for upscale")
    command.add_argument("--denoise", metavar="LEVEL", help="with --plan: as for upscale")
    command.add_argument("--tile", metavar="N", type=_positive, help="with --plan: as for upscale")
    command.add_argument(
        "-x", "--factor", type=int, choices=FACTORS, default=4, help="with --plan: upscaling factor (default: 4)"
    )


def _add_store(commands: _Commands) -> None:
    command = _add(commands, "store", "show where images are stored and how much space they take, or remove them")
    command.add_argument(
        "action",
        nargs="?",
        choices=("show", "clean"),
        default="show",
        help="show (default); clean: remove expired images and what crashed programs left",
    )
    command.add_argument(
        "--unused-for",
        metavar="DAYS",
        type=_days,
        help="with clean: also remove images that were not used for so many days; 0 removes all",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_serve(commands: _Commands) -> None:
    command = _add(commands, "serve", "serve tasks over HTTP and WebSocket, for programs that use the web service")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--port", type=_port, default=8080, help="port; 0 for any free one (default: %(default)s)")
    command.add_argument(
        "--api-key",
        metavar="KEY",
        action="append",
        help="key that clients must send; may be repeated (default: TILEWRIGHT_API_KEY_HASHES, else none)",
    )
    command.add_argument(
        "--without-key", action="store_true", help="let everybody in who can reach an address other than this machine's"
    )
    command.add_argument(
        "--public-url", metavar="URL", help="address by which clients reach this server (default: http://HOST:PORT)"
    )
    command.add_argument("--model", metavar="NAME|FILE", help="network for tasks that name none, as for upscale")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), help="as for upscale")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a number from 0 to 65535")
    return int(text)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return days


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return _positive(width), _positive(height)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 1920x1080") from error


def _suffix(text: str) -> str:
    if any(character in text for character in (os.sep, os.altsep or os.sep, "\0")):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be part of a file name")
    return text


def _format(text: str) -> str:
    return {"jpeg": "jpg", "tif": "tiff"}.get(text.lower(), text.lower())


def _quality(text: str) -> int:
    value = _positive(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return value


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return value
