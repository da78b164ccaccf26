"""A termination at every moment: what a test of one moment does not find."""

import signal

import pytest


class Database:
    """What the function's stand-ins read and write."""

    def __init__(self, fn):
        self.clear()
        fn.stub("store.load_checkpoint").side_effect = lambda: self.checkpoint
        fn.stub("store.save_checkpoint").side_effect = self.save
        fn.stub("store.copy").side_effect = self.rows.append

    def clear(self, moment=None):
        self.checkpoint = 0
        self.rows = getattr(self, "rows", [])
        self.rows.clear()

    def save(self, done):
        self.checkpoint = done


def all_is_copied_once(database):
    """After a termination and a second event all rows are there, once."""

    def check(event, resumed, moment):
        if moment.graceful and not moment.unregistered:
            event.assert_finished()
        resumed.assert_finished(3)
        assert database.rows == [0, 1, 2]

    return check


def test_the_map_finds_the_moments_that_lose_the_checkpoint(scf_runtime):
    fn = scf_runtime.deploy("functions/importer", async_run=True)
    database = Database(fn)
    found = fn.termination_map({"rows": 3}, resume=True, prepare=database.clear, check=all_is_copied_once(database))
    wrong = {moment.source for moment in found.failures}
    # Between the copy of a row and the note of it, and where nothing catches the exception any more.
    assert {"done = row + 1", "store.save_checkpoint(done)"} <= wrong
    with pytest.raises(AssertionError):
        found.assert_all()
    # This is what a test of one moment sees: nothing.
    before_a_copy = [moment for moment in found.moments if moment.source == "store.copy(row)"]
    assert all(moment.ok for moment in before_a_copy)


def test_the_mended_one_passes_at_every_moment(scf_runtime):
    fn = scf_runtime.deploy("functions/importer_mended", async_run=True)
    database = Database(fn)
    found = fn.termination_map({"rows": 3}, resume=True, prepare=database.clear, check=all_is_copied_once(database))
    found.assert_all()


def count(event, context):
    asked = []
    signal.signal(signal.SIGTERM, lambda *args: asked.append(True))
    done = 0
    while done < event["until"] and not asked:
        done += 1
    return done


@pytest.mark.scf_moments(count, event={"until": 3})
def test_each_moment_is_a_test_of_its_own(scf_moment):
    scf_moment.assert_finished()
