"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const BOX = { left: 62, right: 14, top: 12, bottom: 40, width: 560, height: 320 };
const state = { run: 0, column: 0, along: 0, at: [] };

const run = () => DATA[state.run];
const short = (x) => (typeof x === "number" ? Number(x.toPrecision(5)).toString() : String(x));

function make(name, attributes, parent, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function option(select, texts, chosen) {
  select.replaceChildren();
  texts.forEach((text, i) => {
    const node = document.createElement("option");
    node.value = i;
    node.textContent = text;
    node.selected = i === chosen;
    select.appendChild(node);
  });
  select.disabled = texts.length < 2;
}

/* The place of a point among the points; -1 where the sweep has none (as where fields are paired). */
const places = new Map();
function place(at) {
  if (!places.has(state.run)) {
    const table = new Map();
    run().points.forEach((point, i) => table.set(JSON.stringify(point), i));
    places.set(state.run, table);
  }
  const key = JSON.stringify(run().axes.map((axis, k) => axis.values[at[k]]));
  const found = places.get(state.run).get(key);
  return found === undefined ? -1 : found;
}

function with_(k, i) {
  const at = state.at.slice();
  at[k] = i;
  return at;
}

function scale(low, high, from, to) {
  const span = high > low ? high - low : 1;
  return (x) => from + ((x - low) / span) * (to - from);
}

// Five numbers of a range, each with its text; or the values of an axis of cells, each below the middle of its cell.
const evenly = (range, text) => [0, 1, 2, 3, 4].map((k) => range[0] + (k / 4) * (range[1] - range[0])).map((u) => [u, text(u)]);
const ofCells = (values) => values.map((value, k) => [k + 0.5, short(value)]).filter((_, k) => k % Math.ceil(values.length / 7) === 0);

function frame(svg, x, y, xLabel, marks = {}) {
  svg.replaceChildren();
  const { left, right, top, bottom, width, height } = BOX;
  make("path", { class: "axis", d: `M${left},${top}V${height - bottom}H${width - right}` }, svg);
  const on = { x: scale(x[0], x[1], left, width - right), y: scale(y[0], y[1], height - bottom, top) };
  for (const [u, text] of marks.x || evenly(x, xLabel.ticks || short)) {
    make("text", { x: on.x(u), y: height - bottom + 16, "text-anchor": u < x[1] ? "middle" : "end" }, svg, text);
  }
  for (const [v, text] of marks.y || evenly(y, (v) => short(Number(v.toPrecision(3))))) {
    make("text", { x: left - 6, y: on.y(v) + 4, "text-anchor": "end", class: "y" }, svg, text);
  }
  make("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, svg, xLabel.text);
  return on;
}

function histogram(i) {
  const column = run().columns[state.column], svg = $("histogram");
  if (!column) { svg.replaceChildren(); return; }
  const counts = i < 0 ? [] : column.counts[i], most = Math.max(1, ...counts);
  const on = frame(svg, [column.low, column.high], [0, most], { text: column.name });
  const step = (column.high - column.low) / column.bins;
  counts.forEach((count, k) => {
    const x = on.x(column.low + k * step), w = Math.max(0.5, on.x(column.low + (k + 1) * step) - x - 1);
    if (count) make("rect", { class: "bar", x, y: on.y(count), width: w, height: on.y(0) - on.y(count) }, svg);
  });
  const line = (value, kind) => {
    if (value === null || value === undefined || value < column.low || value > column.high) return;
    make("path", { class: kind, d: `M${on.x(value)},${BOX.top}V${BOX.height - BOX.bottom}` }, svg);
  };
  if (i >= 0) {
    line(column.mean[i], "here");
    line((run().theory[column.name] || [])[i], "theory");
  }
  const kept = i < 0 ? 0 : column.kept[i];
  const mean = i < 0 || column.mean[i] === null ? "" : `, mean ${short(column.mean[i])} ± ${short(column.se[i])}, median ${short(column.median[i])}`;
  $("histogram-title").textContent = `${column.name}: ${kept} of ${i < 0 ? 0 : run().rows[i]} rows have it${mean}`;
  svg.setAttribute("aria-label", $("histogram-title").textContent);
}

function range(values) {
  const found = values.filter((value) => value !== null && value !== undefined);
  if (!found.length) return [0, 1];
  let low = Math.min(...found), high = Math.max(...found);
  if (low === high) { low -= 0.5; high += 0.5; }
  return [low, high];
}

function path(points, on) {
  let d = "", pen = false;
  for (const [x, y] of points) {
    if (y === null || y === undefined) { pen = false; continue; }
    d += `${pen ? "L" : "M"}${on.x(x)},${on.y(y)}`;
    pen = true;
  }
  return d;
}

function curve() {
  const column = run().columns[state.column], axis = run().axes[state.along], svg = $("curve");
  if (!column || !axis) { svg.replaceChildren(); $("curve-title").textContent = "nothing varies in this run"; return; }
  const number = typeof axis.values[0] === "number";
  const x = axis.values.map((value, k) => (number ? value : k));
  const at = axis.values.map((_, k) => place(with_(state.along, k)));
  const of = (values) => at.map((i) => (i < 0 || !values ? null : values[i]));
  const mean = of(column.mean), se = of(column.se), theory = of(run().theory[column.name]);
  const ends = mean.flatMap((value, k) => (value === null ? [] : [value - 2 * (se[k] || 0), value + 2 * (se[k] || 0)]));
  const ticks = number ? undefined : (u) => (Number.isInteger(u) ? short(axis.values[u]) : "");
  const on = frame(svg, range(x), range([...ends, ...theory]), { text: axis.name, ticks });
  make("path", { class: "line", d: path(x.map((u, k) => [u, mean[k]]), on) }, svg);
  make("path", { class: "theory", d: path(x.map((u, k) => [u, theory[k]]), on) }, svg);
  x.forEach((u, k) => {
    if (mean[k] === null) return;
    if (se[k]) make("path", { class: "error", d: `M${on.x(u)},${on.y(mean[k] - 2 * se[k])}V${on.y(mean[k] + 2 * se[k])}` }, svg);
    const dot = make("circle", { class: k === state.at[state.along] ? "dot now" : "dot", cx: on.x(u), cy: on.y(mean[k]), r: 5 }, svg);
    dot.addEventListener("click", () => go(with_(state.along, k)));
  });
  const dashed = theory.some((value) => value !== null) ? "; dashed: theory" : "";
  $("curve-title").textContent = `mean of ${column.name} along ${axis.name}, two standard errors${dashed}`;
  svg.setAttribute("aria-label", $("curve-title").textContent);
}

function colour(t) {
  return `hsl(${250 - 200 * t} 65% ${30 + 40 * t}%)`;
}

function map() {
  const axes = run().axes, column = run().columns[state.column], svg = $("map");
  const other = axes.findIndex((_, k) => k !== state.along);
  $("map-figure").hidden = !column || other < 0;
  if (!column || other < 0) return;
  const a = axes[state.along], b = axes[other];
  const on = frame(svg, [0, a.values.length], [0, b.values.length], { text: `${a.name} →, ${b.name} ↑` }, { x: ofCells(a.values), y: ofCells(b.values) });
  const cells = [];
  a.values.forEach((_, i) => b.values.forEach((_, j) => {
    const at = with_(state.along, i);
    at[other] = j;
    const p = place(at);
    cells.push([i, j, at, p < 0 ? null : column.mean[p]]);
  }));
  const [low, high] = range(cells.map((cell) => cell[3]));
  for (const [i, j, at, value] of cells) {
    const now = i === state.at[state.along] && j === state.at[other];
    if (value === null) continue;
    const cell = make("rect", { class: now ? "cell here" : "cell", x: on.x(i), y: on.y(j + 1), width: on.x(i + 1) - on.x(i), height: on.y(j) - on.y(j + 1), style: `fill: ${colour((value - low) / (high - low || 1))}` }, svg);
    make("title", {}, cell, `${a.name} ${short(a.values[i])}, ${b.name} ${short(b.values[j])}: ${short(value)}`);
    cell.addEventListener("click", () => go(at));
  }
  $("map-title").textContent = `mean of ${column.name} from ${short(low)} (dark) to ${short(high)} (light)`;
  svg.setAttribute("aria-label", $("map-title").textContent);
}

function time() {
  const curves = run().curves, svg = $("time");
  $("time-figure").hidden = !curves.names;
  if (!curves.names) return;
  const key = JSON.stringify(run().axes.map((axis, k) => axis.values[state.at[k]]));
  const p = curves.points.findIndex((point) => JSON.stringify(point) === key);
  const name = Math.min(state.curve || 0, curves.names.length - 1);
  if (p < 0) { svg.replaceChildren(); return; }
  const log = (t) => Math.log10(1 + t);
  const times = curves.times[p], mean = curves.mean[p][name];
  const on = frame(svg, range(times.map(log)), range(mean), { text: curves.clock, ticks: (u) => short(Number((10 ** u - 1).toPrecision(3))) });
  make("path", { class: "line", d: path(times.map((t, k) => [log(t), mean[k]]), on) }, svg);
  const title = $("time-title");
  title.replaceChildren(document.createTextNode("mean of "));
  const select = document.createElement("select");
  select.setAttribute("aria-label", "curve");
  option(select, curves.names, name);
  select.addEventListener("change", () => { state.curve = Number(select.value); time(); $("time-title").querySelector("select").focus(); });
  title.append(select, document.createTextNode(" over time"));
  svg.setAttribute("aria-label", `mean of ${curves.names[name]} over time`);
}

function literal(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  return value === null ? "None" : JSON.stringify(value);
}

function command(i) {
  const most = i < 0 ? 0 : run().realizations[i] - 1, input = $("realization");
  input.max = most;
  const which = Math.min(Math.max(0, Math.floor(Number(input.value) || 0)), most);
  if (i < 0) { $("command").textContent = "the sweep has no such point"; return; }
  const row = { ...run().fields, ...run().varying[i], realization: which };
  if (run().seeds.length) row.seed = run().seeds[Number($("seed").value) || 0];
  const fields = Object.entries(row).map(([key, value]) => `${key}=${literal(value)}`).join(", ");
  $("command").textContent = `import sweepjax as sj\ndata = sj.dataset(dict(${fields}))`;
}

function sliders() {
  $("sliders").replaceChildren();
  run().axes.forEach((axis, k) => {
    const label = document.createElement("label"), name = document.createElement("span");
    const output = document.createElement("output"), input = document.createElement("input");
    name.textContent = axis.name;
    Object.assign(input, { type: "range", min: 0, max: axis.values.length - 1, step: 1, value: state.at[k], id: `axis-${k}` });
    input.addEventListener("input", () => go(with_(k, Number(input.value))));
    label.append(name, output, input);
    $("sliders").appendChild(label);
  });
}

function draw() {
  run().axes.forEach((axis, k) => {
    const input = $(`axis-${k}`), text = short(axis.values[state.at[k]]);
    input.value = state.at[k];
    input.setAttribute("aria-valuetext", text);
    input.parentNode.querySelector("output").textContent = text;
  });
  const i = place(state.at);
  const where = run().axes.map((axis, k) => `${axis.name} ${short(axis.values[state.at[k]])}`).join(", ");
  $("where").textContent = `${where || "the only point"}: ${i < 0 ? "no rows" : `${run().rows[i]} rows`}`;
  histogram(i);
  curve();
  map();
  time();
  command(i);
}

function go(at) {
  state.at = at;
  draw();
}

function begin(number) {
  state.run = number;
  const names = run().columns.map((column) => column.name);
  state.column = 0;
  state.along = 0;
  state.at = run().axes.map((axis) => Math.floor((axis.values.length - 1) / 2));
  if (run().points.length && place(state.at) < 0) {
    state.at = run().axes.map((axis, k) => axis.values.indexOf(run().points[0][k]));
  }
  option($("column"), names, 0);
  option($("along"), run().axes.map((axis) => axis.name), 0);
  option($("seed"), run().seeds, 0);
  sliders();
  draw();
}

option($("run"), DATA.map((each) => each.title), 0);
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("run").addEventListener("change", () => begin(Number($("run").value)));
$("column").addEventListener("change", () => { state.column = Number($("column").value); draw(); });
$("along").addEventListener("change", () => { state.along = Number($("along").value); draw(); });
$("realization").addEventListener("input", () => command(place(state.at)));
$("seed").addEventListener("change", () => command(place(state.at)));
begin(0);
