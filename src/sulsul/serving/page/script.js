"use strict";
// Everything that comes from a text or the model enters the page by textContent or setProperty, never as markup.

const MOST_BARS = 30;
const MOST_ROWS = 200;
const MOST_ATTEMPTS = 6;

const $ = (id) => document.getElementById(id);
let key = "";
let model = null;
let file = null;
let running = null; // the AbortController of the batch in progress
let asked = 0; // counts single questions, so that a late answer to an earlier one is dropped

class Problem extends Error {
  constructor(status, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const language = (text) => (/[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]/.test(text) ? "ko" : "");

async function ask(path, body, signal) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  const options = { method: body === undefined ? "GET" : "POST", headers, signal };
  if (body !== undefined) options.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer.", 0);
  }
  if (response.ok) return response.json();
  if (response.status === 401) showKeyForm();
  const detail = await response.json().then((content) => content.detail, () => response.statusText);
  throw new Problem(response.status, String(detail), Number(response.headers.get("Retry-After") ?? 0));
}

function showKeyForm() {
  $("key-form").hidden = false;
  $("key").focus();
}

async function loadModel() {
  try {
    model = await ask("model");
  } catch (problem) {
    $("about").textContent = problem.status === 401 ? "This server asks for an API key." : problem.message;
    return;
  }
  $("name").textContent = model.name;
  document.title = `${model.name} · sulsul`;
  const kind = model.multi_label ? "labels, any number per text" : "classes";
  $("about").textContent = `${model.classes.length.toLocaleString()} ${kind}`;
  $("key-form").hidden = true;
}

const labelsOf = (answer) => answer.labels ?? [answer.label];
const shownLabels = (answer) => labelsOf(answer).join(" | ") || "none";

function busy(form, isBusy) {
  // aria-disabled and not disabled: a disabled button would lose the keyboard's focus.
  form.querySelector("[type=submit]").setAttribute("aria-disabled", String(isBusy));
}

async function classifyOne() {
  const text = $("text").value;
  const question = ++asked;
  $("one-problem").textContent = "";
  $("one-status").textContent = "Reading …";
  busy($("one-form"), true);
  try {
    const { predictions } = await ask("predict", { text });
    if (question !== asked) return;
    showPrediction(predictions[0]);
    $("one-status").textContent = "";
    await explainOne(text, question);
  } catch (problem) {
    if (question !== asked) return;
    $("one-result").hidden = true;
    $("one-status").textContent = "";
    $("one-problem").textContent = problem.message;
  } finally {
    if (question === asked) busy($("one-form"), false);
  }
}

function showPrediction(answer) {
  const chosen = new Set(labelsOf(answer));
  $("verdict").textContent = `${shownLabels(answer)} (${percent(answer.probability)})`;
  const order = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  $("bars").replaceChildren(...order.slice(0, MOST_BARS).map(([name, share]) => bar(name, share, chosen.has(name))));
  const notes = [`${answer.n_tokens} tokens read`];
  if (answer.n_unknown) notes.push(`${answer.n_unknown} unknown to the model`);
  if (answer.truncated) notes.push("the text was cut");
  if (order.length > MOST_BARS) notes.push(`the ${MOST_BARS} most probable of ${order.length} classes are shown`);
  $("reading").textContent = `${notes.join("; ")}.`;
  $("tokens").replaceChildren();
  $("influences").replaceChildren();
  $("explained").textContent = "";
  $("one-result").hidden = false;
}

function bar(name, share, isChosen) {
  const row = element("li", "", isChosen ? "chosen" : "");
  const track = element("span", "", "track");
  track.setAttribute("aria-hidden", "true");
  const filled = element("span", "", "bar");
  filled.style.setProperty("--share", String(share));
  track.append(filled);
  const label = element("span", name, "label");
  label.lang = language(name);
  row.append(label, track, element("span", percent(share), "number"));
  return row;
}

async function explainOne(text, question) {
  try {
    const answer = await ask("explain", { text });
    if (question === asked) showExplanation(answer);
  } catch (problem) {
    if (question === asked) $("explained").textContent = `Not explained: ${problem.message}`;
  }
}

function showExplanation(answer) {
  const strongest = Math.max(...answer.segments.map((segment) => Math.abs(segment.influence)), 1e-9);
  const tinted = answer.segments.map((segment) => {
    if (segment.influence === 0) return document.createTextNode(segment.text);
    const mark = element("mark", segment.text, segment.influence > 0 ? "for" : "against");
    mark.style.setProperty("--strength", String(Math.abs(segment.influence) / strongest));
    mark.title = signed(segment.influence);
    return mark;
  });
  $("tokens").lang = language(answer.segments.map((segment) => segment.text).join(""));
  $("tokens").replaceChildren(...tinted);
  $("explained").textContent = `“${answer.label}”: what its log-odds lose when a part is left out.`;
  const moved = answer.segments.filter((segment) => segment.influence !== 0);
  moved.sort((a, b) => Math.abs(b.influence) - Math.abs(a.influence));
  $("influences").replaceChildren(...moved.map((segment) => row([segment.text, signed(segment.influence)], [1])));
}

