"use strict";
// Draws the data of the page. Text from runs is only ever set as textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const nRuns = data.runs.length;
const quantities = new Map(data.quantities.map((quantity) => [quantity.name, quantity]));
const dark = matchMedia("(prefers-color-scheme: dark)");
const REACH = 40; // CSS pixels from a run within which it is meant
const DATE = "\n{YYYY}-{MM}-{DD}";
// Labels of the time axis by the distance of ticks in s, each followed by what is added where the
// year, the day or the minute begins: the format of uPlot's axis.values.
const TIMES = [
  [86400 * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DATE, null, DATE, null, null, null, 1],
  [1, ":{ss}", `${DATE} {HH}:{mm}`, null, `${DATE} {HH}:{mm}`, null, "\n{HH}:{mm}", null, 1],
];
const MANY = 400; // points, above which error bars are left out

// ---- Words and numbers

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function runName(i) {
  return String(data.runs[i]).padStart(6, "0");
}

function time(i) {
  return new Date(1000 * data.starts[i]).toISOString().slice(0, 16).replace("T", " ");
}

function number(value, step) {
  const digits = Math.max(0, Math.min(12, -Math.round(Math.log10(step))));
  return value.toFixed(digits);
}

function short(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
}

function title(quantity) {
  const channel = quantity.channel === null ? "" : `, channel ${quantity.channel}`;
  return quantity.kind.replaceAll("_", " ") + channel;
}

function unit(quantity) {
  return quantity.unit ? ` [${quantity.unit}]` : "";
}

