"""Limits on the length of files and functions, an import graph without cycles, and imports that exist."""

from __future__ import annotations

import ast
import graphlib
import importlib
from functools import cache

import pytest

from support.paths import ROOT

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60  # including the docstring
FOLDERS = ("python", "csrc", "tests", "benchmarks", "examples", "training")
SUFFIXES = {".py", ".pyi", ".h", ".cc", ".cu", ".sh"}
PACKAGE = ROOT / "python" / "tilewright"


def source_files():
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return sorted(path for path in files if path.suffix in SUFFIXES)


@cache
def syntax_tree(path):
    return ast.parse(path.read_text("utf-8"))


def relative(path):
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_too_long():
    lengths = {relative(path): len(path.read_text("utf-8").splitlines()) for path in source_files()}
    assert len(lengths) > 200, "source files were not found"
    assert {path: length for path, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_no_function_is_too_long():
    lengths = {
        f"{relative(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in source_files()
        if path.suffix == ".py"
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert len(lengths) > 1000, "functions were not found"
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def modules():
    """Returns the path of every module of the package by its dotted name; for compiled modules, that of the stub."""
    paths = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py*")}
    return {name.removesuffix(".__init__"): path for name, path in paths.items() if path.suffix in {".py", ".pyi"}}


def imports(path, names):
    """Returns all modules that a module imports, including imports in functions and for type checking."""
    found = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A name imported from a package is a submodule, or is defined in its __init__.
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in names else node.module for name in submodules)
    return found & names.keys()


def test_import_graph_has_no_cycle():
    names = modules()
    graph = {name: imports(path, names) for name, path in names.items()}
    assert sum(map(len, graph.values())) > 200, "imports were not found"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def imported_names():
    """Returns path, line, module and name of every import from the package outside of it."""
    for path in source_files():
        if path.suffix == ".py" and PACKAGE not in path.parents:
            for node in ast.walk(syntax_tree(path)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tilewright":
                    yield from ((relative(path), node.lineno, node.module, alias.name) for alias in node.names)


def test_names_imported_from_the_package_exist():
    """Most benchmarks and training scripts are not run by the tests."""
    found = list(imported_names())
    assert len(found) > 500, "imports were not found"
    missing = []
    for path, line, module, name in found:
        try:
            if not hasattr(importlib.import_module(module), name):
                importlib.import_module(f"{module}.{name}")
        except ModuleNotFoundError as error:
            if not error.name.endswith(("_cuda", "_cuda_emulated")):
                missing.append(f"{path}:{line}: {module}.{name}")
    assert missing == []
