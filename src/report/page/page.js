"use strict";
// The page's data is text of other people's files: it only ever becomes text nodes.
const $ = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== undefined && child !== null && child !== "") node.append(child);
  return node;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function bytes(n) {
  if (n < 1024) return `${n} B`;
  let unit = -1;
  do { n /= 1024; unit += 1; } while (n >= 1023.95 && unit < 5);
  return `${n.toFixed(1)} ${["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][unit]}`;
}

const count = (n, one, many) => `${n} ${n === 1 ? one : many || one + "s"}`;
const base = (path) => path.slice(path.lastIndexOf("/") + 1);
const parent = (path) => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".");

/// A path that may be broken behind its slashes.
function pathText(path) {
  return el("code", {}, path.split(/(?<=[\/:])/).flatMap((part, at) => (at ? [document.createElement("wbr"), part] : [part])));
}

/// Commands in a line of advice are between backticks.
function ticks(line) {
  return line.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

/// Rows of a long list, a page at a time.
function paged(list, size, render, into) {
  into.replaceChildren();
  let at = 0;
  const more = el("button", { type: "button" });
  const next = () => {
    const rows = list.slice(at, at + size).map(render);
    at += rows.length;
    into.append(...rows);
    more.remove();
    if (at < list.length) {
      more.textContent = `Show ${Math.min(size, list.length - at)} more of ${list.length}`;
      (into.tagName === "TBODY" ? into.closest(".scroll") : into).after(more);
    }
    return rows[0];
  };
  more.addEventListener("click", () => {
    const first = next();
    if (first) { first.tabIndex = -1; first.focus(); }
  });
  const old = (into.tagName === "TBODY" ? into.closest(".scroll") : into).nextElementSibling;
  if (old && old.tagName === "BUTTON") old.remove();
  next();
}

async function read() {
  const text = $("data").textContent;
  if ($("data").dataset.form !== "gzip") return JSON.parse(text);
  if (typeof DecompressionStream === "undefined") throw new Error("this browser can't decompress the data: use a newer one");
  const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/// Draws a section when it comes near the window.
function lazily(id, draw) {
  const section = $(id);
  if (!section) return;
  const watch = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { watch.disconnect(); draw(); }
  }, { rootMargin: "400px" });
  watch.observe(section);
}

function theme() {
  const button = $("theme");
  const names = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const show = (value) => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
    button.textContent = names[value];
  };
  button.hidden = false;
  show("");
  button.addEventListener("click", () => {
    const order = ["", "light", "dark"];
    show(order[(order.indexOf(document.documentElement.dataset.theme || "") + 1) % 3]);
  });
}

// ---- findings

function findings(data) {
  const text = $("findings-search"), rule = $("findings-rule"), list = $("findings-list"), shown = $("findings-count");
  const severities = ["error", "warning", "note"];
  const boxes = severities.map((word) => $("show-" + word));
  const codes = [...new Set(data.findings.map((f) => f.c))].sort();
  rule.append(...codes.map((code) => el("option", { value: code }, code)));
  const update = () => {
    const words = text.value.toLowerCase();
    const wanted = data.findings.filter((f) =>
      boxes[severities.indexOf(f.s)].checked && (!rule.value || rule.value === f.c) &&
      (!words || `${f.c} ${f.m} ${f.p.join(" ")}`.toLowerCase().includes(words)));
    const files = (list) => list.reduce((sum, f) => sum + f.p.length, 0);
    shown.textContent = `${files(wanted)} of ${files(data.findings)} shown`;
    const groups = new Map();
    for (const f of wanted) groups.set(f.s + f.c, [...(groups.get(f.s + f.c) || []), f]);
    const open = words || rule.value || groups.size === 1;
    list.replaceChildren(...[...groups.values()].map((group) => ofRule(group, files(group), open)));
    if (!groups.size) list.append(el("li", { class: "fine" }, data.findings.length ? "Nothing of that kind." : "Nothing found."));
  };
  const ofRule = (group, number, open) => {
    const { s, c } = group[0], known = data.rules[c] || "", inner = el("ul", { class: "plain" });
    const details = el("details", { class: "finding " + s, open },
      el("summary", {}, el("span", { class: "badge " + s }, s), " ", el("strong", {}, c), " ", el("span", { class: "dim" }, `${number} × ${known.split("\n")[0]}`)),
      known ? el("details", { class: "about" }, el("summary", {}, "About this rule"), el("pre", {}, known)) : "", inner);
    const fill = () => { if (!inner.childElementCount) paged(group, 50, one, inner); };
    details.addEventListener("toggle", fill);
    if (open) fill();
    return el("li", {}, details);
  };
  const one = (f) => {
    const files = f.p.length === 1 ? pathText(f.p[0])
      : el("details", {}, el("summary", {}, count(f.p.length, "file")), el("ul", {}, f.p.map((path) => el("li", {}, pathText(path)))));
    return el("li", { class: "one" }, el("div", {}, f.m), files, f.a.map((line) => el("div", { class: "dim" }, ticks(line))));
  };
  for (const input of [text, rule, ...boxes]) input.addEventListener("input", update);
  update();
}

