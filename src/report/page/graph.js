"use strict";
// The library graph: layers from left to right, directories or packages as collapsed groups.

const MOST_UNITS = 260, WIDTH = 210, HEIGHT = 26, COLUMN = 275, ROW = 36;

function packageOf(path) {
  const store = path.match(/[0-9abcdfghijklmnpqrsvwxyz]{32}-([^/]+)/);
  if (store) return store[1];
  const site = path.match(/(?:site|dist)-packages\/(.*)/);
  const parts = (site ? site[1] : path).split("/");
  // NVIDIA's wheels share the directory `nvidia`.
  const deep = parts.indexOf("nvidia");
  return parts.slice(0, deep >= 0 && deep + 2 < parts.length ? deep + 2 : Math.max(1, Math.min(parts.length - 1, 2))).join("/");
}

class LibraryGraph {
  constructor(data) {
    this.data = data;
    this.nodes = data.nodes.map((node, id) => ({ id, kind: node[0], path: node[1], name: base(node[1]), out: [], in: [] }));
    this.edges = data.edges.map((edge, id) => ({ id, from: edge[0], to: edge[1], name: edge[2], opened: !!edge[3], step: edge[4], trail: edge[5] || [] }));
    for (const edge of this.edges) { this.nodes[edge.from].out.push(edge); this.nodes[edge.to].in.push(edge); }
    this.open = new Set();
    this.zoom = null;
    this.chosen = null;
    this.controls();
    const inside = this.nodes.filter((node) => node.kind === "file").length;
    if (inside <= 40) $("graph-by").value = "none";
    this.regroup();
  }

  controls() {
    $("graph-by").addEventListener("input", () => { this.open.clear(); this.regroup(); });
    for (const id of ["graph-outside", "graph-opened", "graph-guesses"]) $(id).addEventListener("input", () => this.draw());
    $("graph-search").addEventListener("input", () => this.search());
    $("graph-expand").addEventListener("click", () => { this.groups.forEach((_, key) => this.open.add(key)); this.draw(); });
    $("graph-collapse").addEventListener("click", () => { this.open.clear(); this.chosen = null; this.draw(); });
    const scale = (factor) => { this.zoom = Math.min(3, Math.max(0.2, this.fit() * factor)); this.scale(); };
    $("graph-in").addEventListener("click", () => scale(1.25));
    $("graph-out").addEventListener("click", () => scale(0.8));
    $("graph-canvas").addEventListener("keydown", (event) => { if (event.key === "Escape") this.choose(null); });
  }

  regroup() {
    const by = $("graph-by").value;
    this.groups = new Map();
    for (const node of this.nodes) {
      node.group = null;
      if (by === "none" || node.kind !== "file") continue;
      const key = by === "package" ? packageOf(node.path) : parent(node.path);
      if (!this.groups.has(key)) this.groups.set(key, []);
      this.groups.get(key).push(node);
    }
    for (const [key, members] of [...this.groups]) {
      if (members.length < 2) this.groups.delete(key); else for (const node of members) node.group = key;
    }
    this.draw();
  }

  /// What is drawn: nodes of open groups, and one unit for each closed one.
  units() {
    const outside = $("graph-outside").checked, opened = $("graph-opened").checked, guesses = $("graph-guesses").checked, unitOf = new Map(), units = [];
    const edges = this.edges.filter((edge) => opened || !edge.opened);
    const linked = new Set(edges.map((edge) => edge.to));
    const add = (unit) => { if (units.length < MOST_UNITS) units.push(unit); else this.left += 1; return units.includes(unit) ? unit : null; };
    this.left = 0;
    for (const [key, members] of this.groups) {
      if (this.open.has(key)) continue;
      const unit = add({ key: "g:" + key, group: key, members, kind: "group", label: `▸ ${key}`, count: members.length });
      if (unit) for (const node of members) unitOf.set(node.id, unit);
    }
    const found = this.found || new Set();
    const rest = this.nodes.filter((node) => !unitOf.has(node.id) && !(node.group && !this.open.has(node.group)))
      .filter((node) => node.kind === "file" || (linked.has(node.id) && (node.kind !== "outside" || outside) && (node.kind !== "not-found" || guesses)));
    // Where not all fit, those with the most edges are drawn.
    const weight = (node) => (found.has(node.id) ? 1e6 : 0) + (node.kind === "missing" ? 1e5 : 0) + node.in.length + node.out.length;
    if (rest.length + units.length > MOST_UNITS) rest.sort((a, b) => weight(b) - weight(a) || a.id - b.id);
    for (const node of rest) {
      const mark = { missing: "✕ ", "not-found": "? ", driver: "◆ ", outside: "", file: "" }[node.kind];
      const unit = add({ key: "n:" + node.id, node, kind: node.kind, label: mark + node.name, members: [node] });
      if (unit) unitOf.set(node.id, unit);
    }
    const lines = new Map();
    for (const edge of edges) {
      const from = unitOf.get(edge.from), to = unitOf.get(edge.to);
      if (!from || !to || from === to) continue;
      const key = from.key + ">" + to.key;
      if (!lines.has(key)) lines.set(key, { key, from, to, edges: [] });
      lines.get(key).edges.push(edge);
    }
    return { units, lines: [...lines.values()] };
  }

