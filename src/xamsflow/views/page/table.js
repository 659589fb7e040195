// The table of runs: a list, or the data types that each run has.

const AT_ONCE = 100; // rows that are added at a time
const form = byId("filter");
let listed = []; // the runs that the filter lets through, in order
let most = AT_ONCE; // rows that are drawn
let drawn = new Map(); // run number -> { run, row }: rows that can stay
let drawnView = "";

// ---- Rows

const LIST = [
  ["number", "run"], ["start", "start (UTC)"], ["mode", "mode"], ["length", "length"], ["size", "size"],
  ["status", "status"], ["quality", "quality"], ["health", "health"], ["", "tags"], ["", "remark"],
];
const NUMBERS = ["length", "size"];

function listRow(run) {
  const remark = run.status === "failed" ? run.reason || "no reason given" : run.comments;
  const where = run.status === "running" ? [run.stage, run.host].filter(Boolean).join(" on ") : "";
  return element("tr", {},
    cell("th", "", runButton(run.number), { scope: "row" }),
    cell("td", "start", time(run.start), { class: "short" }),
    cell("td", "mode", run.mode),
    cell("td", "length", duration(run.length), { class: "number" }),
    cell("td", "size", size(run.size) + (run.source && run.source !== "daq" ? ` from ${run.source}` : ""), { class: "number" }),
    cell("td", "status", run.status ? verdict(run.status) : "", { class: "short" }),
    cell("td", "quality", run.quality ? verdict(run.quality) : "", { class: "short" }),
    cell("td", "health", run.health ? verdict(run.health) : "", { class: "short" }),
    cell("td", "tags", run.tags.join(", ")),
    cell("td", "", [where, remark].filter(Boolean).join(": "), { class: "remark" }));
}

function matrixRow(run) {
  return element("tr", {},
    cell("th", "", runButton(run.number), { scope: "row" }),
    cell("td", "", run.mode),
    cell("td", "", run.status ? verdict(run.status) : "", { class: "short" }),
    ...dataTypes().map((type) => lineageCell(run, type, lineagesOf(run).get(type))));
}

// Whether data have the lineage that the settings give for this run, or how long they are outdated:
// since the first data with that lineage were made. Without a verdict, the lineage.
function lineageCell(run, type, hash) {
  if (hash === undefined) return element("td", { class: "none" }, element("span", { class: "hidden" }, "none"));
  const kept = inUse(run).get(type);
  if (kept) return element("td", { class: "older", title: `${type} ${kept} is in use, ${hash} is not yet: xamsflow lineage ${run.number}` },
    "earlier", element("span", { class: "hidden" }, " data in use"));
  const madeFirst = (lineage) => around.lineages[type]?.find(([one]) => one === lineage)?.[1];
  const made = madeFirst(hash);
  const said = `${type} ${hash}${made ? `, first made ${time(made)} UTC` : ""}`;
  const current = around.current[type]?.findLast(([first]) => first <= run.number)?.[1];
  if (!current) return element("td", { title: said }, hash);
  if (hash === current) return element("td", { class: "current", title: said }, "current");
  const since = madeFirst(current);
  if (!since) return element("td", { class: "older", title: `${said}; ${current} not computed yet` }, "outdated");
  return element("td", { class: "old", title: `${said}; ${current} since ${time(since)} UTC` },
    age(since), element("span", { class: "hidden" }, " outdated"));
}

function dataTypes() {
  return Object.keys(around.lineages);
}

function heading(name, title) {
  if (!name) return element("th", { scope: "col" }, title);
  const down = chosen.sort === `-${name}`;
  const is = down || chosen.sort === name;
  const next = is && !down ? `-${name}` : is ? name : NUMBERS.concat("number", "start").includes(name) ? `-${name}` : name;
  return element("th", {
    scope: "col", class: NUMBERS.includes(name) ? "number" : null,
    "aria-sort": is ? (down ? "descending" : "ascending") : null,
  }, element("button", { type: "button", "data-sort": name, onclick: () => choose({ sort: next }) },
    title, is ? (down ? " ▾" : " ▴") : ""));
}

function drawHeadings() {
  const focused = document.activeElement?.dataset?.sort;
  const headings = chosen.view === "matrix"
    ? [["number", "run"], ["mode", "mode"], ["status", "status"]].map((one) => heading(...one))
      .concat(dataTypes().map((type) => element("th", { scope: "col" }, ...broken(type))))
    : LIST.map((one) => heading(...one));
  byId("headings").replaceChildren(...headings);
  if (focused) byId("headings").querySelector(`[data-sort="${focused}"]`)?.focus();
}

