"""The progress bar."""

from __future__ import annotations

import pytest

import tilewright
from support.fake_networks import with_fake_networks
from tilewright import Upscaler
from tilewright.testing import make_picture


@pytest.fixture
def small_tiles():
    return with_fake_networks(Upscaler(device="cpu", tile=48, store="memory://bars"))


def test_bar_reaches_the_end_of_each_picture(small_tiles, capsys):
    with tilewright.progress_bar("photo.jpg") as show:
        for _ in range(2):
            small_tiles.upscale_array(make_picture(100, 100), 2, on_progress=show)
    out, err = capsys.readouterr()
    assert out == ""
    assert "photo.jpg" in err
    assert "100%" in err


def test_bar_ends_where_the_work_stops(small_tiles, capsys):
    updates = []

    def stop(progress):
        updates.append(progress)
        show(progress)
        if progress.done == progress.total // 2:
            raise InterruptedError

    with pytest.raises(InterruptedError), tilewright.progress_bar() as show:
        small_tiles.upscale_array(make_picture(100, 100), 2, on_progress=stop)
    assert 0 < updates[-1].done < updates[-1].total
    assert f"{100 * updates[-1].done / updates[-1].total:.0f}%" in capsys.readouterr().err