  /// Longest path from the left, circles cut; then a few sweeps that put neighbours side by side.
  layout(units, lines) {
    for (const unit of units) Object.assign(unit, { down: [], up: [], layer: 0, state: 0 });
    for (const line of lines) line.from.down.push(line.to);
    const order = [];
    for (const start of units) {
      if (start.state) continue;
      const stack = [[start, 0]];
      start.state = 1;
      while (stack.length) {
        const top = stack[stack.length - 1];
        const next = top[0].down[top[1]++];
        if (!next) { top[0].state = 2; order.push(top[0]); stack.pop(); } else if (next.state === 0) { next.state = 1; stack.push([next, 0]); }
      }
    }
    order.reverse().forEach((unit, at) => { unit.order = at; });
    for (const unit of order) for (const to of unit.down) if (to.order > unit.order) { to.layer = Math.max(to.layer, unit.layer + 1); to.up.push(unit); }
    // A layer that is too tall goes on in the next columns.
    const layers = [];
    for (const unit of order) (layers[unit.layer] = layers[unit.layer] || []).push(unit);
    const columns = [];
    for (const layer of layers.filter(Boolean)) {
      const tall = Math.max(24, Math.ceil(Math.sqrt(units.length) * 2.2));
      layer.sort((a, b) => (a.label < b.label ? -1 : 1));
      layer.forEach((unit, at) => { unit.y = at; });
      for (let sweep = 0; sweep < 4; sweep += 1) {
        for (const unit of layer) {
          const near = unit.up.filter((up) => up.y !== undefined);
          unit.want = near.length ? near.reduce((sum, up) => sum + up.y, 0) / near.length : unit.y;
        }
        layer.sort((a, b) => a.want - b.want || (a.label < b.label ? -1 : 1));
        layer.forEach((unit, at) => { unit.y = at; });
      }
      for (let at = 0; at < layer.length; at += tall) columns.push(layer.slice(at, at + tall));
    }
    const tallest = Math.max(1, ...columns.map((column) => column.length));
    columns.forEach((column, x) => column.forEach((unit, y) => {
      unit.x = 14 + x * COLUMN;
      unit.y = 14 + (y + (tallest - column.length) / 2) * ROW;
    }));
    return { width: 28 + (columns.length - 1) * COLUMN + WIDTH, height: 28 + tallest * ROW };
  }

