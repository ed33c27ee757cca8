"""Combined styles: as many as the paper has, every one valid, the same for the same seed."""

import pytest

from perse_engine.clips.catalogue import SHIPPED, parse_catalogue
from perse_engine.clips.variations import PAPER_COUNTS, load_slots, to_toml, variations, varied_catalogue
from perse_engine.errors import InputError


def test_slots_combine_to_as_many_styles_as_the_paper_has():
    slots = load_slots()
    for category, count in PAPER_COUNTS.items():
        assert category in slots
        assert len(variations(category, count, seed=0)) == count


def test_variations_are_valid_different_and_repeatable():
    catalogue = varied_catalogue(SHIPPED.read_bytes(), {"nose": 12, "hair": 9}, seed=3)
    assert [len(catalogue.indices(category.name)) for category in catalogue.categories] == [12, 9]
    assert len({repr(table) for table in catalogue.parameters}) == 21
    assert catalogue == varied_catalogue(SHIPPED.read_bytes(), {"nose": 12, "hair": 9}, seed=3)
    assert catalogue != varied_catalogue(SHIPPED.read_bytes(), {"nose": 12, "hair": 9}, seed=4)


def test_every_word_of_every_slot_makes_a_valid_style():
    for category, slots in load_slots().items():
        head = f'[{category}]\nlabel = "x"\nlayer = "shape"\n'
        for slot in slots.slots.values():
            for key, word in slot.items():
                table = {"label": "x", **slots.sets}
                for other in slots.slots.values():
                    first = next(
                        (w for k, w in other.items() if key not in w.excludes and k not in word.excludes), None
                    )
                    assert first is not None, (category, key)
                    table |= first.sets
                table |= word.sets
                table["overlaps"] = []
                body = to_toml({category: {"styles": {"a": table}}})
                parse_catalogue((head + body.split("\n", 1)[1]).encode(), f"{category} {key}")


def test_more_styles_than_there_are_is_an_error():
    with pytest.raises(InputError) as caught:
        variations("nose", 10**6, seed=0)
    assert caught.value.code == "too-many-styles"
