"""Why a step ran when it did, and why another did not: answered from the journal, by folding it again.

`read_story` turns a plan and the records of a run into a story: what stood at each place, what began it and what
ended it. `why` and `why_not` answer from that.
"""

from __future__ import annotations

from orchspec.runtime.why.because import UnknownStep, why
from orchspec.runtime.why.missing import why_not
from orchspec.runtime.why.story import Happening, Moment, Story, read_story

__all__ = ["Happening", "Moment", "Story", "UnknownStep", "read_story", "why", "why_not"]
