"""Where the rasteriser's time goes, stage by stage, on the named scene. Run in the engine's environment.

Times are the process's own processor time, which a busy machine disturbs least; the least of the repeats counts.
"""

from __future__ import annotations

import argparse
import time

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

from perse_engine.splatting.benchmark_scene import benchmark_scene
from perse_engine.splatting.binning import bin_splats, depth_order, gather
from perse_engine.splatting.blending import blend
from perse_engine.splatting.blending_backward import blend_backward
from perse_engine.splatting.cpu import draw
from perse_engine.splatting.projection import lens_of, project, view_of
from perse_engine.splatting.projection_backward import GRADIENT_COLUMNS, project_backward

STAGES = ("project", "sort", "bin", "blend", "blend backward", "gather", "project backward")


def stages(count: int, width: int, height: int, repeats: int) -> np.ndarray:
    """Milliseconds of each stage, (repeats, 7)."""
    gaussians, camera = benchmark_scene(count, width, height)
    given = (gaussians.means, gaussians.quaternions, gaussians.scales, gaussians.opacities)
    view, lens, workers = view_of(camera), lens_of(camera), numba.get_num_threads()
    drawing = draw(gaussians, camera)
    color, alpha, depth, used = drawing.color, drawing.alpha, drawing.depth, drawing.used
    to_color = np.random.default_rng(0).normal(size=color.shape).astype(np.float32)
    splats, depths = np.empty((count, drawing.splats.shape[1]), np.float32), np.empty(count, np.float32)
    gradients, visible = np.empty((count, GRADIENT_COLUMNS), np.float32), np.zeros(count, np.bool_)
    results = [np.empty_like(array) for array in (*given, gaussians.colors)]
    rows = []
    for _ in range(repeats + 2):
        clock = [time.process_time()]
        project(*given, gaussians.colors, view, lens, splats, depths, workers)
        clock.append(time.process_time())
        order = depth_order(depths)
        clock.append(time.process_time())
        ordered, tile_starts, pair_splats, *lists = bin_splats(splats, order, width, height, workers)
        clock.append(time.process_time())
        blend(ordered, tile_starts, pair_splats, color, alpha, depth, used, workers)
        clock.append(time.process_time())
        pairs = np.empty((len(pair_splats), GRADIENT_COLUMNS), np.float32)
        blend_backward(ordered, tile_starts, pair_splats, used, color, alpha, to_color, alpha, pairs, workers)
        clock.append(time.process_time())
        gather(pairs, *lists, order, gradients, workers)
        visible[order] = True
        clock.append(time.process_time())
        project_backward(*given, view, lens, visible, gradients, *results, workers)
        clock.append(time.process_time())
        rows.append(1000 * np.diff(clock))
    return np.array(rows[2:])


def main() -> None:
    """Read the command line and print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("cases", nargs="*", default=["30000x256x256", "50000x512x512", "50000x1920x1080"])
    options = parser.parse_args()
    numba.set_num_threads(options.threads)
    table = Table("Gaussians x width x height", *STAGES, "forward", "backward")
    for case in options.cases:
        least = stages(*map(int, case.split("x")), options.repeats).min(0)
        table.add_row(case, *(f"{ms:.1f}" for ms in (*least, least[:4].sum(), least[4:].sum())))
    Console().print(table)


if __name__ == "__main__":
    main()