  draw() {
    const { units, lines } = this.units();
    const size = this.layout(units, lines);
    this.drawn = { units, lines };
    const picture = svg("svg", { role: "group", "aria-label": "Library graph" });
    picture.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    for (const line of lines) {
      const [x1, y1, x2, y2] = [line.from.x + WIDTH, line.from.y + HEIGHT / 2, line.to.x, line.to.y + HEIGHT / 2];
      const bend = Math.max(40, Math.abs(x2 - x1) / 2);
      const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
      const title = svg("title", {});
      title.textContent = `${line.from.label} → ${line.to.label}`;
      const opened = line.edges.every((edge) => edge.opened);
      line.at = svg("g", { class: "edge" + (opened ? " opened" : "") + (line.to.kind === "missing" ? " bad" : "") },
        title, svg("path", { class: "line", d }), svg("path", { class: "hit", d }));
      line.at.addEventListener("click", () => this.choose(line));
      picture.append(line.at);
    }
    for (const unit of units) {
      const text = svg("text", { x: unit.x + 8, y: unit.y + 17 });
      const end = unit.count ? ` (${unit.count})` : "", room = 29 - end.length;
      text.textContent = (unit.label.length > room ? unit.label.slice(0, 8) + "…" + unit.label.slice(9 - room) : unit.label) + end;
      const title = svg("title", {});
      title.textContent = unit.group ? `${unit.group}: ${unit.count} files; click to see, double click to open` : unit.node.path;
      unit.at = svg("g", { class: "node " + unit.kind, tabindex: "0", role: "button", "aria-label": unit.group ? `group ${unit.group}, ${unit.count} files` : `${unit.node.name}, ${unit.kind}` },
        title, svg("rect", { x: unit.x, y: unit.y, width: WIDTH, height: HEIGHT, rx: 5 }), text);
      unit.at.addEventListener("click", () => this.choose(unit));
      unit.at.addEventListener("dblclick", () => this.toggle(unit));
      unit.at.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); if (this.chosen === unit) this.toggle(unit); else this.choose(unit); }
      });
      picture.append(unit.at);
    }
    const canvas = $("graph-canvas");
    canvas.replaceChildren(picture);
    this.picture = picture;
    this.size = size;
    this.scale();
    const parts = [count(units.length, "box", "boxes"), count(lines.length, "edge")];
    if (this.left) parts.push(`${this.left} not drawn: collapse groups or search`);
    $("graph-count").textContent = parts.join(", ");
    const again = this.chosen && [...units, ...lines].find((drawn) => drawn.key === this.chosen.key);
    this.choose(again || null);
  }

  /// The user's zoom, or one at which the drawing fits and its text is legible.
  fit() {
    return this.zoom || Math.max(0.8, Math.min(1, ($("graph-canvas").clientWidth - 4) / this.size.width));
  }

  scale() {
    this.picture.setAttribute("width", this.size.width * this.fit());
    this.picture.setAttribute("height", this.size.height * this.fit());
  }

  toggle(unit) {
    if (unit.group) this.open.add(unit.group);
    else if (unit.node && unit.node.group) this.open.delete(unit.node.group);
    else return;
    this.chosen = null;
    this.draw();
    const next = this.drawn.units.find((drawn) => drawn.group === unit.group || (drawn.node && drawn.node.group === (unit.group || unit.node.group)));
    if (next) { next.at.scrollIntoView({ block: "nearest", inline: "nearest" }); next.at.focus({ preventScroll: true }); }
  }

  choose(what) {
    this.chosen = what;
    for (const drawn of [...this.drawn.units, ...this.drawn.lines]) drawn.at.classList.remove("chosen", "near");
    this.picture.classList.toggle("focused", !!what);
    const panel = $("graph-panel");
    if (!what) {
      panel.replaceChildren(el("p", { class: "dim" }, "Choose a box or a line to see the search that leads from one library to the next. Double click (or Enter twice) opens a group; Escape clears the choice."));
      return;
    }
    what.at.classList.add("chosen", "near");
    if (what.edges) {
      what.from.at.classList.add("near");
      what.to.at.classList.add("near");
      panel.replaceChildren(el("h3", {}, `${what.from.label} → ${what.to.label}`), this.links(what.edges, true));
      return;
    }
    for (const line of this.drawn.lines) {
      if (line.from !== what && line.to !== what) continue;
      line.at.classList.add("chosen");
      line.from.at.classList.add("near");
      line.to.at.classList.add("near");
    }
    panel.replaceChildren(...(what.group ? this.group(what) : this.node(what.node)));
  }

  group(unit) {
    const toggle = el("button", { type: "button", on: { click: () => this.toggle(unit) } }, "Open the group");
    const size = unit.members.reduce((sum, node) => sum + (this.data.files[node.id] || { s: 0 }).s, 0);
    return [el("h3", {}, unit.group), el("p", {}, `${count(unit.count, "file")}, ${bytes(size)}`), toggle,
      el("ul", {}, unit.members.slice(0, 200).map((node) => el("li", {}, this.jump(node))))];
  }

  node(node) {
    const file = this.data.files[node.id], parts = [el("h3", {}, node.name), el("p", { class: "mono" }, node.path)];
    const words = { file: "", outside: "A file outside of the given trees", driver: "A library of the NVIDIA driver: only the machine that runs the program has it", missing: "Needed, and not found", "not-found": "May be opened with dlopen, and would not be found" };
    if (words[node.kind]) parts.push(el("p", { class: node.kind === "missing" ? "error" : "dim" }, words[node.kind]));
    if (node.kind === "file" && file) {
      parts.push(el("p", {}, `${file.k}, ${file.m}, ${bytes(file.s)}; `, el("span", { class: file.v === "loads" ? "fine" : "error" }, file.v)));
      if (file.c) parts.push(el("p", {}, `CUDA runtime: ${file.c}`));
      if (file.r.length) parts.push(el("details", {}, el("summary", {}, count(file.r.length, "RUNPATH entry", "RUNPATH entries")), el("ul", {}, file.r.map((entry) => el("li", {}, el("code", {}, entry.e || "(empty)"))))));
    }
    if (node.group) parts.push(el("button", { type: "button", on: { click: () => this.toggle({ node }) } }, `Close the group ${node.group}`));
    if (node.out.length) parts.push(el("h3", {}, `Needs ${node.out.length}`), this.links(node.out, false));
    if (node.in.length) parts.push(el("h3", {}, `Needed by ${node.in.length}`), el("ul", {}, node.in.slice(0, 200).map((edge) => el("li", {}, this.jump(this.nodes[edge.from]), edge.opened ? " (dlopen)" : ""))));
    return parts;
  }

  jump(node) {
    return el("button", { type: "button", class: "link", on: { click: () => this.show(node) } }, node.path);
  }

  links(edges, both) {
    return el("ul", {}, edges.slice(0, 200).map((edge) => {
      const to = this.nodes[edge.to];
      const how = edge.step ? `found by ${edge.step}` : to.kind === "driver" ? "of the driver" : "not found";
      return el("li", {}, both ? [this.jump(this.nodes[edge.from]), edge.opened ? " opens " : " needs "] : edge.opened ? "opens " : "",
        both ? el("code", {}, edge.name) : this.jump(to), el("div", { class: edge.step || to.kind === "driver" ? "dim" : "error" }, how),
        edge.trail.length ? el("details", { open: both && edges.length === 1 }, el("summary", {}, `searched before: ${count(edge.trail.length, "place")}`), el("ol", {}, edge.trail.map((line) => el("li", { class: "mono" }, line)))) : "");
    }));
  }

  /// Opens what hides a node, and chooses it.
  show(node) {
    if (node.group) this.open.add(node.group);
    if (node.kind === "outside") $("graph-outside").checked = true;
    if (node.kind === "not-found") $("graph-guesses").checked = true;
    this.found = new Set([node.id]);
    this.draw();
    const unit = this.drawn.units.find((drawn) => drawn.node === node);
    if (unit) { this.choose(unit); unit.at.scrollIntoView({ block: "center", inline: "center" }); }
  }

  search() {
    const words = $("graph-search").value.toLowerCase();
    const found = words ? this.nodes.filter((node) => node.path.toLowerCase().includes(words)) : [];
    this.found = new Set(found.map((node) => node.id));
    if (!words) { this.draw(); return; }
    if (found.length <= 60) for (const node of found) if (node.group) this.open.add(node.group);
    const has = (kind) => found.length <= 60 && found.some((node) => node.kind === kind);
    if (has("outside")) $("graph-outside").checked = true;
    if (has("not-found")) $("graph-guesses").checked = true;
    this.chosen = null;
    this.draw();
    const hits = this.drawn.units.filter((unit) => unit.members.some((node) => this.found.has(node.id)));
    $("graph-count").textContent = `${count(found.length, "library", "libraries")} of that name`;
    if (!hits.length) return;
    this.picture.classList.add("focused");
    for (const unit of hits) unit.at.classList.add("near");
    hits[0].at.scrollIntoView({ block: "nearest", inline: "center" });
    const panel = $("graph-panel");
    panel.replaceChildren(el("h3", {}, count(found.length, "result")), el("ul", {}, found.slice(0, 100).map((node) => el("li", {}, this.jump(node)))));
  }
}
