// Forms in place: a form is sent, the page that answers is read, and the parts marked
// data-region are exchanged for its parts of the same id. Nothing else on the page moves.

const BUSY_AFTER_MS = 120;
const LIVE_AFTER_MS = 220;
const GONE = "The server of this page does not answer, so nothing was stored. What you see stays; try again in a moment.";
let queue = Promise.resolve();
let newest = 0;

export function enhance() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-enhance]")) return;
    event.preventDefault();
    const button = event.submitter;
    send(form, button, form.hasAttribute("data-live") && button?.name === "reset");
  });
  let timer = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-live]");
    if (!form) return;
    clearTimeout(timer);
    timer = setTimeout(() => send(form, null, false), LIVE_AFTER_MS);
  });
  // One list of stars is open at a time, and Escape closes it.
  document.addEventListener("click", (event) => closeStars(event.target.closest("details.rate")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = event.target.closest?.("details.rate[open]");
    closeStars(null);
    open?.querySelector("summary").focus();
  });
  for (const region of document.querySelectorAll("[data-poll]")) poll(region);
}

/** Sends forms one after the other, so that quick clicks all count; the last answer is shown. */
function send(form, button, whole) {
  const data = new URLSearchParams(new FormData(form, button ?? undefined));
  if (!data.has("back")) data.set("back", location.pathname + location.search);
  const number = ++newest;
  const live = form.hasAttribute("data-live") && !whole ? form.id : null;
  const busy = setTimeout(() => document.getElementById("list")?.setAttribute("aria-busy", "true"), BUSY_AFTER_MS);
  queue = queue.then(async () => {
    try {
      const answer = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) return say(page.querySelector(".letters")?.innerText.trim() || `The server answers ${answer.status}.`);
      if (number === newest) exchange(page, live);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // fetch has no other error for a server that is gone
      say(GONE);
    } finally {
      clearTimeout(busy);
      if (number === newest) document.getElementById("list")?.removeAttribute("aria-busy");
    }
  });
}

/** Takes the regions of `page`; that of the id `kept` stays, since somebody is moving its sliders. */
export function exchange(page, kept) {
  const focus = remember(document.activeElement);
  for (const region of document.querySelectorAll("[data-region]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh || region.id === kept) continue;
    // The children alone: a live region that is exchanged itself is not read out.
    region.replaceChildren(...fresh.childNodes);
    region.removeAttribute("aria-busy");
  }
  restore(focus);
}

/** Where the focus is: what it is on, or which card. */
function remember(element) {
  const key = element?.closest("[data-key]")?.dataset.key;
  const card = element?.closest("[data-item]");
  const cards = card ? [...card.parentElement.children] : [];
  return { key, list: card?.closest("[data-region]")?.id, place: cards.indexOf(card) };
}

function restore({ key, list, place }) {
  if (document.activeElement !== document.body || !(key || list)) return;
  const same = key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const cards = list ? document.getElementById(list).querySelectorAll("[data-item]") : [];
  const near = cards[Math.min(place, cards.length - 1)]?.querySelector("[data-key]");
  const target = same || near || document.getElementById("main");
  target.focus({ preventScroll: target.id === "main" });
}

function closeStars(kept) {
  for (const open of document.querySelectorAll("details.rate[open]")) if (open !== kept) open.open = false;
}

function say(text) {
  const said = document.createElement("div");
  said.className = "said";
  said.append(Object.assign(document.createElement("p"), { textContent: text }));
  document.getElementById("toast").replaceChildren(said);
}

/** Reads the page again and again while a region says so, and as a whole once it no longer does. */
function poll(region) {
  const again = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!page.getElementById(region.id)) return location.reload();
      exchange(page, null);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    setTimeout(again, Number(region.dataset.poll));
  };
  setTimeout(again, Number(region.dataset.poll));
}
