"""kill -9 while a teacher writes summaries, and while a student learns them."""

import signal
from dataclasses import replace

import pytest

SUMMARIES, TRAINING = "pseudo-summaries:saved 3", "distill:saved 4"


@pytest.mark.slow  # four processes; test_writing.py has the same without any
def test_a_student_killed_twice_on_its_way_is_the_one_of_an_undisturbed_run(
    forked, fresh_summarizer
):
    whole = forked.run(fresh_summarizer)
    assert whole.code == 0, whole.stderr
    first = forked.run(replace(fresh_summarizer, die_at=SUMMARIES))
    second = forked.run(replace(fresh_summarizer.again(), die_at=TRAINING))
    for killed, point in ((first, SUMMARIES), (second, TRAINING)):
        assert (killed.code, killed.points[-1]) == (-signal.SIGKILL, point), killed.stderr
    last = forked.run(fresh_summarizer.again())
    assert (last.code, last.left, last.unfinished) == (0, whole.left, []), last.stderr
    # Nothing that was saved was done again.
    for step in ("pseudo-summaries", "distill"):
        saved = [point for one in (first, second, last) for point in one.points]
        wanted = [point for point in whole.points if point.startswith(f"{step}:saved")]
        assert sum(point.startswith(f"{step}:saved") for point in saved) == len(wanted) > 4
