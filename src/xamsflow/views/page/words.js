"use strict";
// Elements and words. Text from runs is only ever set as textContent: append() makes it text.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function runName(number) {
  return String(number).padStart(6, "0");
}

function time(seconds) {
  if (seconds === null) return "";
  const moment = new Date(1000 * seconds);
  return Number.isNaN(moment.valueOf()) ? "" : moment.toISOString().slice(0, 16).replace("T", " ");
}

function digits(value, n) {
  return value < 10 ? String(Number(value.toFixed(n))) : value.toFixed(Math.max(0, n - 1));
}

function duration(seconds) {
  if (seconds === null) return "";
  for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (seconds >= unit) return `${digits(seconds / unit, 1)} ${name}`;
  return `${digits(seconds, 1)} s`;
}

function size(megabytes) {
  if (megabytes === null) return "";
  for (const [unit, name] of [[1e6, "TB"], [1e3, "GB"], [1, "MB"]])
    if (megabytes >= unit) return `${digits(megabytes / unit, 2)} ${name}`;
  return `${(1000 * megabytes).toFixed(0)} kB`;
}

function ago(iso) {
  const minutes = Math.max(0, Math.round((Date.now() - new Date(iso)) / 60000));
  return `(${minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`} ago)`;
}

function age(seconds) {
  const days = Math.max(0, Date.now() / 1000 - seconds) / 86400;
  if (days < 1) return "< 1 d";
  if (days < 60) return `${Math.floor(days)} d`;
  return days < 730 ? `${Math.floor(days / 30.4)} months` : `${Math.floor(days / 365)} years`;
}

const HOW = {
  done: "good", clean: "good", usual: "good",
  failed: "bad", rejected: "bad", degraded: "bad", odd: "bad",
  running: "busy", submitted: "busy", pending: "busy",
};

function verdict(word) {
  return element("span", { class: Object.hasOwn(HOW, word) ? HOW[word] : "soft" }, word);
}

// A command, with a button that copies it.
function commandLine(command) {
  const code = element("code", {}, command);
  const button = element("button", {
    type: "button",
    "aria-label": `Copy ${command}`,
    onclick: async () => {
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(command);
      } catch { // no clipboard: a page of a web server without https
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    },
  }, "Copy");
  return element("span", { class: "command" }, code, " ", button);
}

// A button that opens a run.
function runButton(number) {
  const name = runName(number);
  return element("button", {
    type: "button", class: "run", "data-run": number, "aria-haspopup": "dialog",
    onclick: () => openRun(number),
  }, name);
}

function cell(tag, name, content, about = {}) {
  return element(tag, name ? { "data-name": name, ...about } : about, ...[content].flat());
}