// A name that may be broken into lines at its underscores.
function broken(name) {
  return name.split("_").flatMap((part, i) => (i ? ["_", element("wbr"), part] : [part]));
}

// Draw the selection. Rows of runs that have not changed stay as they are, and keep the focus.
function drawTable() {
  listed = filtered();
  const body = byId("runs");
  const view = chosen.view === "matrix" ? JSON.stringify([around.lineages, around.current]) : chosen.view;
  if (view !== drawnView) drawn = new Map();
  drawnView = view;
  byId("table").classList.toggle("matrix", chosen.view === "matrix");
  drawHeadings();
  const focused = body.contains(document.activeElement) ? document.activeElement.dataset.run : undefined;
  const wanted = listed.slice(0, most).map((run) => {
    const before = drawn.get(run.number);
    return before?.run === run ? before : { run, row: chosen.view === "matrix" ? matrixRow(run) : listRow(run) };
  });
  const staying = new Set(wanted.map(({ row }) => row));
  for (const row of [...body.children]) if (!staying.has(row)) row.remove();
  wanted.forEach(({ row }, i) => {
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
  });
  drawn = new Map(wanted.map((one) => [one.run.number, one]));
  if (focused && !body.contains(document.activeElement)) body.querySelector(`[data-run="${focused}"]`)?.focus();
  const left = listed.length - wanted.length;
  byId("more").hidden = left === 0;
  byId("more").textContent = `Show ${Math.min(AT_ONCE, left)} more of ${left}`;
  byId("none").hidden = listed.length > 0;
  byId("none").textContent = runs.size ? "No run matches the filter." : "No runs yet.";
  const beyond = around.n_runs > runs.size ? `; older ones: xamsflow status` : "";
  const count = `${listed.length} of ${around.n_runs} runs${beyond}`;
  if (byId("count").textContent !== count) byId("count").textContent = count;
  byId("legend").hidden = chosen.view !== "matrix";
}

// ---- The filter

function options(select, words) {
  const wanted = ["", ...words];
  if (select.value) wanted.push(select.value);
  if (chosen[select.name]) wanted.push(chosen[select.name]);
  const values = [...new Set(wanted)];
  const before = [...select.options].map((one) => one.value);
  if (values.length === before.length && values.every((value, i) => value === before[i])) return;
  select.replaceChildren(...values.map((value) =>
    element("option", { value }, value === "" ? "all" : value === "active" ? "in progress" : value)));
}

function drawFilter() {
  const modes = new Set(), tags = new Set(), statuses = new Set(), verdicts = new Set();
  for (const run of runs.values()) {
    if (run.mode) modes.add(run.mode);
    for (const tag of run.tags) tags.add(tag);
    statuses.add(run.status || "none");
    if (run.health) verdicts.add(run.health);
  }
  options(form.elements.mode, [...modes].sort());
  options(form.elements.tag, [...tags].sort());
  options(form.elements.status, ["active", ...[...statuses].sort()]);
  options(form.elements.health, [...verdicts].sort());
  if (!form.elements.sort.options.length) form.elements.sort.append(
    ...[...SORTS].flatMap(([name, title]) => [
      element("option", { value: `-${name}` }, `${title}, descending`),
      element("option", { value: name }, `${title}, ascending`),
    ]));
  for (const field of form.elements)
    if (field.name && field.type !== "radio" && document.activeElement !== field) field.value = chosen[field.name];
  for (const field of form.elements.view) field.checked = field.value === chosen.view;
  const wrong = numberRanges(chosen.number) === null;
  form.elements.number.setAttribute("aria-invalid", wrong);
}

function choose(changes) {
  Object.assign(chosen, changes);
  most = AT_ONCE;
  writeAddress();
  drawFilter();
  drawTable();
}

form.addEventListener("input", (event) => choose({ [event.target.name]: event.target.value }));
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  choose({ ...DEFAULTS, view: chosen.view });
});
byId("more").addEventListener("click", () => {
  const next = listed[most];
  most += AT_ONCE;
  drawTable();
  if (next) byId("runs").querySelector(`[data-run="${next.number}"]`)?.focus({ preventScroll: true });
});
