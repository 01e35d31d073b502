"""For everybody: without script, by the rules of axe, at every width, without anything that jumps."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import violations

from serving.app.page.covers import cover

pytestmark = pytest.mark.long

VIEWS = (
    "/",
    "/search?query=the",
    "ITEM",
    "/map",
    "/model",
    "/known",
    "USER",
    "/forget",
    "/items/no-such-item",
)
WIDTHS = (360, 768, 1440, 1600)


def follow(page: Page, link: str) -> None:
    """Clicks the first such link and waits for what it leads to: a click alone waits for its first bytes."""
    before = page.url
    page.locator(link).first.click()
    page.wait_for_url(lambda url: url != before)


def open_view(page: Page, view: str) -> None:
    if view == "ITEM":
        page.goto("/")
        follow(page, "#list h3 a")
    elif view == "USER":
        page.goto("/known")
        follow(page, "table a")
    else:
        page.goto(view)
    if view == "/map":
        page.locator("canvas[data-ready]").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, address: str, scheme: str) -> None:
    context = chromium.new_context(base_url=address, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(60_000)
    found = {}
    for view in VIEWS:
        open_view(page, view)
        found[view] = violations(page)
    # With likes, a toast, open stars and suggestions.
    page.goto("/")
    for _ in range(3):
        before = page.locator(".marks li").count()
        page.locator(".pick button[aria-pressed=false]").first.click()
        expect(page.locator(".marks li")).to_have_count(before + 1)
    page.locator(".rate summary").first.click()
    found["likes"] = violations(page)
    page.get_by_role("combobox").fill("the")
    page.locator(".suggestions li").first.wait_for()
    found["suggestions"] = violations(page)
    context.close()
    assert {view: rules for view, rules in found.items() if rules} == {}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_view_is_wider_than_the_window(chromium: Browser, address: str, width: int) -> None:
    context = chromium.new_context(base_url=address, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    wide = {}
    for view in VIEWS:
        open_view(page, view)
        wide[view] = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    context.close()
    assert {view: by for view, by in wide.items() if by > 0} == {}


def test_titles_stay_on_their_covers(page: Page) -> None:
    titles = (
        "Braveheart", "Independence Day (a.k.a. ID4)", "Hamburger Hill", "WWW", "Mommy and me, memory",
        "Return of the Jedi - A New Hope", "Ängelägård", "Illicit little bill", "1917 & 1984",
    )  # fmt: skip
    drawn = "".join(str(cover(f"{number}", title)) for title in titles for number in range(12))
    page.goto("/forget")
    page.evaluate("covers => { document.querySelector('main').innerHTML = covers }", drawn)
    page.evaluate("document.fonts.ready.then(() => true)")
    beyond = page.locator(".cover text").evaluate_all(
        "texts => texts.filter(text => text.getBBox().x + text.getBBox().width > 290)"
        ".map(text => text.textContent + ' ' + text.getAttribute('class'))"
    )
    assert beyond == []


def test_nothing_jumps_while_the_list_is_on_its_way(page: Page) -> None:
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const one of list.getEntries()) "
        "window.shift += one.value }).observe({type: 'layout-shift', buffered: true})"
    )
    page.goto("/")
    page.wait_for_timeout(500)
    # A slider, not a click: shifts right after a click are not counted.
    page.locator("[name^='taste.']").first.evaluate(
        "slider => { slider.value = 5; slider.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    page.wait_for_timeout(1500)
    assert page.evaluate("window.shift") < 0.02


def test_everything_works_without_script(chromium: Browser, address: str) -> None:
    context = chromium.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    title = page.locator("#list h3").first.inner_text()
    page.get_by_label("Search").fill(title)
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("button", name=f"Like {title}").first.click()
    expect(page.locator("#toast")).to_contain_text(f"You like {title}")
    page.goto("/")
    expect(page.locator(".marks li")).to_have_count(1)
    assert page.locator("#list .why").count() > 0
    page.locator("#list .rate summary").first.click()
    page.locator("#list .stars button", has_text="4.5 of").first.click()
    expect(page.locator(".marks li")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".marks li")).to_have_count(1)
    page.locator("[name^='taste.']").first.fill("5")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#list .head")).to_contain_text("settings")
    page.locator("#list h3 a").first.click()
    expect(page.locator("dl")).to_contain_text("in training")
    page.goto("/map")
    assert page.locator("noscript circle, .chart svg circle").count() > 100
    context.close()
