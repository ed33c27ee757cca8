"""Weights of published networks that a person has: where they are looked for, and how they are read.

A folder is named, nothing is downloaded. Of a pickle, which is a program, only what builds tensors is let run.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from perse_engine.errors import InputError

Shapes = Mapping[str, tuple[int, ...]]

SAFE = ".safetensors"
ENDINGS = (SAFE, ".pth", ".pt")
"""In this order of preference."""
_UNSAFE_NAME = re.compile(r"GLOBAL ([\w.]+)")
_NAMES = ("GLOBAL", "STACK_GLOBAL", "INST")
_HINT = "copy or download it again from its makers"


def find_weights(folder: Path, name: str) -> Path | None:
    """The file in `folder` whose name without its ending is `name`, in which `*` stands for anything."""
    for ending in ENDINGS:
        for path in sorted(folder.glob(name + ending)):
            if path.is_file():
                return path
    return None


def read_weights(path: Path, shapes: Shapes, what: str) -> dict[str, Tensor]:
    """The tensors that `shapes` names, as float32; others in the file are left out.

    Args:
        path: a safetensors file, or what torch.save wrote of a dictionary of tensors.
        what: the network that the shapes belong to, in words.

    Raises:
        InputError: "hostile-file" where it is a pickle that asks for more than tensors, "damaged-weights" where it is
            cut short, unreadable or not finite, "other-weights" where tensors are missing or have other shapes.
    """
    found = _tensors(path)
    if not isinstance(found, Mapping):
        raise _other(path, what, "it is no dictionary of tensors")
    read = {}
    for key, shape in shapes.items():
        tensor = found.get(key)
        if not isinstance(tensor, Tensor):
            raise _other(path, what, f"{key} is missing")
        if tensor.layout is not torch.strided or not tensor.is_floating_point() or tuple(tensor.shape) != shape:
            raise _other(path, what, f"{key} is {tuple(tensor.shape)} of {tensor.dtype} and should be {shape}")
        read[key] = tensor.detach().float()
        if not torch.isfinite(read[key]).all():
            raise InputError("damaged-weights", f"{path.name} is damaged: {key} is not finite", _HINT)
    return read


def _tensors(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles by older and newer protocols
            if path.suffix == SAFE:
                return load_file(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        wanted = _wanted(path, error)
        if wanted is not None:
            raise InputError(
                "hostile-file",
                f"{path.name} wants to use {wanted}, which no weights need",
                "use the file as its makers published it, and no other copy",
            ) from error
        raise InputError("damaged-weights", f"{path.name} is cut short or damaged", _HINT) from error


def _wanted(path: Path, error: Exception) -> str | None:
    """What a pickle that torch refused asked for, or None where it is only damaged."""
    if not isinstance(error, pickle.UnpicklingError):
        return None
    named = _UNSAFE_NAME.search(str(error))
    if named is not None:
        return named[1].rstrip(".")
    try:  # torch begins a file with a number; a pickle that begins with names is not one of torch's
        names = any(opcode.name in _NAMES for opcode, _, _ in pickletools.genops(path.read_bytes()))
    except ValueError:
        return None
    return "names of its own" if names else None


def _other(path: Path, what: str, why: str) -> InputError:
    return InputError(
        "other-weights", f"{path.name} does not hold {what}: {why}", "name the file that its makers publish"
    )