function picture(i) {
  return data.pictures[i] === "1" ? `${runName(i)}/overview.png` : null;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// ---- Columns, decoded when they are first needed

function decoded(quantity) {
  if (!quantity.decoded) {
    const column = (integers, step, base) =>
      Float64Array.from(integers, (n) => (n === null ? NaN : base + step * n));
    quantity.decoded = {
      values: column(quantity.values, quantity.step, quantity.base),
      errors: column(quantity.errors, quantity.error_step, 0),
    };
  }
  return quantity.decoded;
}

// What is usual in the newest runs of a mode: { center, spread, limit }.
function usual(quantity, mode) {
  return data.usual[detector]?.[mode]?.[quantity.name];
}

function band(quantity, modes) {
  const found = modes.length === 1 ? usual(quantity, modes[0]) : null;
  return found ? [found.center, found.limit * found.spread] : null;
}

// ---- Which runs are shown

const filter = document.getElementById("filter");
let detector = 0; // its number
let shown = []; // positions of runs, in order of time
let shownOdd = []; // those with a quantity that stands out
let zoom = null; // [from, to] in s since the epoch

function choose() {
  const wanted = new FormData(filter);
  detector = Number(wanted.get("detector"));
  const [mode, tag] = ["mode", "tag"].map((name) => wanted.get(name));
  const from = Date.parse(wanted.get("from")) / 1000 || -Infinity;
  const until = Date.parse(wanted.get("until")) / 1000 + 86400 || Infinity;
  shown = [];
  for (let i = 0; i < nRuns; i++) {
    const start = data.starts[i];
    if (start < from || start >= until || data.of[i] !== detector) continue;
    if (mode !== "" && data.mode[i] !== Number(mode)) continue;
    if (tag !== "" && !data.tags[i]?.includes(Number(tag))) continue;
    shown.push(i);
  }
  shownOdd = shown.filter((i) => data.odd[i]);
  document.getElementById("count").textContent = `${shown.length} of ${nRuns} runs`;
}

function shownModes() {
  return [...new Set(shown.map((i) => data.mode[i]))];
}

function fill(select, options, others = []) {
  select.replaceChildren();
  for (const [value, text] of [...others, ...options]) select.append(element("option", text, { value }));
}

// ---- A plot of runs: against time, or against a quantity

class Plot {
  constructor(box, height, name) {
    this.box = element("div", "", { class: "plot", tabindex: "0", role: "group" });
    box.append(this.box);
    this.height = height;
    this.name = name;
    this.mark = element("div", "", { class: "mark", hidden: "" });
    this.current = null;
    this.uplot = null;
    this.isTime = true;
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => this.leave());
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  // `series` are {values, errors, color, quantity, label}, with one value for each run; `band` is
  // [center, half width] or null.
  show({ xs, xQuantity, series, band, label }) {
    Object.assign(this, { xs, xQuantity, series, band, label, isTime: !xQuantity });
    this.leave();
    this.found = this.range = null;
    if (!this.uplot || this.madeForTime !== this.isTime) this.make();
    this.draw();
    const odd = new Set(this.odd().map((mark) => mark.i)).size;
    this.box.setAttribute("aria-label", `${label}: ${shown.length} runs, ${odd} of them odd`);
  }

  // All points in order of x, made when somebody points at one.
  get points() {
    if (this.found) return this.found;
    this.found = [];
    for (const i of shown) {
      this.series.forEach((one, s) => {
        const x = this.xs[i], y = one.values[i];
        if (!Number.isNaN(x) && !Number.isNaN(y)) this.found.push({ i, s, x, y });
      });
    }
    if (!this.isTime) this.found.sort((a, b) => a.x - b.x);
    return this.found;
  }

  make() {
    this.uplot?.destroy();
    this.madeForTime = this.isTime;
    const axis = { stroke: () => color("--soft"), grid: { stroke: () => color("--line"), width: 1 },
      ticks: { stroke: () => color("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
    const range = (_, low, high) => [low, high];
    this.uplot = new uPlot({
      width: this.width(), height: this.height, legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "Etc/UTC"),
      scales: { x: { time: this.isTime, auto: false, range }, y: { auto: false, range } },
      axes: [{ ...axis, size: 42, ...(this.isTime ? { values: TIMES } : {}) }, { ...axis, size: 62, space: 22 }],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      padding: [8, 10, 0, 0],
      cursor: { points: { show: false }, x: this.isTime, y: false,
        drag: { x: true, y: !this.isTime, setScale: false, click: () => {} } },
      hooks: { drawClear: [() => this.drawBand()], draw: [() => this.drawPoints()],
        setSelect: [() => this.select()] },
    }, [[0, 1], [null, null]], this.box);
    const over = this.uplot.over;
    over.append(this.mark);
    let down = null;
    over.addEventListener("pointerdown", (event) => { down = [event.clientX, event.clientY]; });
    over.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.point(event);
    });
    over.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.leave();
    });
    over.addEventListener("click", (event) => {
      const moved = down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 4;
      if (moved) return;
      this.point(event);
      if (event.pointerType !== "touch") this.open(); // there, what is said has a link
    });
    over.addEventListener("dblclick", () => this.zoomOut());
  }

  width() {
    return Math.max(200, this.box.clientWidth);
  }

  resize() {
    if (!this.uplot || this.uplot.width === this.width()) return;
    this.uplot.setSize({ width: this.width(), height: this.height });
    if (this.current) this.enter(this.current, about.dataset.pointer);
  }

  draw() {
    const [x, y] = this.ranges();
    this.uplot.batch(() => {
      this.uplot.setScale("x", { min: x[0], max: x[1] });
      this.uplot.setScale("y", { min: y[0], max: y[1] });
    });
    this.uplot.redraw(false, true);
  }

  ranges() {
    if (this.range) return this.range;
    const x = this.isTime ? timeRange() : spread([this.xs], shown);
    const inside = shown.filter((i) => this.xs[i] >= x[0] && this.xs[i] <= x[1]);
    const y = spread(this.series.map((one) => one.values), inside, this.band);
    return [x, y];
  }

  select() {
    const { left, top, width, height } = this.uplot.select;
    if (width < 5 || (!this.isTime && height < 5)) return;
    const x = [left, left + width].map((at) => this.uplot.posToVal(at, "x"));
    this.uplot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.leave();
    if (this.isTime) {
      zoomTo(x);
    } else {
      this.range = [x, [top + height, top].map((at) => this.uplot.posToVal(at, "y"))];
      this.draw();
    }
  }

  zoomOut() {
    if (this.isTime) {
      zoomTo(null);
    } else {
      this.range = null;
      this.draw();
    }
  }

  // ---- Drawing, in canvas pixels

  position() {
    const { left, top, width, height } = this.uplot.bbox;
    const { x, y } = this.uplot.scales;
    const kx = width / (x.max - x.min), ky = height / (y.max - y.min);
    return { left, top, width, height, px: (v) => left + (v - x.min) * kx,
      py: (v) => top + height - (v - y.min) * ky };
  }

  drawBand() {
    if (!this.band) return;
    const { ctx } = this.uplot;
    const { left, top, width, height, py } = this.position();
    const clip = (v) => Math.min(Math.max(py(v), top), top + height);
    const [center, half] = this.band;
    ctx.save();
    ctx.globalAlpha = 0.3;
    ctx.fillStyle = color("--bar");
    ctx.fillRect(left, clip(center + half), width, clip(center - half) - clip(center + half));
    ctx.globalAlpha = 1;
    ctx.strokeStyle = color("--soft");
    ctx.setLineDash([6 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
    ctx.beginPath();
    if (clip(center) === py(center)) { // within the plot
      ctx.moveTo(left, py(center));
      ctx.lineTo(left + width, py(center));
      ctx.stroke();
    }
    ctx.restore();
  }

  drawPoints() {
    const { ctx } = this.uplot, ratio = uPlot.pxRatio;
    const { left, top, width, height, px, py } = this.position();
    const bottom = top + height, right = left + width;
    const n = shown.length;
    const r = ratio * (n > 5000 ? 1 : n > MANY ? 1.5 : 2.5);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    const columns = Math.ceil(width) + 1;
    for (const { values, errors, color: own } of this.series) {
      const drawn = new Uint8Array(columns * (Math.ceil(height) + 1)); // pixels
      ctx.fillStyle = own ?? color("--busy");
      for (const i of shown) {
        const x = px(this.xs[i]), y = py(values[i]);
        if (!(x >= left - r && x <= right + r) || Number.isNaN(y)) continue;
        if (y < top || y > bottom) { // out of range: an arrow at the edge
          arrow(ctx, x, y < top ? top : bottom, 4 * ratio * (y < top ? 1 : -1));
          continue;
        }
        if (n * this.series.length <= MANY && errors[i] > 0) {
          const from = py(values[i] - errors[i]), to = py(values[i] + errors[i]);
          ctx.fillRect(x - ratio / 2, to, ratio, from - to);
        }
        const pixel = Math.round(y - top) * columns + Math.max(0, Math.round(x - left));
        if (drawn[pixel]) continue;
        drawn[pixel] = 1;
        ctx.fillRect(x - r, y - r, 2 * r, 2 * r);
      }
    }
    ctx.restore();
    this.drawOdd(px, py, { left, right, top, bottom }, ratio);
  }

  // A diamond around each odd point, with the number of the run where there is room.
  drawOdd(px, py, edges, ratio) {
    const { ctx } = this.uplot;
    const taken = [];
    ctx.save();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    for (const { i, x, y, isKnown } of this.odd().reverse()) {
      const at = px(x), up = Math.min(Math.max(py(y), edges.top), edges.bottom);
      if (at < edges.left || at > edges.right) continue;
      ctx.strokeStyle = ctx.fillStyle = color(isKnown ? "--soft" : "--bad");
      ctx.lineWidth = 2 * ratio;
      const r = 6 * ratio;
      ctx.beginPath();
      for (const [dx, dy] of [[0, -r], [r, 0], [0, r], [-r, 0]]) ctx.lineTo(at + dx, up + dy);
      ctx.closePath();
      ctx.stroke();
      const words = runName(i), half = ctx.measureText(words).width / 2;
      const middle = Math.min(Math.max(at, edges.left + half), edges.right - half);
      const line = up - r - 16 * ratio < edges.top ? up + r + 12 * ratio : up - r - 3 * ratio;
      const free = taken.every(([x0, y0]) =>
        Math.abs(x0 - middle) > 2 * half + 4 * ratio || Math.abs(y0 - line) > 12 * ratio);
      if (free) {
        taken.push([middle, line]);
        ctx.fillText(words, middle, line);
      }
    }
    ctx.restore();
  }

  odd() {
    const names = new Map(this.series.map((one, s) => [one.quantity.name, s]));
    const marks = [];
    for (const i of shownOdd) {
      for (const deviation of data.odd[i]) {
        const s = names.get(deviation.name) ?? (deviation.name === this.xQuantity?.name ? 0 : null);
        if (s === null) continue;
        const x = this.xs[i], found = this.series[s].values[i];
        const y = Number.isNaN(found) ? -Infinity : found; // a missing value stands at the bottom
        if (!Number.isNaN(x)) marks.push({ i, s, x, y, isKnown: deviation.known !== "" });
      }
    }
    return marks;
  }

  // ---- Pointing at a run

  point(event) {
    const at = this.uplot.over.getBoundingClientRect();
    const { left, top, px, py, height } = this.position();
    const ratio = uPlot.pxRatio;
    const x = left + (event.clientX - at.left) * ratio, y = top + (event.clientY - at.top) * ratio;
    let nearest = null, least = (REACH * ratio) ** 2;
    for (const point of this.points) {
      const dx = px(point.x) - x;
      if (dx * dx > least) continue;
      const dy = Math.min(Math.max(py(point.y), top), top + height) - y;
      // Against time, what is above and below is meant nearly as well.
      const distance = dx * dx + (this.isTime ? 0.1 : 1) * dy * dy;
      if (distance < least) [nearest, least] = [point, distance];
    }
    if (nearest === null) this.leave();
    else this.enter(nearest, event.pointerType === "touch" ? "touch" : "mouse");
  }

  enter(point, pointer) {
    this.current = point;
    const { left, top, px, py, height } = this.position();
    const ratio = uPlot.pxRatio;
    const x = (px(point.x) - left) / ratio;
    const y = Math.min(Math.max((py(point.y) - top) / ratio, 0), height / ratio);
    this.mark.style.left = `${x}px`;
    this.mark.style.top = `${y}px`;
    this.mark.hidden = false;
    const box = this.uplot.over.getBoundingClientRect();
    tell(point.i, this.said(point), box.left + x, box.top + y, pointer);
  }

  leave() {
    if (this.current === null) return;
    this.current = null;
    this.mark.hidden = true;
    about.hidden = true;
  }

  open() {
    const address = this.current && picture(this.current.i);
    if (address) location.assign(address);
  }

  // Lines about what is plotted of a run.
  said({ i, s }) {
    const all = [...this.series.map((one) => one.quantity), ...(this.xQuantity ? [this.xQuantity] : [])];
    const main = this.series[s].quantity;
    return [...new Set(all)].map((quantity) => [value(quantity, i), quantity === main]);
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 50, PageUp: -50 };
    const last = this.points.length - 1;
    if (last < 0) return;
    let at = this.current ? this.points.indexOf(this.current) : -1;
    if (event.key in steps) at = at < 0 ? last : at + steps[event.key];
    else if (event.key === "Home") at = 0;
    else if (event.key === "End") at = last;
    else if (event.key === "Enter") return this.open();
    else if (event.key === "Escape") return this.leave();
    else return;
    event.preventDefault();
    const [low, high] = this.ranges()[0];
    const inside = (k) => this.points[k].x >= low && this.points[k].x <= high;
    at = Math.min(Math.max(at, 0), last);
    while (!inside(at) && this.points[at].x < low && at < last) at++;
    while (!inside(at) && this.points[at].x > high && at > 0) at--;
    this.enter(this.points[at], "mouse");
  }
}