// ---- device code

function deviceCode(data) {
  const files = data.files.filter((file) => Object.keys(file.a).length);
  const columns = data.archs, dropped = new Set(), head = $("heat-head"), body = $("heat-body"), foot = $("heat-foot");
  const total = (column) => files.reduce((sum, file) => sum + (file.a[column] || 0), 0);
  const totals = columns.map((column) => total(column.k));
  const all = totals.reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...files.flatMap((file) => Object.values(file.a)));
  let key = null, search = "";
  const sum = (file) => Object.values(file.a).reduce((a, b) => a + b, 0);
  const first = (at) => (at > 0 && columns[at - 1].g !== columns[at].g ? " first" : "");
  const heads = columns.map((column, at) => {
    const box = el("input", { type: "checkbox", checked: true, "aria-label": `keep ${column.n} ${column.g}` });
    box.addEventListener("change", () => {
      if (box.checked) dropped.delete(column.k); else dropped.add(column.k);
      update();
    });
    const sort = el("button", { type: "button", class: "sort", title: "Sort by this column" }, column.n);
    sort.addEventListener("click", () => { key = key === column.k ? null : column.k; update(); });
    return el("th", { scope: "col", class: "num" + first(at) }, sort, el("br"), el("label", { class: "dim" }, box, " ", column.g));
  });
  head.append(el("tr", {}, el("th", { scope: "col", class: "file" }, "File"), el("th", { scope: "col", class: "num" }, "All"), heads));
  const cell = (n, column, at) => {
    const strength = n ? 0.12 + 0.6 * Math.log(1 + n) / Math.log(1 + most) * (n / most) ** 0.25 : 0;
    const td = el("td", { class: "cell" + first(at) + (dropped.has(column.k) ? " off" : "") }, n ? bytes(n) : "");
    if (n) td.style.background = `rgba(var(--heat), ${strength.toFixed(3)})`;
    return td;
  };
  const row = (file) => el("tr", {}, el("th", { scope: "row", class: "file" }, pathText(file.p)),
    el("td", { class: "num" }, bytes(sum(file))), columns.map((column, at) => cell(file.a[column.k] || 0, column, at)));
  const update = () => {
    const order = files.filter((file) => file.p.toLowerCase().includes(search))
      .sort((a, b) => (key ? (b.a[key] || 0) - (a.a[key] || 0) : sum(b) - sum(a)) || (a.p < b.p ? -1 : 1));
    heads.forEach((th, at) => {
      if (columns[at].k === key) th.setAttribute("aria-sort", "descending"); else th.removeAttribute("aria-sort");
    });
    paged(order, 60, row, body);
    foot.replaceChildren(el("tr", {}, el("th", { scope: "row", class: "file" }, `All ${count(files.length, "file")}`), el("td", { class: "num" }, bytes(all)),
      columns.map((column, at) => el("td", { class: "num" + first(at) + (dropped.has(column.k) ? " off" : "") }, bytes(totals[at]), el("br"), el("small", { class: "dim" }, `${(100 * totals[at] / Math.max(1, all)).toFixed(1)} %`)))));
    const saved = columns.reduce((sum, column, at) => sum + (dropped.has(column.k) ? totals[at] : 0), 0);
    const names = columns.filter((column) => dropped.has(column.k)).map((column) => column.n).join(", ");
    $("heat-saving").textContent = dropped.size ? `Without ${names}: ${bytes(saved)} less, ${(100 * saved / Math.max(1, all)).toFixed(1)} % of all device code`
      : "Untick an architecture to see how much dropping it would save.";
  };
  $("heat-search").addEventListener("input", (event) => { search = event.target.value.toLowerCase(); update(); });
  update();
}

