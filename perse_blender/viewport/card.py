"""A picture with depth as a card in the 3D view: it hides what is behind it and is hidden by what is before it.

The card is the picture's own frustum cut at the avatar's distance, so that it stays in place while the view moves on
and the next picture is still being drawn. Its shader says how far away each pixel is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix
from numpy.typing import NDArray

from ..perse_protocol import Camera, Picture

NOTHING = 1e9  # depths beyond are of pixels where nothing is
_STRIDE = 8  # of the pixels that are looked at to find how far away the avatar is
_LOOKED = 3  # one pixel in so many, a side, is looked at to find where the avatar is

_VERTEX = """
void main()
{
  at = corner;
  vec3 ray = vec3((corner.x - lens.z) / lens.x, (1.0 - corner.y - lens.w) / lens.y, 1.0);
  gl_Position = to_clip * vec4(ray * distance, 1.0);
  gl_Position.z = 0.0; // the fragments say how far away they are
}
"""

_FRAGMENT = """
float depth_at(ivec2 pixel, ivec2 size)
{
  float nearest = texelFetch(depths, clamp(pixel, ivec2(0), size - 1), 0).r;
  // soft edges have no depth of their own: they stand where the nearest solid pixel does
  for (int reach = 1; reach <= 16 && nearest > NOTHING; reach *= 2) {
    for (int side = 0; side < 8; side++) {
      int turn = side < 4 ? side : side + 1;
      ivec2 step = ivec2(turn % 3 - 1, turn / 3 - 1) * reach;
      nearest = min(nearest, texelFetch(depths, clamp(pixel + step, ivec2(0), size - 1), 0).r);
    }
  }
  return nearest > NOTHING ? distance : nearest;
}

void main()
{
  vec4 picture = texture(colors, at);
  if (picture.a < 1.0 / 255.0) {
    discard;
  }
  ivec2 size = textureSize(depths, 0);
  float z = depth_at(ivec2(at * vec2(size)), size);
  vec4 clip = to_clip * vec4(vec3((at.x - lens.z) / lens.x, (1.0 - at.y - lens.w) / lens.y, 1.0) * z, 1.0);
  gl_FragDepth = clamp(0.5 * clip.z / clip.w + 0.5, 0.0, 1.0);
  color = picture;
}
"""


@dataclass(frozen=True, eq=False)
class Card:
    """A picture in the graphics card's memory.

    Attributes:
        colors: premultiplied, scene-linear RGBA.
        depths: planar camera z.
        camera: that saw it.
        distance: from the camera to the card, world units.
    """

    colors: gpu.types.GPUTexture
    depths: gpu.types.GPUTexture
    camera: Camera
    distance: float


def to_card(picture: Picture, camera: Camera) -> Card | None:
    """A copy of `picture`, as `camera` saw it, in the graphics card's memory; None where it is empty.

    Only the part that shows something is kept, for less to upload and to draw.
    """
    assert picture.depth is not None
    rows, columns = shown_part(picture.color[..., 3])
    if not (rows.stop and columns.stop):
        return None
    color, depth = (
        np.ascontiguousarray(picture.color[rows, columns]),
        np.ascontiguousarray(picture.depth[rows, columns]),
    )
    height, width = depth.shape
    seen = depth[::_STRIDE, ::_STRIDE]
    seen = seen[seen < NOTHING]
    colors = gpu.types.Buffer("FLOAT", width * height * 4, color.reshape(-1))
    depths = gpu.types.Buffer("FLOAT", width * height, depth.reshape(-1))
    return Card(
        gpu.types.GPUTexture((width, height), format="RGBA16F", data=colors),
        gpu.types.GPUTexture((width, height), format="R32F", data=depths),
        cropped(camera, rows, columns),
        float(np.median(seen)) if seen.size else 1.0,
    )


def shown_part(alpha: NDArray[np.float32]) -> tuple[slice, slice]:
    """Rows and columns of (H, W) `alpha` outside which it is 0, give or take a pixel; both end at 0 where it all is."""
    some = alpha[::_LOOKED, ::_LOOKED] > 0
    return _span(some.any(1), alpha.shape[0]), _span(some.any(0), alpha.shape[1])


def cropped(camera: Camera, rows: slice, columns: slice) -> Camera:
    """The camera of these `rows`, from the bottom up, and `columns` of its picture."""
    return replace(
        camera,
        cx=camera.cx - columns.start,
        cy=camera.cy - (camera.height - rows.stop),
        width=columns.stop - columns.start,
        height=rows.stop - rows.start,
    )


def _span(some: NDArray[np.bool_], size: int) -> slice:
    found = np.flatnonzero(some)
    if not len(found):
        return slice(0, 0)
    return slice(max(0, (int(found[0]) - 1) * _LOOKED), min(size, (int(found[-1]) + 2) * _LOOKED))


def card_matrix(camera: Camera, perspective: Matrix) -> Matrix:
    """From the space of the picture's `camera` to the clip space of a view with `perspective`, world to clip space."""
    to_camera = Matrix([camera.view[row : row + 4] for row in range(0, 16, 4)])
    return perspective @ to_camera.inverted()


def card_lens(camera: Camera) -> tuple[float, float, float, float]:
    """Focal lengths and principal point of `camera` as shares of its picture; y grows downwards."""
    return (camera.fx / camera.width, camera.fy / camera.height, camera.cx / camera.width, camera.cy / camera.height)


def draw_card(card: Card, perspective: Matrix) -> None:
    """Draw `card` where the view with `perspective` (world to clip space) sees it, into colour and depth."""
    shader, batch = _drawing()
    shader.bind()
    shader.uniform_float("to_clip", card_matrix(card.camera, perspective))
    shader.uniform_float("lens", card_lens(card.camera))
    shader.uniform_float("distance", card.distance)
    shader.uniform_sampler("colors", card.colors)
    shader.uniform_sampler("depths", card.depths)
    gpu.state.blend_set("ALPHA_PREMULT")
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    batch.draw(shader)
    gpu.state.depth_mask_set(False)
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("NONE")


_made: list[tuple[gpu.types.GPUShader, gpu.types.GPUBatch]] = []


def _drawing() -> tuple[gpu.types.GPUShader, gpu.types.GPUBatch]:
    """The shader and the square, made once."""
    if not _made:
        between = gpu.types.GPUStageInterfaceInfo("perse_card")
        between.smooth("VEC2", "at")
        info = gpu.types.GPUShaderCreateInfo()
        info.define("NOTHING", f"{NOTHING}")
        info.push_constant("MAT4", "to_clip")
        info.push_constant("VEC4", "lens")
        info.push_constant("FLOAT", "distance")
        info.sampler(0, "FLOAT_2D", "colors")
        info.sampler(1, "FLOAT_2D", "depths")
        info.vertex_in(0, "VEC2", "corner")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "color")
        if hasattr(info, "depth_write"):
            info.depth_write("ANY")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        shader = gpu.shader.create_from_info(info)
        corners = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
        _made.append((shader, batch_for_shader(shader, "TRI_STRIP", {"corner": corners})))
    return _made[0]
