// The page keeps itself up to date. A page on a disk may load nothing but scripts, so the data come
// as scripts next to it, which call the functions of `xamsflow` with a text.

const LOOK_S = 5; // how often the page looks for news ...
const WATCH_TURNS = 3; // ... and, every so many looks, for a sign of life of the watch ...
const DETAILS_TURNS = 3; // ... and for new details of the opened run
const PAUSED_TURNS = 12; // looks that are left out where there was nothing to load
let turn = 0;
let paused = 0;
let awaited = null; // the version that is loading
let lastLook = ""; // of the watch, as it said itself

// Load a script from the folder next to the page; return whether it exists.
function load(name) {
  return new Promise((done) => {
    const script = document.createElement("script");
    const end = (there) => {
      script.remove();
      done(there);
    };
    script.onload = () => end(true);
    script.onerror = () => end(false);
    script.src = `page/${name}?${Date.now()}`;
    document.head.append(script);
  });
}

xamsflow.latest = (text) => {
  const said = JSON.parse(text);
  around.made = said.made;
  const told = around.watch?.told; // the watch itself has reported its last query
  around.watch = said.watch;
  if (around.watch && told) around.watch.told = true;
  if (around.watch && lastLook > around.watch.look) Object.assign(around.watch, { look: lastLook, died: false });
  awaited = said.stamp === stamp ? null : said.stamp;
};

xamsflow.watch = (text) => {
  const { look } = JSON.parse(text);
  if (lastLook && look > lastLook && around.watch) {
    around.watch.told = true;
    if (look > around.watch.look) Object.assign(around.watch, { look, died: false });
  }
  lastLook = look;
};

xamsflow.changes = (text) => {
  const said = JSON.parse(text);
  if (said.stamp === stamp) return;
  // Too much has changed, or the program of the page itself, or the rows are made from receipts:
  // everything is loaded again.
  if (stamp < said.since || stamp > said.stamp || said.program !== first.program || first.receipts) {
    if (history.state?.reloadedFor === said.stamp) return;
    history.replaceState({ reloadedFor: said.stamp }, "");
    location.reload();
    return;
  }
  takeRuns(said.runs);
  // Receipts know less about the runs than this page.
  around = said.receipts ? { ...said.around, n_runs: around.n_runs, lineages: around.lineages } : said.around;
  stamp = said.stamp;
  draw();
  const opened = dialog.open && runs.get(Number(chosen.run));
  if (opened) drawHead(opened);
};

async function look() {
  turn += 1;
  if (document.hidden || paused-- > 0) return;
  paused = (await load("latest.js")) ? 0 : PAUSED_TURNS;
  byId("refresh").hidden = !paused;
  if (paused) return;
  if (around.watch && turn % WATCH_TURNS === 1) await load("watch.js");
  if (awaited !== null) await load("changes.js");
  if (dialog.open && turn % DETAILS_TURNS === 0) await load(`${runName(chosen.run)}.js`);
  drawAges();
}

function draw() {
  drawFilter();
  drawTable();
  drawAround();
}

readAddress();
draw();
showRun();
addEventListener("hashchange", () => {
  readAddress();
  draw();
  showRun();
});
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_S * 1000);
look();
