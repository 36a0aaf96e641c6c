"""Every page is reached from the index; that no link is broken is held by tests/test_tidy.py."""

import re

from tests.docs.pages import DOCS, ROOT, pages


def linked(page):
    """The pages that a page links."""
    for target in re.findall(r"\]\(([^)\s#:]+\.md)", page.read_text("utf-8")):
        file = (page.parent / target).resolve()
        if file.is_file():
            yield file


def test_every_page_is_reached_from_the_index():
    reached = {DOCS / "index.md"}
    left = list(reached)
    while left:
        new = set(linked(left.pop())) - reached
        reached |= new
        left += new
    assert {page.relative_to(ROOT).as_posix() for page in pages() if page not in reached} == set()
