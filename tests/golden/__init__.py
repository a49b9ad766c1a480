"""Homes that earlier versions left, and the program that packs them."""

from __future__ import annotations

import io
import os
import tarfile

FOLDER = os.path.dirname(os.path.abspath(__file__))


def unpack(packed: bytes, folder: str) -> None:
    """Unpack a tar file with its modes."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))


def unpack_home(name: str, folder: str) -> str:
    """Unpack a golden home, like `v1-sqlite`, into a folder, and return its path."""
    with open(os.path.join(FOLDER, f"{name}.tar.gz"), "rb") as file:
        unpack(file.read(), folder)
    return os.path.join(folder, "home")
