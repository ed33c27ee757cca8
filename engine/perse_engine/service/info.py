"""What people and programs are told about an avatar file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.styles import expression_label, expression_range


def avatar_info(avatar: Avatar, path: Path, sha256: str) -> dict[str, Any]:
    """Plain JSON: name, sizes, sliders with their ranges, the photo's state, provenance.

    Args:
        path: where the file lies.
        sha256: its content hash.
    """
    attributes = [
        {
            "slider": style.slider,
            "label": style.label,
            "category": style.category,
            "between": style.between,
            **_range(style),
        }
        for style in avatar.styles
    ]
    expressions = [
        {"slider": f"expr_{name}", "label": expression_label(name), "category": "expression", "between": "morph"}
        | _range(expression_range(name))
        for name in avatar.figure.expression_names
    ]
    return {
        "name": avatar.name,
        "path": str(path),
        "sha256": sha256,
        "bytes": path.stat().st_size,
        "head": avatar.head,
        "gaussians": avatar.count,
        "vertices": len(avatar.figure.vertices),
        "categories": [
            {"name": category.name, "label": category.label, "layer": category.layer} for category in avatar.categories
        ],
        "sliders": attributes + expressions,
        "photo": {
            "sliders": {name: float(value) for name, value in avatar.photo_state.sliders.items()},
            "pose": [[float(angle) for angle in joint] for joint in avatar.photo_state.pose],
            "size": [avatar.photo_camera.width, avatar.photo_camera.height],
        },
        "provenance": dict(avatar.provenance),
    }


def _range(limits: Any) -> dict[str, float]:
    return {name: getattr(limits, name) for name in ("soft_min", "soft_max", "hard_min", "hard_max")}