// ---- RUNPATHs

function runpaths(data) {
  const groups = new Map();
  data.files.forEach((file) => file.r.forEach((entry) => {
    const name = JSON.stringify([entry.t, entry.e, entry.m]);
    if (!groups.has(name)) groups.set(name, { ...entry, files: [], gives: new Set(), opens: new Set(), idle: 0 });
    const group = groups.get(name);
    group.files.push(file.p);
    entry.p.forEach((lib) => group.gives.add(lib));
    entry.o.forEach((lib) => group.opens.add(lib));
    if (!entry.p.length && !entry.o.length) group.idle += 1;
  }));
  const list = [...groups.values()].sort((a, b) => b.files.length - a.files.length || (a.e < b.e ? -1 : 1));
  const names = (set) => {
    const all = [...set].sort();
    return all.length <= 6 ? all.join(", ") : el("details", {}, el("summary", {}, `${all.slice(0, 4).join(", ")} and ${all.length - 4} more`), all.join(", "));
  };
  const row = (group) => el("tr", {},
    el("td", {}, el("span", { class: "dim" }, group.t), " ", pathText(group.e || "(empty)"),
      group.d && group.d !== group.e && group.files.length === 1 ? el("div", { class: "dim mono" }, group.d) : ""),
    el("td", {}, group.w ? el("div", {}, group.w) : "",
      group.gives.size ? el("div", {}, "finds ", names(group.gives)) : "",
      group.opens.size ? el("div", {}, "for dlopen: ", names(group.opens)) : "",
      !group.gives.size && !group.opens.size ? el("span", { class: "dim" }, "finds nothing") : ""),
    el("td", {}, group.m.map((mark) => [el("span", { class: "badge warning" }, mark), " "])),
    el("td", {}, el("details", {}, el("summary", {}, count(group.files.length, "file") + (group.idle && group.idle < group.files.length ? `, of no use to ${group.idle}` : "")),
      el("ul", {}, group.files.map((path) => el("li", {}, pathText(path)))))));
  const update = () => {
    const words = $("runpaths-search").value.toLowerCase(), faults = $("runpaths-faults").checked;
    const wanted = list.filter((group) => (!faults || group.m.length) && (!words || [group.e, ...group.gives, ...group.opens, ...group.files].join("\n").toLowerCase().includes(words)));
    paged(wanted, 100, row, $("runpaths-body"));
  };
  $("runpaths-search").addEventListener("input", update);
  $("runpaths-faults").addEventListener("input", update);
  update();
}

// ---- files

function filesTable(data) {
  const row = (file) => el("tr", {},
    el("th", { scope: "row" }, pathText(file.p)),
    el("td", {}, file.k), el("td", {}, file.m), el("td", { class: "num" }, bytes(file.s)),
    el("td", {}, el("code", {}, file.n || "")), el("td", {}, file.c || ""),
    el("td", {}, el("span", { class: file.v === "loads" ? "fine" : file.v === "unknown" ? "warning" : "error" }, file.v)));
  const update = () => {
    const words = $("files-search").value.toLowerCase();
    const wanted = data.files.filter((file) => !words || `${file.p} ${file.n || ""} ${file.c || ""} ${file.v}`.toLowerCase().includes(words));
    $("files-count").textContent = `${wanted.length} of ${data.files.length} shown`;
    paged(wanted, 100, row, $("files-body"));
  };
  $("files-search").addEventListener("input", update);
  update();
}
