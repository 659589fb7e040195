// The runs and the filter. The page's address keeps the selection.

const first = JSON.parse(byId("data").textContent);
let stamp = first.stamp; // the version of the page
let around = first.around; // what stands around the table
const runs = new Map(); // by number

function takeRuns({ columns, texts, rows, words }) {
  const isText = columns.map((name) => texts.includes(name));
  for (const row of rows) {
    const run = {};
    columns.forEach((name, i) => { run[name] = isText[i] ? words[row[i]] : row[i]; });
    run.tags = run.tags.map((tag) => words[tag]);
    runs.set(run.number, run);
  }
}

takeRuns(first.runs);
first.runs = null;

// The lineage hash of each data type that a run has: of the data made last.
function lineagesOf(run) {
  return run.hashes ??= byType(run.lineages);
}

// The same where earlier data are in use.
function inUse(run) {
  return run.used ??= byType(run.in_use);
}

function byType(text) {
  return new Map(text ? text.split(";").map((one) => one.split(" ")) : []);
}

// ---- The selection

const DEFAULTS = {
  q: "", number: "", mode: "", tag: "", status: "", health: "", from: "", until: "",
  sort: "-number", view: "list", run: "",
};
let chosen = { ...DEFAULTS };

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  chosen = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (said.has(name)) chosen[name] = said.get(name);
  if (!SORTS.has(chosen.sort.replace("-", ""))) chosen.sort = DEFAULTS.sort;
  if (chosen.view !== "matrix") chosen.view = DEFAULTS.view;
}

function writeAddress() {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(chosen)) if (value !== DEFAULTS[name]) said.set(name, value);
  const address = `#${said}`;
  if (address !== (location.hash || "#")) history.replaceState(history.state, "", address);
}

// ---- Filter

function numberRanges(text) {
  const ranges = [];
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(word);
    if (!match) return null;
    ranges.push([Number(match[1]), Number(match[2] ?? match[1])]);
  }
  return ranges;
}

function searched(run) {
  run.search ??= [
    runName(run.number), run.mode, ...run.tags, run.comments, run.status, run.quality, run.health,
    run.reason, run.failure, run.stage, run.host, run.source,
  ].join("\n").toLowerCase();
  return run.search;
}

function filtered() {
  const words = chosen.q.toLowerCase().split(/\s+/).filter(Boolean);
  const ranges = numberRanges(chosen.number) ?? [];
  const from = Date.parse(chosen.from) / 1000 || -Infinity;
  const until = Date.parse(chosen.until) / 1000 + 86400 || Infinity;
  const dated = from > -Infinity || until < Infinity;
  const statuses = chosen.status === "active" ? ["submitted", "running"]
    : [chosen.status === "none" ? "" : chosen.status];
  const found = [];
  for (const run of runs.values()) {
    if (chosen.mode && run.mode !== chosen.mode) continue;
    if (chosen.tag && !run.tags.includes(chosen.tag)) continue;
    if (chosen.status && !statuses.includes(run.status)) continue;
    if (chosen.health && run.health !== chosen.health) continue;
    if (dated && !(run.start !== null && run.start >= from && run.start < until)) continue;
    if (ranges.length && !ranges.some(([a, b]) => run.number >= a && run.number <= b)) continue;
    if (words.length && !words.every((word) => searched(run).includes(word))) continue;
    found.push(run);
  }
  return sorted(found);
}

const SORTS = new Map([
  ["number", "run"], ["start", "start"], ["length", "length"], ["size", "size"], ["mode", "mode"],
  ["status", "status"], ["quality", "quality"], ["health", "health"], ["changed", "last change"],
]);

function sorted(found) {
  const down = chosen.sort.startsWith("-");
  const name = chosen.sort.replace("-", "");
  const empty = (value) => value === null || value === "";
  return found.sort((a, b) => {
    const [one, other] = [a[name], b[name]];
    if (one === other) return b.number - a.number;
    if (empty(one) || empty(other)) return empty(one) ? 1 : -1; // always last
    return (one < other ? -1 : 1) * (down ? -1 : 1);
  });
}