function arrow(ctx, x, y, size) {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x - size, y + 1.6 * size);
  ctx.lineTo(x + size, y + 1.6 * size);
  ctx.fill();
}

// A range that shows nearly all values of some runs and the band, and that outliers do not stretch.
function spread(columns, runs, band = null) {
  let low = Infinity, high = -Infinity;
  const some = []; // enough of the values to know where most are
  const every = Math.ceil((columns.length * runs.length) / 2000);
  for (const values of columns) {
    for (let k = 0; k < runs.length; k++) {
      const found = values[runs[k]];
      if (found < low) low = found;
      if (found > high) high = found;
      if (k % every === 0 && !Number.isNaN(found)) some.push(found);
    }
  }
  if (some.length >= 10) {
    some.sort((a, b) => a - b);
    const at = (share) => some[Math.round(share * (some.length - 1))];
    const more = 1.5 * (at(0.98) - at(0.02));
    [low, high] = [Math.max(low, at(0.02) - more), Math.min(high, at(0.98) + more)];
  }
  if (band) [low, high] = [Math.min(low, band[0] - band[1]), Math.max(high, band[0] + band[1])];
  if (low > high) return [0, 1];
  const margin = 0.08 * (high - low) || 0.05 * Math.abs(low) || 1;
  return [low - margin, high + margin];
}

