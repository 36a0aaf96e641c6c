"""All studies of a spec at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchspec.compiler.context import Context
from orchspec.compiler.lowering.nodes import number_nodes
from orchspec.compiler.plan import Profile, Scenario, Test
from orchspec.compiler.studies.context import Study
from orchspec.compiler.studies.profiles import check_profiles
from orchspec.compiler.studies.reservations import check_guesses
from orchspec.compiler.studies.scenarios import check_scenarios
from orchspec.compiler.studies.spec_tests import check_tests
from orchspec.slotted import dataclass

__all__ = ["Studies", "check_studies"]


@dataclass(frozen=True, slots=True)
class Studies:
    """The profiles by target, the scenarios and the tests of a spec, as they stand in its plan."""

    profiles: Mapping[str, Profile]
    scenarios: Sequence[Scenario]
    tests: Sequence[Test]


def check_studies(context: Context, folder: Path | None) -> Studies:
    """Checks the studies of a spec whose declarations and flows were checked before, and lowers them.

    Args:
        context: of the checks; diagnostics go to its report, what is referred to into its `used`.
        folder: that of the spec file, where its data files lie; none for a text that came from no file.

    Returns:
        The studies without mistakes.
    """
    study = Study(context, number_nodes(context.checked), folder)
    studies = Studies(check_profiles(study), check_scenarios(study), check_tests(study))
    check_guesses(study, studies.profiles)
    return studies
