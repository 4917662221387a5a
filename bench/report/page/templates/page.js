"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const every = (selector, root = document) => [...root.querySelectorAll(selector)];
  const page = JSON.parse(byId("page-data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const printing = window.matchMedia("print");
  const state = { ...page.chosen, hidden: [] };
  const views = new Map(); // by the name of the chart
  let opened = null; // the cell whose rounds are shown

  // What is on the page as columns, as records.
  const records = Object.fromEntries(
    Object.entries(page.datasets).map(([name, columns]) => {
      const keys = Object.keys(columns);
      const count = keys.length ? columns[keys[0]].length : 0;
      const record = (_, at) => Object.fromEntries(keys.map((key) => [key, columns[key][at]]));
      return [name, Array.from({ length: count }, record)];
    }),
  );

  // ---- The address: what was chosen, and the cell ----

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const select of every("select")) {
      const option = [...select.options].find((known) => known.value === given.get(select.name));
      if (option) select.value = option.value;
      state[select.name] = valueOf(select);
    }
    if (given.has("hidden")) state.hidden = given.get("hidden").split(",").filter((impl) => page.impls.includes(impl));
    return given.get("cell");
  }

  function writeAddress() {
    const known = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) {
      if (name !== "hidden" && value !== page.chosen[name]) known.set(name, value);
    }
    if (state.hidden.length) known.set("hidden", state.hidden.join(","));
    if (opened) known.set("cell", opened);
    const text = known.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  const valueOf = (select) =>
    typeof page.chosen[select.name] === "number" ? Number(select.value) : select.value;

  // ---- Charts ----

  async function draw(box, name, values) {
    const spec = { ...page.specs[name] };
    const data = values ?? records[spec.data.name];
    spec.data = { name: spec.data.name, values: data };
    spec.params = (spec.params ?? []).map((known) => ({ ...known, value: state[known.name] }));
    const config = dark.matches && !printing.matches ? page.themes.dark : page.themes.light;
    const { view } = await vegaEmbed(box, spec, { config, actions: false, renderer: "svg", tooltip: { theme: dark.matches ? "dark" : "light" } });
    views.get(name)?.finalize();
    views.set(name, view);
    view.addEventListener("click", (_, item) => {
      const cell = item?.datum?.cell;
      if (cell && name !== "rounds") open(cell);
    });
    tellEmpty(box, view);
  }

  function tellEmpty(box, view) {
    const note = box.parentElement.querySelector(".empty");
    if (note) note.hidden = box.querySelector(".role-mark path, .role-mark text") !== null;
    const svg = box.querySelector("svg");
    if (svg) svg.setAttribute("aria-label", view.description());
  }

  async function drawAll() {
    for (const box of every("main .chart")) await draw(box, box.dataset.chart);
    if (opened) await showRounds(opened);
    document.documentElement.dataset.ready = "yes"; // for who waits until all is drawn
  }

  async function update() {
    for (const box of every("main .chart")) {
      const view = views.get(box.dataset.chart);
      const names = (page.specs[box.dataset.chart].params ?? []).map((known) => known.name);
      for (const name of names) view?.signal(name, state[name]);
      if (view && names.length) {
        await view.runAsync();
        tellEmpty(box, view);
      }
    }
  }

  function showKeys() {
    for (const key of every(".key")) key.setAttribute("aria-pressed", String(!state.hidden.includes(key.dataset.impl)));
  }

  // ---- The rounds of a cell ----

  let unpacked = null;

  async function rounds() {
    if (!unpacked) {
      const bytes = Uint8Array.from(atob(byId("rounds-data").textContent), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked = JSON.parse(await new Response(stream).text());
    }
    return unpacked;
  }

  const SCALES = [[1, "s"], [1e-3, "ms"], [1e-6, "us"], [1e-9, "ns"]];

  function seconds(value) {
    const [scale, unit] = SCALES.find(([least]) => value >= least) ?? SCALES[3];
    return `${Number((value / scale).toPrecision(4))} ${unit}`;
  }

  function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  async function open(cell) {
    const known = (await rounds())[cell];
    if (!known) return close();
    opened = cell;
    writeAddress();
    if (!byId("cell").open) byId("cell").showModal();
    await showRounds(cell);
  }

  async function showRounds(cell) {
    const processes = (await rounds())[cell];
    const all = JSON.parse(byId("rounds-data").dataset.all);
    byId("cell-title").textContent = cell;
    byId("cell-text").textContent = all
      ? "Every round of the cell: seconds of one call, five digits."
      : "21 quantiles of the rounds of each process, from the least to the most; all rounds are in rows.jsonl.";
    const body = document.querySelector("#rounds-table tbody");
    body.replaceChildren(
      ...processes.map(([process, count, ...times]) =>
        row([String(process), String(count), ...[median(times), Math.min(...times), Math.max(...times)].map(seconds)]),
      ),
    );
    byId("rounds-list").textContent = processes.map(([process, , ...times]) => `process ${process}: ${times.join(" ")}`).join("\n");
    const points = processes.flatMap(([process, , ...times]) => times.map((time) => ({ process: String(process), seconds: time })));
    await draw(byId("cell").querySelector(".chart"), "rounds", points.map((point, at) => ({ ...point, round: at + 1 })));
  }

  function row(texts) {
    const line = document.createElement("tr");
    line.replaceChildren(
      ...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text, className: "figure" })),
    );
    return line;
  }

  function close() {
    opened = null;
    byId("cell").close();
    writeAddress();
  }

  // ---- Tables: sorted, filtered, copied ----

  const sortedBy = (field) => (field.dataset.value === undefined ? field.textContent : Number(field.dataset.value || NaN));

  function compare(first, second) {
    if (typeof first === "string" || typeof second === "string") return String(first).localeCompare(String(second));
    return Number.isNaN(first) - Number.isNaN(second) || first - second;
  }

  function sort(table, column) {
    const heads = every("thead th", table);
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const lines = [...table.tBodies[0].rows].map((line) => [sortedBy(line.cells[column]), line]);
    lines.sort(([first], [second]) => (down ? compare(second, first) : compare(first, second)));
    table.tBodies[0].append(...lines.map(([, line]) => line));
  }

  function filter(table, text, count) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of table.tBodies[0].rows) {
      const known = line.textContent.toLowerCase();
      line.hidden = !words.every((word) => known.includes(word));
      shown += !line.hidden;
    }
    count.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
  }

  const texts = (table) =>
    every("tr", table).filter((line) => !line.hidden).map((line) => [...line.cells].map((field) => field.textContent.trim()));

  function markdown(table) {
    const [head, ...lines] = texts(table).map((line) => `| ${line.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`);
    return [head, `|${" --- |".repeat(table.tHead.rows[0].cells.length)}`, ...lines].join("\n");
  }

  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = (table) => texts(table).map((line) => line.map(quoted).join(",")).join("\n");

  async function copy(button, text) {
    const name = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser does not allow it";
    }
    setTimeout(() => (button.textContent = name), 2000);
  }

  const button = (text, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.addEventListener("click", () => act(made));
    return made;
  };

  function equip(table) {
    const tools = Object.assign(document.createElement("div"), { className: "tools" });
    const count = Object.assign(document.createElement("span"), { role: "status" });
    const search = Object.assign(document.createElement("input"), { type: "search", autocomplete: "off" });
    const label = Object.assign(document.createElement("label"), { textContent: "Rows with " });
    label.append(search);
    search.addEventListener("input", () => filter(table, search.value, count));
    tools.append(label, button("Copy as Markdown", (b) => copy(b, markdown(table))), button("Copy as CSV", (b) => copy(b, csv(table))), count);
    table.closest(".scroll").before(tools);
    every("thead th", table).forEach((head, column) => {
      const name = head.textContent;
      head.replaceChildren(button(name, () => sort(table, column)));
    });
    filter(table, "", count);
  }

  // ---- Start ----

  for (const part of every(".needs-script")) part.hidden = false;
  every("main table").filter((table) => table.tHead).forEach(equip);
  for (const select of every("select")) {
    select.addEventListener("change", () => {
      state[select.name] = valueOf(select);
      writeAddress();
      update();
    });
  }
  for (const key of every(".key")) {
    key.addEventListener("click", () => {
      const impl = key.dataset.impl;
      state.hidden = state.hidden.includes(impl) ? state.hidden.filter((known) => known !== impl) : [...state.hidden, impl];
      showKeys();
      writeAddress();
      update();
    });
  }
  for (const save of every(".save")) {
    save.addEventListener("click", async () => {
      const view = views.get(save.dataset.chart);
      const address = URL.createObjectURL(new Blob([await view.toSVG()], { type: "image/svg+xml" }));
      Object.assign(document.createElement("a"), { href: address, download: `${save.dataset.chart}.svg` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    });
  }
  byId("cell").addEventListener("close", () => {
    if (opened) close();
  });
  window.addEventListener("hashchange", () => {
    const cell = readAddress();
    showKeys();
    update();
    if (cell) open(cell);
  });
  const folded = new Set();
  window.addEventListener("beforeprint", () => {
    for (const part of every("main details:not([open])")) {
      folded.add(part);
      part.open = true;
    }
  });
  window.addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
    folded.clear();
  });
  dark.addEventListener("change", drawAll);
  printing.addEventListener("change", drawAll);

  const asked = readAddress();
  showKeys();
  drawAll().then(() => asked && open(asked));
})();
