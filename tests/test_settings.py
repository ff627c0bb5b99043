"""Settings from environment variables, and that the documentation lists them and all error codes."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from pathlib import Path

import pytest

from support.paths import DOCS
from tilewright import settings
from tilewright.cgroups import cpu_limit
from tilewright.errors import ERROR_CODES, SettingsError
from tilewright.limits import InputLimits
from tilewright.settings import Settings


def test_defaults():
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert (settings.model, settings.device, settings.precision) == ("auto", "auto", "auto")
    assert (settings.memory_budget, settings.max_input_pixels) == (None, 200_000_000)
    assert (settings.store_ttl, settings.store_public_url) == (None, None)
    assert settings.cache_dir.is_absolute()
    assert Path(settings.store).is_absolute()
    assert (settings.fetch_urls, settings.send_results) == ("off", "off")
    assert not settings.tta
    assert not settings.true_colour
    assert settings.limits == InputLimits(pixels=200_000_000, file_bytes=2**29, frames=1000, seconds=120)
    assert (settings.jpg_progressive, settings.webp_lossless, settings.keep_metadata) == (False, False, False)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity on this system")
def test_threads_default_to_the_cpus_this_process_may_use():
    assert Settings.from_environment({}).threads == min(len(os.sched_getaffinity(0)), cpu_limit() or 10**9)


def test_threads_default_to_the_limit_of_a_container(monkeypatch):
    monkeypatch.setattr("tilewright.settings.cpu_limit", lambda: 1)
    assert Settings.from_environment({}).threads == 1


def test_every_variable_is_read(tmp_path):
    settings = Settings.from_environment(
        {
            "TILEWRIGHT_CACHE_DIR": str(tmp_path),
            "TILEWRIGHT_STORE": "memory://images",
            "TILEWRIGHT_STORE_TTL": "86400",
            "TILEWRIGHT_STORE_PUBLIC_URL": "https://img.example.org/results/",
            "TILEWRIGHT_MODEL": "mine.onnx",
            "TILEWRIGHT_DEVICE": "CUDA",
            "TILEWRIGHT_PRECISION": "fp32",
            "TILEWRIGHT_TTA": "on",
            "TILEWRIGHT_TRUE_COLOUR": "on",
            "TILEWRIGHT_THREADS": "3",
            "TILEWRIGHT_MEMORY_BUDGET": "1.5G",
            "TILEWRIGHT_MAX_INPUT_PIXELS": "1000",
            "TILEWRIGHT_MAX_INPUT_BYTES": "3M",
            "TILEWRIGHT_MAX_FRAMES": "7",
            "TILEWRIGHT_MAX_DECODE_SECONDS": "9",
            "TILEWRIGHT_MAX_TASKS": "8",
            "TILEWRIGHT_MAX_WAITING_TASKS": "9",
            "TILEWRIGHT_JPG_PROGRESSIVE": "on",
            "TILEWRIGHT_WEBP_LOSSLESS": "on",
            "TILEWRIGHT_KEEP_METADATA": "on",
            "TILEWRIGHT_FETCH_URLS": "public",
            "TILEWRIGHT_SEND_RESULTS": "Public",
            "TILEWRIGHT_MAX_BODY_BYTES": "64M",
            "TILEWRIGHT_MAX_BODIES_BYTES": "2G",
            "TILEWRIGHT_MAX_WAITING_CALLS": "50",
            "TILEWRIGHT_MAX_CONNECTIONS": "60",
        }
    )
    assert settings == Settings(
        cache_dir=tmp_path,
        store="memory://images",
        store_ttl=86400,
        store_public_url="https://img.example.org/results/",
        model="mine.onnx",
        device="cuda",
        precision="fp32",
        tta=True,
        true_colour=True,
        threads=3,
        memory_budget=3 * 2**29,
        max_input_pixels=1000,
        max_input_bytes=3 * 2**20,
        max_frames=7,
        max_decode_seconds=9,
        max_tasks=8,
        max_waiting_tasks=9,
        jpg_progressive=True,
        webp_lossless=True,
        keep_metadata=True,
        fetch_urls="public",
        send_results="public",
        max_body_bytes=2**26,
        max_bodies_bytes=2**31,
        max_waiting_calls=50,
        max_connections=60,
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 2**29), ("2g", 2**31), ("2GiB", 2**31), ("64 KB", 2**16), ("1048576", 2**20), ("1T", 2**40)],
)
def test_sizes_have_binary_units(text, size):
    assert Settings.from_environment({"TILEWRIGHT_MEMORY_BUDGET": text}).memory_budget == size


def test_empty_variable_counts_as_unset():
    assert Settings.from_environment({"TILEWRIGHT_THREADS": " ", "TILEWRIGHT_DEVICE": ""}) == (
        Settings.from_environment({})
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TILEWRIGHT_DEVICE", "gpu"),
        ("TILEWRIGHT_PRECISION", "int8"),
        ("TILEWRIGHT_THREADS", "0"),
        ("TILEWRIGHT_THREADS", "-1"),
        ("TILEWRIGHT_THREADS", "two"),
        ("TILEWRIGHT_THREADS", "9" * 5000),
        ("TILEWRIGHT_MEMORY_BUDGET", "2 gallons"),
        ("TILEWRIGHT_MEMORY_BUDGET", "0"),
        ("TILEWRIGHT_MEMORY_BUDGET", "100"),
        ("TILEWRIGHT_MEMORY_BUDGET", "1048575"),
        ("TILEWRIGHT_MAX_INPUT_PIXELS", "1e6"),
        ("TILEWRIGHT_MAX_INPUT_BYTES", "much"),
        ("TILEWRIGHT_WEBP_LOSSLESS", "yes"),
        ("TILEWRIGHT_STORE_TTL", "0"),
        ("TILEWRIGHT_STORE_TTL", "1 day"),
        ("TILEWRIGHT_STORE_PUBLIC_URL", "img.example.org"),
        ("TILEWRIGHT_STORE_PUBLIC_URL", "https://img.example.org/?name="),
        ("TILEWRIGHT_FETCH_URLS", "on"),
        ("TILEWRIGHT_SEND_RESULTS", "on"),
    ],
)
def test_invalid_value_is_an_error_that_names_variable_and_value(name, value):
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_environment({name: value})
    assert value in caught.value.message


def test_configuration_page_lists_exactly_the_settings():
    text = (DOCS / "configuration.md").read_text("utf-8")
    listed = re.findall(r"^\| `(TILEWRIGHT_\w+)`", text, re.MULTILINE)
    fields = [f"TILEWRIGHT_{field.name.upper()}" for field in dataclasses.fields(Settings)]
    assert sorted(listed) == sorted([*fields, "TILEWRIGHT_ISA"])  # TILEWRIGHT_ISA is read by the compiled core


def test_every_error_code_occurs_in_the_package():
    package = DOCS.parent / "python" / "tilewright"
    source = "".join(path.read_text("utf-8").split("ERROR_CODES = ")[0] for path in package.rglob("*.py"))
    for code in ERROR_CODES:
        parameter = re.sub(r"^(missing|invalid|unsupported)", "", code)
        stem = parameter[0].lower() + parameter[1:]
        assert f'"{code}"' in source or f'"{stem}"' in source, code


def test_scheme_of_the_public_url_becomes_lower_case():
    settings = Settings.from_environment({"TILEWRIGHT_STORE_PUBLIC_URL": "HTTPS://Img.example.org/A"})
    assert settings.store_public_url == "https://Img.example.org/A"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TILEWRIGHT_MEMORY_BUGDET", "; did you mean TILEWRIGHT_MEMORY_BUDGET?"),
        ("tilewright_device", "; did you mean TILEWRIGHT_DEVICE?"),
        ("TILEWRIGHT_QQ", ""),
    ],
)
def test_an_unknown_variable_is_warned_about_once(name, hint, caplog):
    settings._warn_once.cache_clear()
    for _ in range(2):
        assert Settings.from_environment({name: "1G"}) == Settings()
    assert [record.message for record in caplog.records] == [
        f"the environment variable {name} is unknown and has no effect{hint}"
    ]


def test_a_small_memory_budget_needs_a_unit():
    with pytest.raises(SettingsError, match="must be a number with a unit such as 512M or 2G"):
        Settings.from_environment({"TILEWRIGHT_MEMORY_BUDGET": "512"})
    assert Settings.from_environment({"TILEWRIGHT_MEMORY_BUDGET": "512 KB"}).memory_budget == 2**19
    assert Settings.from_environment({"TILEWRIGHT_MAX_INPUT_BYTES": "512"}).max_input_bytes == 512


def test_variables_of_the_build_are_not_warned_about(caplog):
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    names = [name for name in project["tool"]["scikit-build"]["cmake"]["define"] if name.startswith("TILEWRIGHT_")]
    assert "TILEWRIGHT_CUDA" in names
    settings._warn_once.cache_clear()
    Settings.from_environment(dict.fromkeys(names, "OFF"))
    assert caplog.records == []


def test_known_variables_are_not_warned_about(caplog):
    names = [f"TILEWRIGHT_{field.name.upper()}" for field in dataclasses.fields(Settings)]
    Settings.from_environment(dict.fromkeys([*names, "TILEWRIGHT_ISA", "TILEWRIGHTING_DEVICE", "HOME"], ""))
    assert caplog.records == []
