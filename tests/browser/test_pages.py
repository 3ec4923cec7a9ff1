"""Each page of the built book in Chromium: nothing broken, nothing fetched from elsewhere, readable by all, on a phone, in light and dark."""

from __future__ import annotations

import pytest

from tools import common

CHAPTERS = [f"chapters/{source.stem}.html" for source in common.chapters()]
PAGES = ["search.html", *CHAPTERS, *(f"{name}.html" for name in common.plain_pages())]
NEEDS_MATHS = "[...document.querySelectorAll('.math, .text_markdown mjx-container')].filter(e => !e.matches('mjx-container') && !e.querySelector('mjx-container')).length"
WIDE = """() => {
  const clipped = e => { for (let a = e.parentElement; a && a !== document.body; a = a.parentElement)
    if (getComputedStyle(a).overflowX !== 'visible') return true; return false }
  return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().width > 0
    && e.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(e).position !== 'fixed' && !clipped(e))
    .map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 60)}`).slice(0, 3) }"""
AXE = "axe.run(document, {resultTypes: ['violations'], preload: false}).then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact)))"


def violations(page, axe: str) -> list[str]:
    """What axe finds serious or critical, a line each."""
    page.evaluate(axe)
    return [
        f"axe, {v['impact']}, {v['id']}: {node['target']} {(node['any'] or node['all'] or node['none'])[0]['message']}"
        for v in page.evaluate(AXE)
        for node in v["nodes"][:4]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_in_light(name, visit, axe):
    page, problems = visit(name, width=390, scheme="light")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        problems += [f"sideways scroll at 390 px: {page.evaluate('document.documentElement.scrollWidth')} px, {page.evaluate(WIDE)}"]
    if page.evaluate("[...document.querySelectorAll('main pre:not(.cell_output pre)')].some(e => e.scrollWidth > e.clientWidth + 1)"):
        problems.append("code is wider than its box at 390 px")
    if raw := page.evaluate(NEEDS_MATHS):
        problems.append(f"{raw} formulas are not rendered")
    if wrong := page.evaluate("[...document.querySelectorAll('mjx-merror')].map(e => e.textContent)"):
        problems.append(f"formulas with an error: {wrong}")
    if not page.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
        problems.append("nothing was painted")
    problems += violations(page, axe)
    assert not problems, "\n".join([name, *problems])


@pytest.mark.parametrize("name", PAGES)
def test_on_a_desk_in_dark(name, visit, axe):
    page, problems = visit(name, width=1280, scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    problems += violations(page, axe)
    assert not problems, "\n".join([name, *problems])


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_is_folded_opens_by_keyboard(name, visit):
    page, problems = visit(name, width=1280)
    folded = page.locator("main details")
    assert folded.count(), f"{name} has no drop-down"
    for kind in ("details.answer", "details.hide"):  # an answer of a question; a folded cell or solution
        box = page.locator(f"main {kind}").first
        if box.count():
            box.locator("summary").first.focus()
            page.keyboard.press("Enter")
            assert box.evaluate("e => e.open"), f"{name}: Enter does not open {kind}"
    for box in page.locator("main .admonition.dropdown").all()[:2]:  # hints
        box.locator("button").first.focus()
        page.keyboard.press("Enter")
        assert not box.evaluate("e => e.classList.contains('toggle-hidden')"), f"{name}: Enter does not open {box.inner_text()!r}"
    assert not problems, "\n".join(problems)


def test_a_citation_and_a_term_explain_themselves_to_the_keyboard(visit):
    page, problems = visit("chapters/02_judging.html", width=1280)
    for link, words in (("main a[href*='references.html#']", "20"), ("main a[href*='glossary.html#term-']", " ")):
        page.locator(link).first.focus()
        page.wait_for_selector(".tooltip.show")
        shown = page.locator(".tooltip.show").inner_text()
        assert len(shown) > 30 and words in shown, shown
        page.locator(link).first.blur()
        page.wait_for_selector(".tooltip", state="detached")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("positives catalogue NDCG", "02_judging"), ("co-occurrence EASE", "03_baselines"), ("hypernetwork gate", "06_scene_fusion")],
)
def test_search_finds(words, wanted, visit):
    page, problems = visit(f"search.html?q={words.replace(' ', '+')}", width=1280)
    page.wait_for_selector("ul.search li a")
    found = page.locator("ul.search li a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert any(wanted in link for link in found[:10]), f"{words!r} finds {found[:10]}"
    assert not problems, "\n".join(problems)


def test_a_slider_changes_its_picture_without_a_kernel(visit):
    page, problems = visit("chapters/06_scene_fusion.html")
    slider = page.locator(".slider input").first
    seen = page.locator(".slider").first.locator("img:visible")
    before, value = seen.get_attribute("alt"), page.locator(".slider output").first.inner_text()
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert seen.count() == 1 and seen.get_attribute("alt") != before
    assert page.locator(".slider output").first.inner_text() != value == "1"
    assert not problems, "\n".join(problems)
