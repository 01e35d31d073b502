// Rows below the search field while one types. Arrow keys walk them, Escape closes them.

const WAIT_MS = 120;

export function suggest(form) {
  const field = form.querySelector("input[type=search]");
  const rows = form.querySelector(".suggestions");
  // A form may not stand in another one: the rows have forms of their own.
  form.after(rows);
  form.parentElement.classList.add("find-anchor");
  let timer = 0;
  let asked = null;

  const close = () => {
    rows.hidden = true;
    field.setAttribute("aria-expanded", "false");
  };
  const show = async () => {
    asked?.abort();
    const query = field.value.trim();
    if (!query) return close();
    asked = new AbortController();
    try {
      const answer = await fetch(`${form.dataset.suggest}?query=${encodeURIComponent(query)}`, { signal: asked.signal });
      if (!answer.ok) return close();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      rows.replaceChildren(...page.body.childNodes);
      rows.hidden = false;
      field.setAttribute("aria-expanded", "true");
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  };
  const walk = (step) => {
    const links = [field, ...rows.querySelectorAll("li > a")];
    const at = links.findIndex((link) => link === document.activeElement || link.parentElement === document.activeElement.closest("li"));
    links[(at + step + links.length) % links.length]?.focus();
  };

  field.setAttribute("aria-controls", rows.id);
  field.setAttribute("aria-expanded", "false");
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-haspopup", "true");
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, WAIT_MS);
  });
  form.parentElement.addEventListener("keydown", (event) => {
    if (rows.hidden) return;
    if (event.key === "ArrowDown") walk(1);
    else if (event.key === "ArrowUp") walk(-1);
    else if (event.key === "Escape") {
      close();
      field.focus();
    } else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => form.parentElement.contains(event.target) || close());
  // What was liked from here shows it at once.
  rows.addEventListener("submit", () => setTimeout(close, 0));
}