const signed = (value) => `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(3)}`;

function row(cells, numberColumns) {
  const made = element("tr");
  made.append(...cells.map((cell, k) => element("td", cell, numberColumns.includes(k) ? "number" : "")));
  return made;
}

/* One text per line; a cell that begins with a quotation mark ends at the next single one (RFC 4180). */
function parseColumn(content) {
  const cells = [];
  const text = content.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n").replace(/\n$/, "");
  if (!text) return cells;
  let place = 0;
  while (place <= text.length) {
    let end;
    if (text[place] === '"') {
      const quoted = /^"((?:[^"]|"")*)"[ \t]*(?=\n|$)/.exec(text.slice(place));
      if (quoted) {
        cells.push(quoted[1].replaceAll('""', '"'));
        place += quoted[0].length + 1;
        continue;
      }
    }
    end = text.indexOf("\n", place);
    if (end < 0) end = text.length;
    cells.push(text.slice(place, end));
    place = end + 1;
  }
  return cells;
}

const csvCell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
const csvLine = (cells) => `${cells.map((cell) => csvCell(String(cell))).join(",")}\r\n`;

/* Cut the texts so that no request exceeds the server's limits. */
function* chunks(texts) {
  const encoder = new TextEncoder();
  let start = 0;
  let bytes = 0;
  for (const [k, text] of texts.entries()) {
    const size = encoder.encode(JSON.stringify(text)).length + 1;
    if (k > start && (k - start >= Math.min(256, model.max_texts) || bytes + size > model.max_body_bytes / 2)) {
      yield texts.slice(start, k);
      [start, bytes] = [k, 0];
    }
    bytes += size;
  }
  if (start < texts.length) yield texts.slice(start);
}

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

async function askPatiently(texts, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask("predict", { texts }, signal);
    } catch (problem) {
      if (![429, 503].includes(problem.status) || attempt === MOST_ATTEMPTS) throw problem;
      await pause(problem.retryAfter || 1);
      signal.throwIfAborted();
    }
  }
}

async function classifyMany() {
  if (running) return;
  $("many-problem").textContent = "";
  const cells = parseColumn($("column").value);
  const name = $("header").checked && cells.length ? cells.shift() : "text";
  if (!cells.length) {
    $("many-problem").textContent = "There is no text: paste a column first.";
    $("column").focus();
    return;
  }
  if (!model) await loadModel();
  if (!model) return;
  running = new AbortController();
  beginBatch(cells.length);
  const answers = [];
  try {
    for (const chunk of chunks(cells)) {
      answers.push(...(await askPatiently(chunk, running.signal)).predictions);
      $("progress").value = answers.length;
      $("many-status").textContent = `${answers.length.toLocaleString()} of ${cells.length.toLocaleString()} classified`;
    }
  } catch (problem) {
    $("many-problem").textContent = problem.name === "AbortError" ? "Stopped." : problem.message;
  } finally {
    endBatch(name, cells, answers);
  }
}

function beginBatch(n) {
  busy($("many-form"), true);
  $("stop").hidden = $("progress").hidden = false;
  $("download").hidden = $("many-result").hidden = true;
  [$("progress").value, $("progress").max] = [0, n];
}

function endBatch(name, cells, answers) {
  busy($("many-form"), false);
  running = null;
  $("stop").hidden = $("progress").hidden = true;
  if (!answers.length) return;
  offerDownload(name, cells, answers);
  $("rows").replaceChildren(
    ...answers.slice(0, MOST_ROWS).map((answer, k) =>
      row([String(k + 1), cells[k], shownLabels(answer), percent(answer.probability)], [0, 3])),
  );
  $("many-caption").textContent = answers.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${answers.length}` : "";
  $("many-result").hidden = false;
}

function offerDownload(name, cells, answers) {
  const lines = [csvLine(["row", name, model.multi_label ? "labels" : "label", "probability",
    ...model.classes.map((label) => `p(${label})`)])];
  for (const [k, answer] of answers.entries()) {
    lines.push(csvLine([k + 1, cells[k], labelsOf(answer).join("|"), answer.probability,
      ...model.classes.map((label) => answer.probabilities[label])]));
  }
  if (file) URL.revokeObjectURL(file);
  // The byte order mark makes spreadsheets read UTF-8.
  file = URL.createObjectURL(new Blob(["\ufeff", ...lines], { type: "text/csv" }));
  $("download").href = file;
  $("download").hidden = false;
}

$("one-form").addEventListener("submit", (event) => { event.preventDefault(); classifyOne(); });
$("many-form").addEventListener("submit", (event) => { event.preventDefault(); classifyMany(); });
$("stop").addEventListener("click", () => running?.abort());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  loadModel();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); classifyOne(); }
});
loadModel();
