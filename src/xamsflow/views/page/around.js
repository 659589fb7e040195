// The content around the table: problems, runs in progress, rates and disks.

const drawnParts = new Map(); // id of a part -> what it shows

// Draw a part of the page, unless it already shows this.
function redraw(id, said, draw) {
  const text = JSON.stringify(said);
  if (drawnParts.get(id) === text) return;
  drawnParts.set(id, text);
  byId(id).replaceChildren(...[draw(said)].flat());
}

function drawAround() {
  redraw("tiles", around.tiles, (tiles) => tiles.map(drawTile));
  redraw("active", around.active, drawActive);
  byId("campaigns-part").hidden = !around.campaigns.length;
  redraw("campaigns", around.campaigns, (campaigns) => campaigns.map(drawCampaign));
  redraw("days", around.days, drawDays);
  redraw("latencies", around.latencies, drawLatencies);
  redraw("spaces", around.spaces, (spaces) => spaces.flatMap(drawSpace));
  byId("source").textContent = `from ${around.source}`;
  byId("trends").hidden = !around.trends;
  drawAges();
}

// What depends on the time of the reader.
function drawAges() {
  byId("made").dateTime = around.made;
  byId("made").textContent = `${time(Date.parse(around.made) / 1000)} UTC`;
  byId("ago").textContent = ago(around.made);
  const { watch } = around;
  byId("watch").hidden = !watch;
  let silent = false;
  if (watch) {
    const longest = watch.told ? watch.silent_s : Math.max(PAGE_SILENT_S, watch.silent_s);
    silent = watch.died || Date.now() - new Date(watch.look) > 1000 * longest;
    byId("watch").className = silent ? "bad" : "soft";
    byId("watch-text").textContent = `watch on ${watch.host}${watch.died ? " has died" : ""}, last query ${time(Date.parse(watch.look) / 1000)} UTC ${ago(watch.look)}`;
  }
  const problems = silent ? [watchProblem(watch), ...around.wrong] : around.wrong;
  redraw("wrong", problems, drawWrong);
  document.title = `${problems.length ? `(${problems.length}) ` : ""}${around.detector}: runs`;
}

const PAGE_SILENT_S = 600; // how old a page may be that nothing keeps up to date

function watchProblem(watch) {
  return {
    what: watch.died ? "xamsflow watch has died: no new runs are processed" : "xamsflow watch is not responding, or this page is out of date",
    about: `on ${watch.host}, last query ${time(Date.parse(watch.look) / 1000)} UTC`,
    runs: [], n_runs: 0, find: {}, command: watch.died ? "xamsflow watch" : "xamsflow doctor", soft: false,
  };
}

function drawWrong(problems) {
  if (!problems.length) return element("p", { class: "good" }, "None.");
  return element("ul", {}, ...problems.map((problem) =>
    element("li", { class: problem.soft ? "card soft-problem" : "card problem" },
      element("strong", {}, problem.what),
      problem.about ? element("p", { class: "soft" }, problem.about) : null,
      element("p", { class: "acts" },
        ...problem.runs.map(runButton),
        problem.n_runs > problem.runs.length || problem.n_runs > 1
          ? element("button", { type: "button", onclick: () => find(problem.find) }, `Show all ${problem.n_runs}`) : null,
        commandLine(problem.command)))));
}

// Show the runs that match a filter.
function find(filter) {
  choose({ ...DEFAULTS, view: chosen.view, ...filter });
  byId("table-title").scrollIntoView();
  byId("table-title").focus({ preventScroll: true });
}

function drawTile({ number, what, about, how, status }) {
  return element("button", { type: "button", class: "card tile", onclick: () => find({ status }) },
    element("b", { class: how }, String(number)), element("span", {}, what), element("small", {}, about));
}

function drawActive(active) {
  if (!active.length) return element("p", { class: "soft" }, "Nothing.");
  const titles = ["run", "mode", "stage", "progress", "node", "last heartbeat (UTC)"];
  return element("table", { class: "cards" },
    element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)))),
    element("tbody", {}, ...active.map((run) => element("tr", {},
      cell("th", "", runButton(run.number), { scope: "row" }),
      cell("td", "mode", run.mode),
      cell("td", "stage", run.stage),
      cell("td", "", [
        run.percent === null ? "" : element("progress", { max: 100, value: run.percent, "aria-label": `Progress of run ${runName(run.number)}` }),
        element("div", {}, run.progress)]),
      cell("td", "node", run.job ? [run.node, " ", element("span", { class: "soft" }, `job ${run.job}`)] : run.node),
      cell("td", "last heartbeat", run.sign ? time(Date.parse(run.sign) / 1000) : "", { class: "short" })))));
}

function drawCampaign({ name, reason, phase, percent, progress, counts, pace, failures }) {
  return element("div", { class: "card" },
    element("strong", {}, name), ` ${phase}${reason ? `: ${reason}` : ""}`,
    element("div", {},
      element("progress", { max: 100, value: percent, "aria-label": `Progress of the campaign ${name}` }), ` ${progress}`),
    element("small", {}, counts), element("small", {}, pace),
    ...failures.map(({ what, runs }) => element("div", {},
      element("span", { class: "bad" }, what), " ",
      element("button", { type: "button", onclick: () => find({ number: runs.join(" ") }) }, "Show the runs"))),
    commandLine(`xamsflow campaign show ${name}`));
}

function drawDays(days) {
  return [["Runs done per day", 1, days.most_runs], ["Live data processed per day", 2, days.most_bytes]].map(
    ([title, which, most]) => element("figure", { class: "card" },
      element("figcaption", {}, title),
      element("div", { class: "days", role: "img", "aria-label": `${title}: at most ${most}. ${days.each.map(([text]) => text).join("; ")}` },
        ...days.each.map((day) => {
          const bar = element("div", { title: day[0] });
          bar.style.height = `${day[which]}%`;
          return bar;
        })),
      element("div", { class: "axis" }, element("span", {}, days.first), element("span", {}, `maximum ${most}`), element("span", {}, "today"))));
}

function drawLatencies(latencies) {
  if (!latencies.length) return element("small", {}, "no run was transferred within a day of its end");
  const titles = ["step", "median", "90 %", "runs"];
  return [
    element("table", {},
      element("thead", {}, element("tr", {}, ...titles.map((title, i) => element("th", { scope: "col", class: i ? "number" : null }, title)))),
      element("tbody", {}, ...latencies.map((row) => element("tr", {}, ...row.map((value, i) =>
        cell(i ? "td" : "th", "", String(value), i ? { class: "number" } : { scope: "row" })))))),
    element("small", {}, "the time within which half of the runs, or 90 %, completed each step; based on the receipts of the newest runs that were transferred within a day of their end"),
  ];
}

function drawSpace({ text, path, percent, full }) {
  const bar = element("div", { class: full ? "full" : null });
  bar.style.width = `${percent}%`;
  return [element("div", { class: "disk", title: `${percent} % used` }, bar), text, element("small", {}, path)];
}
