"""A dispatcher of few agents, and who is served by it."""

from orchspec.runtime.dispatcher import Dispatcher
from tests.support.plans import give, plan

__all__ = ["dispatcher", "places"]


def dispatcher(*agents, tools=()):
    """A dispatcher of these agents and tools."""
    return Dispatcher(plan(give(1), agents=tuple(agents), tools=tuple(tools)))


def places(grants):
    """The (run, place) of each grant."""
    return [(grant.run, grant.place) for grant in grants]
