"""What people do on the page, in a real browser, on the model that the pipeline pushed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.long

# Of the sample; frequent enough that a page of search results is full of it.
TASTE = "Sci-Fi"


def cards(page: Page) -> list[str]:
    """Ids of the list, in its order."""
    found: list[str] = page.locator("#list [data-item]").evaluate_all(
        "cards => cards.map(card => card.dataset.item)"
    )
    return found


def share_of(page: Page, taste: str) -> float:
    facts = page.locator("#list .facts").all_inner_texts()
    return sum(taste in text for text in facts) / len(facts)


def do(page: Page, key: str) -> None:
    """Presses what has this data-key, and waits until the page has said so."""
    before = page.locator("#toast").inner_text()
    page.locator(f'[data-key="{key}"]').first.click()
    page.wait_for_function("before => document.getElementById('toast').innerText !== before", arg=before)


def like_first(page: Page, count: int) -> None:
    for number in range(count):
        page.locator(".pick button[aria-pressed=false]").first.click()
        expect(page.locator(".marks li")).to_have_count(number + 1)


def test_three_likes_lead_to_a_list_of_their_taste_and_each_click_changes_it(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".pick")).to_have_count(12)
    popular = share_of(page, TASTE)
    page.goto(f"/search?column=genres&value={TASTE}")
    liked = cards(page)[:3]
    for item in liked:
        do(page, f"like:{item}")
    page.goto("/")
    mine = share_of(page, TASTE)
    assert mine >= 0.5
    assert mine >= 1.5 * popular
    assert not set(liked) & set(cards(page))
    assert page.locator("#list .why", has_text="Because of").count() > 0
    # Hiding takes one out of the list for good, and so does a like, which changes the others too.
    before = cards(page)
    do(page, f"hide:{before[0]}")
    after = cards(page)
    assert before[0] not in after
    do(page, f"like:{after[0]}")
    last = cards(page)
    assert after[0] not in last
    assert [item for item in after[1:] if item in last] != last[: len(after) - 1]
    page.reload()
    assert cards(page) == last


def test_the_first_visit_picks_and_their_taking_back(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile("What do\\s+you like", re.IGNORECASE)
    )
    pick = page.locator(".pick button").first
    pick.click()
    expect(pick).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#toast")).to_contain_text("You like")
    page.locator("#toast button").click()
    expect(pick).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".marks li")).to_have_count(0)
    like_first(page, 3)
    expect(page.locator(".pick")).to_have_count(0)
    expect(page.get_by_role("heading", name="For you", level=2)).to_be_visible()


def test_half_stars_seen_hidden_undone_and_removed(page: Page) -> None:
    page.goto("/")
    like_first(page, 3)
    first, second, third = cards(page)[:3]
    page.locator(f'[data-key="rate:{first}"]').click()
    do(page, f"stars:{first}:3.5")
    marks = page.locator(".marks li")
    expect(marks.first).to_contain_text("3.5")
    do(page, f"view:{second}")
    expect(marks).to_have_count(5)
    do(page, f"hide:{third}")
    expect(marks).to_have_count(6)
    assert not {first, second, third} & set(cards(page))
    do(page, "undo")
    expect(marks).to_have_count(5)
    assert third in cards(page)
    do(page, f"clear:{first}")
    expect(marks).to_have_count(4)
    do(page, "undo")
    expect(marks.first).to_contain_text("3.5")
    page.reload()
    expect(marks).to_have_count(5)


def test_sliders_filters_and_diversity_change_the_list(page: Page) -> None:
    page.goto("/")
    before = cards(page)
    slider = page.locator("[name^='taste.']").nth(3)
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('#list [data-item]').dataset.item !== before", arg=before[0]
    )
    expect(page.locator("#list .head")).to_contain_text("From your settings")
    expect(slider).to_be_focused()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Year, at least").fill("2005")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#list .facts')].every(f => parseInt(f.innerText) >= 2005)"
    )
    narrow = cards(page)
    diversity = page.get_by_role("slider", name="Diversity")
    diversity.focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "all => [...document.querySelectorAll('#list [data-item]')].map(c => c.dataset.item).join() !== all",
        arg=",".join(narrow),
    )
    page.reload()
    expect(slider).to_have_value("5")
    page.get_by_role("button", name="Reset").click()
    expect(slider).to_have_value("0")
    page.wait_for_function(
        "first => document.querySelector('#list [data-item]').dataset.item === first", arg=before[0]
    )


def test_suggestions_while_typing_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    title = page.locator("#list h3").first.inner_text()
    field = page.get_by_role("combobox")
    field.focus()
    page.keyboard.type(title[:-1])
    rows = page.locator(".suggestions li")
    expect(rows.first).to_contain_text(title)
    rows.first.get_by_role("button").click()
    expect(page.locator("#toast")).to_contain_text(f"You like {title}")
    field.focus()
    page.keyboard.press("End")
    page.keyboard.type(title[-1])
    expect(rows.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.get_by_role("combobox").fill("zzqqxx")
    expect(page.locator(".suggestions")).to_contain_text("No ")
    page.keyboard.press("Escape")
    expect(page.locator(".suggestions")).to_be_hidden()


def test_an_item_with_histogram_neighbours_and_actions(page: Page) -> None:
    page.goto("/")
    page.locator("#list h3 a").first.click()
    expect(page.locator("dl")).to_contain_text("Ratings in training")
    counts = [
        int(text.replace(",", "")) for text in page.locator(".histogram td:last-child").all_inner_texts()
    ]
    rated = page.locator("dd", has_text="on average").inner_text()
    assert sum(counts) == int(rated.split(",")[0].replace(",", ""))
    assert page.locator("#shelf-1 .card").count() == 6
    expect(page.get_by_role("heading", name="For people who like this")).to_be_visible()
    like = page.locator(".about [data-key^='like:']")
    like.click()
    expect(like).to_have_attribute("aria-pressed", "true")
    expect(like).to_be_focused()


def test_the_map_moves_finds_and_opens(page: Page) -> None:
    page.goto("/")
    like_first(page, 3)
    page.goto("/map")
    canvas = page.locator("canvas[data-ready]")
    expect(canvas).to_be_visible()
    assert int(canvas.get_attribute("data-ready") or 0) == 500
    shot = canvas.screenshot()
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(300)
    assert canvas.screenshot() != shot
    page.get_by_label("Find").fill("the")
    expect(page.locator("#map-status")).to_contain_text("found")
    found = page.locator("#map-found a").first
    title = found.inner_text()
    page.get_by_label("Find").fill(title)
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    box = canvas.bounding_box()
    assert box is not None
    middle = {"x": box["width"] / 2, "y": box["height"] / 2}
    canvas.hover(position=middle)
    expect(page.locator("#map-tip")).to_be_visible()
    page.get_by_label("Colour by").select_option("")
    expect(page.locator("#map-legend [data-value]")).to_have_count(0)
    canvas.click(position=middle)
    expect(page).to_have_url(re.compile("/items/"))


def test_the_model_and_a_known_user(page: Page) -> None:
    page.goto("/model")
    expect(page.get_by_role("heading", name="Gates")).to_be_visible()
    assert page.locator("text=passed").count() >= 3
    expect(page.get_by_role("img", name=re.compile("recall@10"))).to_be_visible()
    page.goto("/known")
    page.locator("table a").first.click()
    expect(page.get_by_role("heading", name="Held out")).to_be_visible()
    rows = [row.locator("td.n").all_inner_texts() for row in page.locator("tbody tr").all()]
    assert all(0.5 <= float(value) <= 5 for *rated, _ in rows for value in rated)
    assert all(len(row) == 3 for row in rows)
    # What is said of the held-out items in the list is what the two show.
    in_list = [row[2] for row in rows if row[2] != "–"]
    expect(page.locator(".figures")).to_contain_text(f"{len(in_list)} of 12")
    assert page.locator(".strip", has=page.locator("text=held out")).count() == bool(in_list)
    assert page.locator(".strip .tile").count() >= 13


def test_forget_me_leaves_nobody(page: Page) -> None:
    page.goto("/")
    like_first(page, 1)
    page.get_by_role("link", name="Forget me").click()
    page.get_by_role("button", name="Erase everything").click()
    expect(page.locator("#toast")).to_contain_text("Erased")
    expect(page.locator(".marks li")).to_have_count(0)