function timeRange() {
  if (zoom) return zoom;
  if (!shown.length) return [0, 86400];
  const from = data.starts[shown[0]], to = data.starts[shown.at(-1)];
  const margin = 0.02 * (to - from) || 3600;
  return [from - margin, to + margin];
}

function zoomTo(range) {
  zoom = range;
  for (const { plot } of strips) plot.draw();
  if (any.plot.isTime) any.plot.draw();
}

// ---- What is said about a run

const about = document.getElementById("about");

function value(quantity, i) {
  const { values, errors } = decoded(quantity);
  if (Number.isNaN(values[i])) return `${title(quantity)}: no value`;
  const error = errors[i] > 0 ? ` ± ${number(errors[i], quantity.error_step)}` : "";
  return `${title(quantity)}: ${number(values[i], quantity.step)}${error} ${quantity.unit}`;
}

function deviates({ name, value, usual, deviation, known, problem }) {
  const by = deviation === null ? "" : ` (${Math.abs(deviation).toFixed(1)} spreads)`;
  const found = value === null ? `has no value (${problem})` : `is ${short(value)}`;
  const words = quantities.has(name) ? title(quantities.get(name)) : name;
  return `${words} ${found}, usual ${short(usual)}${by}${known ? `; known: ${known}` : ""}`;
}

