// One run, opened: what the table says, and the details that are loaded now.

const dialog = byId("opened");
let detailsText = ""; // what is shown now

const xamsflow = {}; // what loaded scripts call

function openRun(number) {
  chosen.run = String(number);
  writeAddress();
  showRun();
}

// Show the run that the address names.
function showRun() {
  const run = /^\d{1,6}$/.test(chosen.run) ? runs.get(Number(chosen.run)) : undefined;
  if (chosen.run && !run) byId("notes").replaceChildren(
    element("p", { class: "note" }, `Run ${chosen.run} is not on this page. Try xamsflow show.`));
  if (!run) {
    if (dialog.open) dialog.close();
    return;
  }
  detailsText = "";
  byId("details").replaceChildren(element("p", { class: "soft" }, "Loading the details …"));
  drawHead(run);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  loadDetails();
}

async function loadDetails() {
  const name = runName(chosen.run);
  if (!(await load(`${name}.js`)) && dialog.open && !detailsText && runName(chosen.run) === name)
    byId("details").replaceChildren(element("p", { class: "soft" },
      "The details of this run have not been written yet. Until then: ", commandLine(`xamsflow show ${chosen.run}`)));
}

xamsflow.details = (text) => {
  if (text === detailsText || !dialog.open) return;
  const said = JSON.parse(text);
  if (said.run !== Number(chosen.run)) return; // of a run that was opened before
  const before = dialog.scrollTop;
  detailsText = text;
  byId("details").replaceChildren(
    ...said.pages.map(([what, address]) => element("p", {}, element("a", { href: address }, what))),
    ...said.sections.map(drawSection),
  );
  dialog.scrollTop = before;
};

function drawHead(run) {
  const name = runName(run.number);
  byId("opened-title").textContent = `Run ${name}`;
  const facts = [
    ["mode", run.mode], ["tags", run.tags.join(", ")], ["start", run.start === null ? "" : `${time(run.start)} UTC`],
    ["length", duration(run.length)], ["size", size(run.size)], ["live data from", run.source], ["quality", run.quality && verdict(run.quality)],
    ["health", run.health && verdict(run.health)], ["status", verdict(run.status || "not requested")],
    ["stage", run.stage], ["why", [run.reason, run.failure].filter(Boolean).join(" · ")],
    ["since", run.changed === null ? "" : `${time(run.changed)} UTC`],
    ["next try", run.retry === null ? "" : `${time(run.retry)} UTC`], ["comments", run.comments],
    ["in use", inUse(run).size && `earlier data: ${[...inUse(run).keys()].join(", ")}`],
  ];
  byId("opened-facts").replaceChildren(drawPairs(facts.filter(([, value]) => value)));
  byId("opened-commands").replaceChildren(
    ...nextCommands(run).map(([what, command]) => element("li", {}, `${what}: `, commandLine(command))));
  const at = listed.indexOf(run);
  byId("opened-newer").disabled = at < 1;
  byId("opened-older").disabled = at < 0 || at === listed.length - 1;
  const picture = byId("opened-picture");
  const address = `${name}/overview.png`;
  if (!run.picture) picture.replaceChildren();
  else if (picture.firstChild?.getAttribute("href") !== address) picture.replaceChildren(
    element("a", { href: address }, element("img", { src: address, alt: `Overview of run ${name}` })));
}

// What a person may want to do about a run, the most likely first.
function nextCommands(run) {
  const n = run.number;
  const found = [];
  if (run.status === "failed") found.push(["read its log", `xamsflow log ${n}`], ["process it again", `xamsflow retry ${n}`]);
  if (run.status === "running" || run.status === "submitted") found.push(["read its log", `xamsflow log ${n}`]);
  if (run.status === "") found.push(["process it", `xamsflow pend ${n}`]);
  if (run.health === "odd") found.push(["see what is odd", `xamsflow health ${n}`]);
  if (run.status === "pending" || run.status === "") found.push(["see why it is waiting", `xamsflow why ${n}`]);
  if (inUse(run).size) found.push(["see which data are in use", `xamsflow lineage ${n}`]);
  if (run.status === "done") found.push(["draw its events", `xamsflow display ${n}`]);
  return [...found, ["show everything known", `xamsflow show ${n}`]];
}

function drawPairs(pairs) {
  return element("dl", {}, ...pairs.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
}

function drawSection({ title, pairs, columns, rows, about, text }) {
  const found = [element("h3", {}, title)];
  if (about) found.push(element("p", { class: "soft" }, about));
  if (pairs) found.push(drawPairs(pairs));
  if (rows) found.push(element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
    element("table", {},
      element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map((row) =>
        element("tr", {}, ...row.map((value, i) => cell("td", columns[i], value))))))));
  if (text !== undefined)
    found.push(element("pre", { tabindex: 0, role: "region", "aria-label": title }, text));
  return element("section", {}, ...found);
}

function step(by) {
  const next = listed[listed.indexOf(runs.get(Number(chosen.run))) + by];
  if (next) openRun(next.number);
}

byId("opened-newer").addEventListener("click", () => step(-1));
byId("opened-older").addEventListener("click", () => step(1));
byId("opened-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  const number = chosen.run;
  chosen.run = "";
  writeAddress();
  document.querySelector(`#runs button[data-run="${Number(number)}"]`)?.focus();
});
