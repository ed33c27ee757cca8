"""What is made ahead is what would have been made at once."""

import threading

import pytest

from perse_engine.training.ahead import Ahead


def test_it_gives_what_the_function_gives_whatever_is_asked_for():
    asked = [0, 1, 2, 3, 10, 11, 4, 4, 5, 100]
    with Ahead(lambda number: number * number) as squares:
        assert [squares.at(number) for number in asked] == [number * number for number in asked]


def test_the_next_is_made_while_nobody_asks():
    made = threading.Event()

    def make(number):
        if number == 7:
            made.set()
        return number

    with Ahead(make, 2) as numbers:
        assert numbers.at(5) == 5
        assert made.wait(10)


def test_each_is_made_once_and_in_one_thread():
    calls = []
    with Ahead(lambda number: calls.append((number, threading.current_thread().name))) as nothing:
        for number in range(20):
            nothing.at(number)
    numbers = [number for number, _ in calls]
    assert numbers == sorted(set(numbers))
    assert len({thread for _, thread in calls}) == 1


def test_an_error_comes_when_it_is_asked_for_and_not_before():
    def make(number):
        if number == 3:
            raise ValueError("three")
        return number

    with Ahead(make) as numbers:
        assert [numbers.at(k) for k in (1, 2)] == [1, 2]
        with pytest.raises(ValueError, match="three"):
            numbers.at(3)
        assert numbers.at(4) == 4