function tell(i, values, x, y, pointer) {
  about.replaceChildren(element("b", `Run ${runName(i)}`));
  const line = (text, isStrong = false) => {
    const made = element("p");
    made.append(element(isStrong ? "b" : "span", text));
    about.append(made);
  };
  line(`${time(i)} UTC, ${data.modes[data.mode[i]]}`);
  for (const [text, isStrong] of values) line(text, isStrong && values.length > 1);
  for (const deviation of data.odd[i] ?? []) line(`odd: ${deviates(deviation)}`);
  for (const [name, text] of Object.entries(data.texts[i] ?? {})) line(`${name}: ${text}`);
  if (data.tags[i]) line(`tags: ${data.tags[i].map((tag) => data.tag_names[tag]).join(", ")}`);
  for (const comment of data.comments[i] ?? []) line(`comment: ${comment}`);
  const address = picture(i);
  if (!address) line("no picture of this run yet");
  else if (pointer === "touch") about.append(element("a", "open its picture", { href: address }));
  about.dataset.pointer = pointer;
  about.hidden = false;
  const { width, height } = about.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const left = x + 14 + width < room ? x + 14 : x - 14 - width;
  about.style.left = `${Math.min(Math.max(left, 6), room - width - 6) + scrollX}px`;
  about.style.top = `${(y - 14 - height > 0 ? y - 14 - height : y + 20) + scrollY}px`;
}

