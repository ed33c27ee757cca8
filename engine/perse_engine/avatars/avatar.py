"""The avatar: Gaussians bound to a figure, and what each style makes of them.

A Gaussian rides one triangle of the figure's bind mesh, so expressions, skinning and every style's displacement move
it exactly as they move the mesh. A style also has bounded appearance: where its gate is open, colour and coverage are
blended towards the style's own, layer over layer; there is no unbounded sum, so combinations cannot explode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.binding import Binding, bind
from perse_engine.avatars.correctives import Correctives, no_correctives
from perse_engine.avatars.precedence import THIN
from perse_engine.avatars.relighting import own_irradiance, own_light
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import LAYERS, Category, Style
from perse_engine.avatars.toning import SKIN_PARTS, is_above_skin, skin_likeness
from perse_engine.cameras import Camera
from perse_engine.heads.figure import Figure

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class Appearance:
    """What K styles paint, kept only where a gate is open: M entries, those of style k from starts[k] to starts[k+1].

    Attributes:
        starts: (K + 1,) int32, ascending from 0 to M.
        gaussians: (M,) int32, strictly ascending within a style.
        gates: (M,) in [0, 1], how far the style reaches this Gaussian.
        colors: (M, 3) sRGB in [0, 1], towards which the colour is blended.
        coverage_logits: (M,) towards whose sigmoid the coverage is blended.
        offsets: (M, 3) metres, added to the Gaussian's offset per unit of gated style weight; small residuals.
        onsets: (M,) in [0, 1), the presence of the category at which the entry begins to show.
        softness: (K,) in (0, 1], the presence that it takes from there to show fully.
    """

    starts: Ints
    gaussians: Ints
    gates: Floats
    colors: Floats
    coverage_logits: Floats
    offsets: Floats
    onsets: Floats
    softness: Floats

    def of(self, style: int) -> slice:
        """The entries of one style."""
        return slice(int(self.starts[style]), int(self.starts[style + 1]))


def no_appearance(styles: int) -> Appearance:
    """What `styles` styles paint that paint nothing."""
    one, three = np.zeros(0, np.float32), np.zeros((0, 3), np.float32)
    starts, none = np.zeros(styles + 1, np.int32), np.zeros(0, np.int32)
    return Appearance(starts, none, one, three, one, three, one, np.ones(styles, np.float32))


@dataclasses.dataclass(frozen=True, eq=False)
class Avatar:
    """A trained person. N Gaussians, K styles, C categories.

    Attributes:
        name: what people call it.
        head: name of the head model it was made with.
        figure: the bind mesh and how it moves; `figure.style_names` are the sliders of `styles`, in order.
        categories: C categories.
        styles: K styles.
        triangles: (N,) the face of the figure that each Gaussian rides.
        barycentric: (N, 3) where on it, sums to 1.
        offsets: (N, 3) from there, metres, in the bind pose's axes.
        log_scales: (N, 3) natural logarithm of standard deviations in metres, along the Gaussian's own axes.
        quaternions: (N, 4) w x y z, in the bind pose, any non-zero length.
        coverage_logits: (N,); the sigmoid is how much the surface hides here, see `painting`.
        colors: (N, 3) sRGB in [0, 1].
        low_pass: metres; the smallest standard deviation that training could see (Mip-Splatting's 3D filter).
        appearance: what the styles paint.
        photo_camera: of the whole photo.
        photo_state: the photo's expression, pose and gaze.
        neutral_camera: straight before the face, square.
        provenance: plain JSON: seed, versions, preset, licences, hash of the photo.
        correctives: what footage of the person taught beyond the head model's expressions.
    """

    name: str
    head: str
    figure: Figure
    categories: tuple[Category, ...]
    styles: tuple[Style, ...]
    triangles: Ints
    barycentric: Floats
    offsets: Floats
    log_scales: Floats
    quaternions: Floats
    coverage_logits: Floats
    colors: Floats
    low_pass: float
    appearance: Appearance
    photo_camera: Camera
    photo_state: AvatarState
    neutral_camera: Camera
    provenance: Mapping[str, Any]
    correctives: Correctives = dataclasses.field(default_factory=no_correctives)

    @property
    def count(self) -> int:
        """N, the number of Gaussians."""
        return len(self.triangles)

    @cached_property
    def binding(self) -> Binding:
        """The bind frames of the figure, worked out once."""
        return bind(self.figure)

    @cached_property
    def corners(self) -> Ints:
        """(N, 3) the vertices of each Gaussian's triangle."""
        return np.ascontiguousarray(self.figure.faces[self.triangles], np.int32)

    @cached_property
    def own_light(self) -> Floats:
        """(9, 3) the light that the colours hold, in head space; see `relighting`."""
        return own_light(self)

    @cached_property
    def own_irradiance(self) -> Floats:
        """(N, 3) how much of that light fell on each Gaussian."""
        return own_irradiance(self)

    @cached_property
    def bare_skin(self) -> Floats:
        """(M,) in [0, 1], how much of what each entry of a style paints is skin that it lays bare; see `toning`."""
        looks, figure = self.appearance, self.figure
        parts = np.array([part in SKIN_PARTS for part in figure.parts], np.bool_)[figure.face_parts[self.triangles]]
        above = np.repeat(is_above_skin(self.styles, self.categories), np.diff(looks.starts))
        chosen = np.flatnonzero(parts[looks.gaussians] & above)
        bare = np.zeros(len(looks.gaussians), np.float32)
        skin = self.colors[figure.face_parts[self.triangles] == figure.parts.index("skin")]
        if len(chosen) and len(skin):
            bare[chosen] = skin_likeness(looks.colors[chosen], np.median(skin, 0))
        return bare

    @cached_property
    def thin(self) -> NDArray[np.bool_]:
        """(N,) which Gaussians lie on parts of which both sides can be seen, close together."""
        thin = np.array([part in THIN for part in self.figure.parts], np.bool_)
        return thin[self.figure.face_parts[self.triangles]]

    @cached_property
    def painting_order(self) -> tuple[tuple[int, ...], ...]:
        """The styles of each category, categories in layer order (in order of declaration within a layer)."""
        ordered = sorted(self.categories, key=lambda category: LAYERS.index(category.layer))
        return tuple(
            tuple(k for k, style in enumerate(self.styles) if style.category == category.name) for category in ordered
        )
