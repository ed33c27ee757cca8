"""The picture as the equations say it: every Gaussian at every pixel in float64, with torch's gradients.

Slow and plain on purpose. Every backend is held to it by the parity tests; nothing else uses it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from perse_engine.cameras import Camera
from perse_engine.splatting.blending import FAR
from perse_engine.splatting.projection import ALPHA_MAX, ALPHA_MIN, DILATION


def render_reference(
    means: Tensor, quaternions: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, camera: Camera
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw N Gaussians, float64.

    Args:
        means: (N, 3) world. quaternions: (N, 4) w x y z. scales: (N, 3). opacities: (N,). colors: (N, 3).

    Returns:
        color (H, W, 3) premultiplied, alpha (H, W), depth (H, W), which has no gradient.
    """
    height, width = camera.height, camera.width
    view = torch.as_tensor(camera.view, dtype=means.dtype)
    local = means @ view[:3, :3].T + view[:3, 3]
    visible = torch.nonzero(local[:, 2] >= camera.near)[:, 0]
    order = visible[torch.argsort(local[visible, 2], stable=True)]
    x, y, z = local[order].unbind(-1)

    w, i, j, k = torch.nn.functional.normalize(quaternions[order], dim=-1).unbind(-1)
    rotation = torch.stack(
        [
            *(1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)),
            *(2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)),
            *(2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)),
        ],
        -1,
    ).view(-1, 3, 3)
    margin_x, margin_y = 0.15 * width / camera.fx, 0.15 * height / camera.fy
    dx = (x / z).clamp(-camera.cx / camera.fx - margin_x, (width - camera.cx) / camera.fx + margin_x)
    dy = (y / z).clamp(-camera.cy / camera.fy - margin_y, (height - camera.cy) / camera.fy + margin_y)
    none = torch.zeros_like(z)
    jacobian = torch.stack(
        [camera.fx / z, none, -camera.fx * dx / z, none, camera.fy / z, -camera.fy * dy / z], -1
    ).view(-1, 2, 3)
    root = jacobian @ view[:3, :3] @ (rotation * scales[order][:, None, :])
    covariance = root @ root.transpose(1, 2)
    dilated = covariance + DILATION * torch.eye(2, dtype=means.dtype)
    # The determinant of a product with its own transpose, by minors (Cauchy-Binet): exact for thin Gaussians.
    sharp = torch.linalg.cross(root[:, 0], root[:, 1]).norm(dim=-1)
    compensation = sharp / torch.linalg.det(dilated).sqrt()
    opacity = opacities[order].clamp(max=ALPHA_MAX) * compensation

    center = torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], -1)
    grid_y, grid_x = torch.meshgrid(
        torch.arange(height, dtype=means.dtype) + 0.5, torch.arange(width, dtype=means.dtype) + 0.5, indexing="ij"
    )
    offset = torch.stack([grid_x, grid_y], -1).view(1, -1, 2) - center[:, None]
    distance = torch.einsum("npi,nij,npj->np", offset, torch.linalg.inv(dilated), offset)
    alpha = opacity[:, None] * torch.exp(-0.5 * distance)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0)
    full = torch.ones(1, height * width, dtype=means.dtype)
    through = torch.cat([full, torch.cumprod(1 - alpha, 0)])
    before, after = through[:-1], through[1:]
    color = (alpha * before).T @ colors[order]
    crossing = (before > 0.5) & (after <= 0.5)
    depth = torch.where(crossing.any(0), (crossing * z[:, None]).sum(0), FAR)
    return (
        color.view(height, width, 3),
        1 - through[-1].view(height, width),
        depth.detach().view(height, width),
    )