// ---- Strips

const strips = [];
const choices = new Map(); // the channel chosen in each strip

function makeStrips() {
  const parent = document.getElementById("strips");
  for (const [kind, name] of data.strips) {
    const of = data.quantities.filter((quantity) => quantity.kind === kind);
    if (!of.length) continue;
    const card = element("div", "", { class: "card" });
    const head = element("div", "", { class: "head" });
    const words = element("h3", name + unit(of[0]), { title: of[0].definition });
    const note = element("small");
    head.append(words, note);
    card.append(head);
    const channels = element("div", "", { class: "channels" });
    if (of.length > 1) {
      const select = element("select", "", { "aria-label": `${name}: channel` });
      fill(select, of.map((one) => [one.name, `channel ${one.channel}`]), [["", "all channels"]]);
      select.addEventListener("change", () => {
        choices.set(kind, select.value);
        showStrip(strip);
      });
      head.append(select);
      of.forEach((one, k) => {
        const key = element("span");
        key.append(element("i", "", { style: `background: ${channelColor(k)}` }), `channel ${one.channel}`);
        channels.append(key);
      });
    }
    parent.append(card);
    const strip = { kind, name, of, note, channels, words, plot: new Plot(card, 150, name) };
    card.append(channels);
    strips.push(strip);
  }
  if (!strips.length) parent.append(element("p", "No run has quantities yet.", { class: "soft" }));
}

function channelColor(k) {
  return data.colors[k % data.colors.length];
}

// One quantity of one mode is drawn as it is. Several channels or modes differ by far more than they
// change, so each is drawn relative to what is usual for it.
function showStrip({ kind, name, of, note, channels, words, plot }) {
  const chosen = of.filter((quantity) => quantity.name === choices.get(kind));
  const some = chosen.length ? chosen : of;
  const modes = shownModes();
  const isRelative = (some.length > 1 || modes.length > 1)
    && some.some((quantity) => modes.some((mode) => usual(quantity, mode)));
  channels.hidden = some.length === 1;
  const series = some.map((quantity) => ({
    ...(isRelative ? relative(quantity) : decoded(quantity)), quantity,
    color: of.length > 1 ? channelColor(of.indexOf(quantity)) : null,
  }));
  const limits = isRelative
    ? some.flatMap((quantity) => modes.map((mode) => usual(quantity, mode)?.limit ?? 0)) : [];
  words.textContent = isRelative ? `${name} [spreads from the usual value]` : name + unit(of[0]);
  note.textContent = absent(some, isRelative);
  plot.show({ xs: data.starts, xQuantity: null, series, label: `${name} against time`,
    band: isRelative ? [0, Math.max(...limits)] : band(some[0], modes) });
}

// The distance of each run from what is usual for its mode, in spreads.
function relative(quantity) {
  const { values, errors } = decoded(quantity);
  const byMode = data.modes.map((_, mode) => usual(quantity, mode) ?? { center: NaN, spread: NaN });
  const of = (i) => byMode[data.mode[i]];
  return { values: values.map((found, i) => (found - of(i).center) / of(i).spread),
    errors: errors.map((found, i) => found / of(i).spread) };
}

// Words on the runs that have no point.
function absent(some, isRelative) {
  const valueOf = some.map((quantity) => decoded(quantity).values);
  const without = shown.filter((i) => valueOf.every((values) => Number.isNaN(values[i])));
  const notes = [];
  if (without.length) {
    const reason = some[0].reasons[0]?.[0];
    notes.push(`${without.length} runs without a value${reason ? `, mostly: ${reason}` : ""}`);
  }
  const unknown = isRelative ? shownModes().filter((mode) => !usual(some[0], mode)
    && shown.some((i) => data.mode[i] === mode && !Number.isNaN(valueOf[0][i]))) : [];
  if (unknown.length) {
    const names = unknown.map((mode) => data.modes[mode]).join(", ");
    notes.push(`no usual values yet for ${names}: choose the mode to see its values`);
  }
  return notes.join("; ");
}

