// The map: every item a dot, drawn on a canvas; wheel, drag, pinch and keys move it.

const MOST_LABELS = 14;
const REACH = 14; // pixels around the pointer in which a dot is found

export async function start() {
  const canvas = document.querySelector("canvas[data-points]");
  const chart = new Chart(canvas);
  const answer = await fetch(canvas.dataset.points);
  if (!answer.ok) {
    document.getElementById("map-status").textContent = "The map could not be loaded; reload the page to try again.";
    return;
  }
  chart.load(await answer.json(), JSON.parse(document.getElementById("map-mine").dataset.mine));
}

class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.tip = document.getElementById("map-tip");
    this.items = [];
    this.liked = [];
    this.listed = [];
    this.view = { x: 0, y: 0, zoom: 1 };
    this.pointers = new Map();
    this.hover = -1;
    this.found = null;
    this.colours = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.listen();
  }

  load(data, mine) {
    this.items = data.items.map(([id, title, x, y]) => ({ id, title, x, y }));
    this.columns = data.columns;
    const rows = new Map(this.items.map((item, row) => [item.id, row]));
    const known = (ids) => ids.map((id) => rows.get(id)).filter((row) => row !== undefined);
    this.liked = known(mine.liked);
    this.listed = known(mine.listed);
    const choose = document.getElementById("map-colour");
    choose.addEventListener("change", () => this.paint(choose.value));
    this.paint(choose.value);
    const field = document.getElementById("map-find");
    field.addEventListener("input", () => this.search(field.value));
    field.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.found?.length) this.go(this.found[0]);
    });
    if (field.value) this.search(field.value);
    this.canvas.dataset.ready = this.items.length;
  }

  paint(name) {
    const column = this.columns[name];
    this.colours = column ? column.of.map((at) => (at < 0 ? null : column.colours[at])) : null;
    const legend = document.getElementById("map-legend");
    for (const old of legend.querySelectorAll("[data-value]")) old.remove();
    for (const [at, value] of (column?.values ?? []).entries()) {
      const row = document.createElement("li");
      row.dataset.value = value;
      row.innerHTML = '<svg viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5"/></svg>';
      row.querySelector("circle").setAttribute("fill", column.colours[at]);
      row.append(value);
      legend.insertBefore(row, legend.querySelector(".mine"));
    }
    this.draw();
  }

  search(text) {
    const plain = (value) => value.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    const wanted = plain(text.trim());
    this.found = wanted ? [] : null;
    if (wanted) for (const [row, item] of this.items.entries()) if (plain(item.title).includes(wanted)) this.found.push(row);
    const list = document.getElementById("map-found");
    list.replaceChildren(
      ...(this.found ?? []).slice(0, 12).map((row) => {
        const link = Object.assign(document.createElement("a"), { href: address(this.items[row]), textContent: this.items[row].title });
        link.className = "chip";
        const entry = document.createElement("li");
        entry.append(link);
        return entry;
      }),
    );
    document.getElementById("map-status").textContent = this.found ? `${this.found.length} found` : "";
    this.draw();
  }

  /** To an item, near enough that its neighbours have names. */
  go(row) {
    const { x, y } = this.items[row];
    this.view = { x, y, zoom: Math.max(this.view.zoom, 6) };
    this.hover = row;
    this.draw();
  }

  get scale() {
    return (Math.min(this.canvas.clientWidth, this.canvas.clientHeight) / 2.3) * this.view.zoom;
  }

  place(item) {
    const { clientWidth, clientHeight } = this.canvas;
    return [clientWidth / 2 + (item.x - this.view.x) * this.scale, clientHeight / 2 - (item.y - this.view.y) * this.scale];
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    const { canvas, pen } = this;
    const dense = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * dense;
    canvas.height = height * dense;
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink");
    const faint = style.getPropertyValue("--soft");
    const sheet = style.getPropertyValue("--sheet");
    const radius = Math.min(9, (this.items.length > 4000 ? 1.6 : 2.6) * Math.sqrt(this.view.zoom));
    const bright = this.found && new Set(this.found);
    const visible = [];
    for (const [row, item] of this.items.entries()) {
      const [x, y] = this.place(item);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      pen.globalAlpha = bright && !bright.has(row) ? 0.12 : 0.82;
      pen.fillStyle = this.colours?.[row] ?? faint;
      pen.beginPath();
      pen.arc(x, y, bright?.has(row) ? radius + 2 : radius, 0, 7);
      pen.fill();
      visible.push(row);
    }
    pen.globalAlpha = 1;
    const ring = (rows, colour, size) => {
      for (const row of rows) {
        const [x, y] = this.place(this.items[row]);
        pen.beginPath();
        pen.arc(x, y, size, 0, 7);
        pen.fillStyle = colour;
        pen.fill();
        pen.lineWidth = 2.5;
        pen.strokeStyle = sheet;
        pen.stroke();
      }
    };
    ring(this.listed, style.getPropertyValue("--gold"), radius + 3);
    ring(this.liked, style.getPropertyValue("--accent"), radius + 5);
    this.label(visible, bright, ink, sheet);
  }

  /** Names: of what is pointed at, liked, found or listed, then of the most rated, none over another. */
  label(visible, bright, ink, sheet) {
    const { pen } = this;
    const taken = [];
    const inside = new Set(visible);
    const order = [this.hover, ...this.liked, ...(this.found?.slice(0, 20) ?? []), ...this.listed, ...(bright ? [] : visible)];
    pen.font = "600 12px Archivo, system-ui, sans-serif";
    pen.lineJoin = "round";
    let left = MOST_LABELS + Math.round(6 * Math.log2(Math.max(1, this.view.zoom)));
    for (const row of new Set(order)) {
      if (left <= 0) break;
      if (row < 0 || !inside.has(row)) continue;
      const item = this.items[row];
      const text = item.title.length > 30 ? `${item.title.slice(0, 29)}…` : item.title;
      const [x, y] = this.place(item);
      const width = pen.measureText(text).width;
      // To the left of a dot near the right edge: half a name is none.
      const at = x + 13 + width > this.canvas.clientWidth ? Math.max(2, x - 11 - width) : x + 11;
      const box = [at - 2, y - 9, at + 2 + width, y + 9];
      if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
      taken.push(box);
      left -= 1;
      pen.lineWidth = 4;
      pen.strokeStyle = sheet;
      pen.strokeText(text, at, y + 4);
      pen.fillStyle = ink;
      pen.fillText(text, at, y + 4);
    }
  }

  nearest(x, y) {
    let best = -1;
    let least = REACH * REACH;
    for (const [row, item] of this.items.entries()) {
      const [px, py] = this.place(item);
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) [best, least] = [row, far];
    }
    return best;
  }

  zoomAt(factor, x, y) {
    const before = this.scale;
    this.view.zoom = Math.min(60, Math.max(0.7, this.view.zoom * factor));
    const shift = 1 / before - 1 / this.scale;
    this.view.x += (x - this.canvas.clientWidth / 2) * shift;
    this.view.y -= (y - this.canvas.clientHeight / 2) * shift;
    this.draw();
  }

  point(x, y) {
    const row = this.nearest(x, y);
    this.canvas.classList.toggle("on", row >= 0);
    this.tip.hidden = row < 0;
    if (row >= 0) {
      this.tip.textContent = this.items[row].title;
      this.tip.style.left = `${Math.min(x + 14, this.canvas.clientWidth - this.tip.offsetWidth - 4)}px`;
      this.tip.style.top = `${y + 14}px`;
    }
    if (row !== this.hover) {
      this.hover = row;
      this.draw();
    }
  }

  listen() {
    const { canvas, pointers } = this;
    let moved = 0;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomAt(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return this.point(event.offsetX, event.offsetY);
      const [dx, dy] = [event.offsetX - last.offsetX, event.offsetY - last.offsetY];
      moved += Math.abs(dx) + Math.abs(dy);
      if (pointers.size === 2) {
        const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
        const span = (one) => Math.hypot(one.offsetX - other.offsetX, one.offsetY - other.offsetY);
        this.zoomAt(span(event) / Math.max(1, span(last)), (event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2);
      } else {
        this.view.x -= dx / this.scale;
        this.view.y += dy / this.scale;
        this.draw();
      }
      pointers.set(event.pointerId, event);
    });
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      if (kind === "pointercancel" || moved > 6) return;
      const row = this.nearest(event.offsetX, event.offsetY);
      if (row >= 0) location.href = address(this.items[row]);
    });
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    const [middle, step] = [() => [canvas.clientWidth / 2, canvas.clientHeight / 2], 60];
    const keys = {
      ArrowLeft: () => { this.view.x -= step / this.scale; },
      ArrowRight: () => { this.view.x += step / this.scale; },
      ArrowUp: () => { this.view.y += step / this.scale; },
      ArrowDown: () => { this.view.y -= step / this.scale; },
      "+": () => this.zoomAt(1.5, ...middle()),
      "=": () => this.zoomAt(1.5, ...middle()),
      "-": () => this.zoomAt(1 / 1.5, ...middle()),
      0: () => { this.view = { x: 0, y: 0, zoom: 1 }; },
      Enter: () => { if (this.hover >= 0) location.href = address(this.items[this.hover]); },
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
      this.hover = event.key === "Enter" ? this.hover : this.nearest(...middle());
      this.draw();
    });
    for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => keys[button.dataset.zoom]() ?? this.draw());
  }
}

const address = (item) => `/items/${encodeURIComponent(item.id)}`;
