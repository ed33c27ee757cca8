import threading

import pytest

from perse_engine.errors import Cancelled
from perse_engine.service.inbox import Inbox
from perse_protocol.messages import Camera, FrameFile, Load, Render

EYE = tuple(float(i % 5 == 0) for i in range(16))
CAMERA = Camera(EYE, 5.0, 5.0, 2.0, 2.0, 4, 4)


def render(identity, view="a", priority="viewport"):
    return Render(identity, view, priority, (), CAMERA, FrameFile("/x", 1))


def drain(inbox, count):
    return [inbox.take().task.id for _ in range(count)]


def test_the_newest_of_a_view_replaces_the_waiting_one_and_no_other():
    inbox = Inbox()
    assert inbox.put(render(1, "a")) == []
    assert inbox.put(render(2, "b")) == []
    assert [task.id for task in inbox.put(render(3, "a"))] == [1]
    assert drain(inbox, 2) == [2, 3]


def test_a_final_request_is_never_replaced():
    inbox = Inbox()
    inbox.put(render(1, "a", "final"))
    assert inbox.put(render(2, "a", "final")) == []
    assert inbox.put(render(3, "a", "viewport")) == []
    assert drain(inbox, 3) == [1, 2, 3]


def test_urgent_tasks_go_first_and_files_before_pictures():
    inbox = Inbox()
    for task in (render(1, "a", "preview"), render(2, "b"), render(3, "c", "final"), Load(4, "x"), Load(5, "x")):
        inbox.put(task)
    assert drain(inbox, 5) == [4, 5, 3, 2, 1]


def test_cancelling_drops_what_waits_and_tells_what_runs():
    inbox = Inbox()
    inbox.put(render(1, "a"))
    inbox.put(render(2, "b"))
    running = inbox.take()
    assert inbox.cancel(1) is None
    with pytest.raises(Cancelled):
        running.check()
    assert inbox.cancel(2).id == 2
    assert inbox.cancel(99) is None


def test_taking_waits_for_a_task():
    inbox = Inbox()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(inbox.take().task.id))
    thread.start()
    inbox.put(render(1))
    thread.join(10)
    assert taken == [1]
