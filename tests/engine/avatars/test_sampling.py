"""Where Gaussians are laid: where there is something to see, as large as it is when it is seen."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.initial import initial_avatar
from perse_engine.avatars.sampling import triangle_areas, widest_styles


@pytest.fixture
def figure(avatar):
    return avatar.figure


def torn(figure):
    """Everything is drawn out tenfold by the first style; in it only the first triangle is still seen."""
    directions = np.zeros_like(figure.style_directions)
    directions[:, :, 0] = 9 * figure.vertices
    shown = np.ones((len(figure.style_names) + 1, len(figure.faces)), np.bool_)
    shown[0, 1:] = False
    return dataclasses.replace(figure, style_directions=directions), shown


def test_a_triangle_is_as_large_as_where_it_is_largest(figure):
    drawn_out, _ = torn(figure)
    widest = widest_styles(drawn_out)
    np.testing.assert_allclose(widest.areas, 100 * triangle_areas(figure), rtol=1e-5)
    assert (widest.styles == 0).all()


def test_where_nobody_sees_it_its_size_does_not_count(figure):
    drawn_out, shown = torn(figure)
    widest = widest_styles(drawn_out, shown)
    np.testing.assert_allclose(widest.areas[0], 100 * triangle_areas(figure)[0], rtol=1e-5)
    np.testing.assert_allclose(widest.areas[1:], triangle_areas(figure)[1:])
    assert widest.styles.tolist() == [0] + [-1] * (len(figure.faces) - 1)


def test_what_shows_in_a_style_that_leaves_it_where_it_is_counts(figure):
    still = dataclasses.replace(figure, style_directions=np.zeros_like(figure.style_directions))
    shown = np.zeros((len(figure.style_names) + 1, len(figure.faces)), np.bool_)
    shown[1, :5] = True
    widest = widest_styles(still, shown)
    np.testing.assert_allclose(widest.areas[:5], triangle_areas(figure)[:5])
    assert (widest.areas[5:] == 0).all()


def test_nothing_is_laid_where_nothing_ever_shows(avatar, figure):
    shown = np.ones((len(figure.style_names) + 1, len(figure.faces)), np.bool_)
    shown[:, ::2] = False
    laid = initial_avatar(
        figure, avatar.categories, avatar.styles, count=3000, seed=0, widest=widest_styles(figure, shown)
    )
    assert len(laid.triangles) == 3000
    assert (laid.triangles % 2 == 1).all()