// ---- Any quantity against any other

const any = { box: document.getElementById("any") };

function makeAny() {
  const options = data.quantities.map((quantity) => [quantity.name, title(quantity) + unit(quantity)]);
  [any.y, any.x] = any.box.querySelectorAll("select");
  fill(any.y, options);
  fill(any.x, options, [["", "time"]]);
  const preferred = ["electron_lifetime", "s2_area", "event_rate"].find((name) => quantities.has(name));
  if (preferred) any.y.value = preferred;
  any.plot = new Plot(any.box, 360, "any");
  for (const select of [any.x, any.y]) select.addEventListener("change", showAny);
}

function showAny() {
  const y = quantities.get(any.y.value), x = quantities.get(any.x.value);
  any.box.parentElement.hidden = !y;
  if (!y) return;
  any.plot.show({
    xs: x ? decoded(x).values : data.starts, xQuantity: x,
    series: [{ ...decoded(y), color: null, quantity: y }],
    band: band(y, shownModes()),
    label: `${title(y)} against ${x ? title(x) : "time"}`,
  });
}

// ---- Odd runs

function showOdd() {
  const box = document.getElementById("odd");
  const runs = [...shownOdd].reverse();
  if (!runs.length) {
    box.replaceChildren(element("p", "None of the runs shown.", { class: "soft" }));
    return;
  }
  const table = element("table");
  const head = element("tr");
  for (const name of ["run", "start (UTC)", "mode", "what stands out"]) {
    head.append(element("th", name, { scope: "col" }));
  }
  table.append(head);
  const most = 8;
  for (const i of runs.slice(0, most)) {
    const row = element("tr");
    const cell = (inner, attributes = {}) => {
      const made = element("td", "", attributes);
      made.append(inner);
      row.append(made);
    };
    const address = picture(i);
    cell(address ? element("a", runName(i), { href: address }) : runName(i), { class: "short" });
    cell(time(i), { class: "short" });
    cell(data.modes[data.mode[i]]);
    cell(data.odd[i].map(deviates).join("; "));
    table.append(row);
  }
  box.replaceChildren(table);
  if (runs.length > most) {
    box.append(element("p", `and ${runs.length - most} more of the runs shown`, { class: "soft" }));
  }
}

// ---- The page

function update() {
  choose();
  showOdd();
  for (const strip of strips) showStrip(strip);
  showAny();
}

function begin() {
  document.getElementById("made").textContent = data.made.slice(0, 16).replace("T", " ");
  const notes = document.getElementById("notes");
  if (data.problem) {
    notes.append(element("p", `The run database could not be read, so some tags and comments may be `
      + `missing: ${data.problem}`, { class: "note" }));
  }
  const damaged = Object.entries(data.damaged);
  for (const [run, why] of damaged.slice(0, 5)) {
    notes.append(element("p", `Run ${run} is left out: ${why}`, { class: "note" }));
  }
  if (damaged.length > 5) notes.append(element("p", `and ${damaged.length - 5} more`, { class: "note" }));
  const numbered = (names) => names.map((name, k) => [k, name]);
  const form = filter.elements;
  fill(form.detector, numbered(data.detectors));
  const here = data.detectors.indexOf(data.detector);
  form.detector.options[here]?.setAttribute("selected", ""); // also after a reset
  document.getElementById("choose-detector").hidden = data.detectors.length < 2;
  fill(form.mode, numbered(data.modes), [["", "all modes"]]);
  fill(form.tag, numbered(data.tag_names), [["", "all tags"]]);
  makeStrips();
  makeAny();
  filter.addEventListener("change", () => { zoom = null; update(); });
  filter.addEventListener("reset", () => setTimeout(() => { zoom = null; update(); }));
  filter.addEventListener("submit", (event) => event.preventDefault());
  dark.addEventListener("change", () => {
    for (const { plot } of strips) plot.draw();
    any.plot.draw();
  });
  update();
}

begin();
