"use strict";
// Draws a page's curves again from their data, as wide as the screen has room for: over
// steps, tokens or time, the part of them that was dragged over, with what lies under the
// pointer. Without it the pictures stay as they are.
const NS = "http://www.w3.org/2000/svg";
const AXES = [["steps", 0], ["tokens", 1], ["time", 2]];
const view = {axis: 1, log: false, range: null, hidden: new Set()};
let charts = [];

function el(parent, name, attributes, text) {
	const e = document.createElementNS(NS, name);
	for (const key in attributes) e.setAttribute(key, attributes[key]);
	if (text !== undefined) e.textContent = text;
	parent.append(e);
	return e;
}

const series = i => `series s${i % 8}` + ["", " dashed", " dotted"][Math.floor(i / 8) % 3];
const short = s => [...s].length <= 30 ? s : [...s].slice(0, 29).join("") + "…";

// A number of an axis, or under the pointer.
function shown(v, axis, digits) {
	if (axis === 2) {
		if (v < 120) return `${+v.toPrecision(3)} s`;
		if (v < 7200) return `${+(v / 60).toPrecision(3)} min`;
		return `${+(v / 3600).toPrecision(3)} h`;
	}
	for (const [unit, size] of [["B", 1e9], ["M", 1e6], ["k", 1e4]])
		if (Math.abs(v) >= size) return +(v / (unit === "k" ? 1e3 : size)).toPrecision(4) + unit;
	return String(+v.toPrecision(digits || 4));
}

function ticks(low, high, n, log) {
	const list = [];
	if (log) {
		for (let d = Math.floor(Math.log10(low)); d <= Math.log10(high); d++)
			for (const m of [1, 2, 5]) {
				const v = m * 10 ** d;
				if (v >= low && v <= high) list.push(v);
			}
		if (list.length > 1) return list;
		list.length = 0;
	}
	let step = 10 ** Math.floor(Math.log10((high - low) / n));
	for (const m of [1, 2, 5, 10]) if ((high - low) / (m * step) <= n) { step *= m; break; }
	for (let i = Math.ceil(low / step); i * step <= high; i++) list.push(+(i * step).toPrecision(12) + 0);
	return list;
}

// Moves places, in ascending order, apart.
function spread(places, gap, low, high) {
	const moved = places.slice();
	moved.forEach((_, i) => { moved[i] = Math.max(moved[i], low + i * gap, i ? moved[i - 1] + gap : low); });
	for (let i = moved.length - 1, limit = high; i >= 0; i--) { moved[i] = Math.min(moved[i], limit); limit = moved[i] - gap; }
	return moved;
}

const far = chart => Math.max(0, ...chart.data.lines.flatMap(l => l.points.map(p => p[view.axis])));

function draw(chart) {
	const {figure, data} = chart, width = Math.max(280, figure.clientWidth);
	const lines = data.lines.filter(l => !view.hidden.has(l.run) && l.points.length);
	const names = lines.filter(l => l.name), narrow = width < 480;
	const svg = document.createElementNS(NS, "svg");
	let room = 14;
	const probe = el(svg, "text", {class: "label"});
	figure.replaceChildren(svg);
	for (const l of names) { probe.textContent = short(l.name); room = Math.max(room, probe.getComputedTextLength() + 24); }
	probe.remove();
	if (room > width * 0.3) room = 14; // the legend has the names too
	const height = figure.classList.contains("half") || narrow ? 250 : Math.max(340, 110 + 14 * names.length);
	const left = 56, right = width - room, top = 50, bottom = height - 42, a = view.axis;
	svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
	svg.setAttribute("role", "img");
	svg.setAttribute("aria-label", data.title);
	el(svg, "text", {class: "title", x: 0, y: 14}, data.title);
	const end = far(chart), [from, to] = view.range || [0, end || 1];
	const late = data.late && !view.range ? 0.05 * end : from;
	let low = Infinity, high = -Infinity;
	for (const l of lines) for (const p of l.points)
		if (p[a] >= late && p[a] <= to && (!view.log || p[3] > 0)) { low = Math.min(low, p[3]); high = Math.max(high, p[3]); }
	if (low > high) { low = 0; high = 1; }
	const log = view.log && low > 0;
	if (log) { const r = Math.max(1.02, (high / low) ** 0.06); low /= r; high *= r; }
	else { const r = Math.max(0.08 * (high - low), data.least); low -= r; high += r; }
	const X = v => left + (v - from) / (to - from) * (right - left);
	const f = log ? Math.log : v => v;
	const Y = v => bottom - (f(v) - f(low)) / (f(high) - f(low)) * (bottom - top);
	for (const v of ticks(low, high, 6, log)) {
		el(svg, "line", {class: "grid", x1: left, x2: right, y1: Y(v), y2: Y(v)});
		el(svg, "text", {class: "tick", x: left - 6, y: Y(v) + 4, "text-anchor": "end"}, Math.abs(v) < 1e-3 && v ? v.toExponential(0) : shown(v));
	}
	const unit = a === 2 ? to < 120 ? 1 : to < 7200 ? 60 : 3600 : 1;
	for (const v of ticks(from / unit, to / unit, Math.max(2, Math.floor((right - left) / 80))).map(v => v * unit)) {
		el(svg, "line", {class: "axis", x1: X(v), x2: X(v), y1: bottom, y2: bottom + 4});
		el(svg, "text", {class: "tick", x: X(v), y: bottom + 16, "text-anchor": "middle"}, shown(v, a));
	}
	el(svg, "line", {class: "axis", x1: left, x2: right, y1: bottom, y2: bottom});
	el(svg, "text", {class: "tick", x: (left + right) / 2, y: bottom + 32, "text-anchor": "middle"}, AXES[a][0]);
	el(svg, "text", {class: "tick", x: 0, y: 33}, data.unit);
	const id = `clip${chart.number}`;
	el(el(svg, "clipPath", {id}), "rect", {x: left, y: top - 4, width: right - left, height: bottom - top + 4});
	const area = el(svg, "g", {"clip-path": `url(#${id})`}), ends = new Map();
	for (const m of data.marks || []) if (!view.hidden.has(m.run))
		el(el(area, "line", {class: `mark ${series(m.color)}`, x1: X(m.at[a]), x2: X(m.at[a]), y1: top, y2: bottom}), "title", {}, m.title);
	for (const l of lines) {
		const visible = l.points.filter(p => !log || p[3] > 0);
		if (!visible.length) continue;
		el(area, "path", {class: `curve ${series(l.color)} ${l.kind === "faint" ? "faint" : ""}`, d: visible.map((p, i) => `${i ? "L" : "M"}${X(p[a]).toFixed(1)} ${Y(p[3]).toFixed(1)}`).join("")});
		if (l.kind === "dots") for (const p of visible) el(area, "circle", {class: `dot ${series(l.color)}`, cx: X(p[a]), cy: Y(p[3]), r: 3});
		const seen = visible.filter(p => p[a] >= from && p[a] <= to);
		if (!l.name || !seen.length) continue;
		const e = ends.get(l.name) || {name: l.name, color: l.color, sum: 0, n: 0};
		e.sum += Math.min(bottom, Math.max(top, Y(seen[seen.length - 1][3]))); e.n++;
		ends.set(l.name, e);
	}
	if (room > 14) {
		const list = [...ends.values()].map(e => ({...e, y: e.sum / e.n})).sort((p, q) => p.y - q.y);
		spread(list.map(e => e.y), 14, top, bottom).forEach((y, i) => {
			el(svg, "line", {class: "lead", x1: right + 3, y1: list[i].y, x2: right + 15, y2: y});
			el(svg, "text", {class: `label ${series(list[i].color)}`, x: right + 18, y: y + 4}, short(list[i].name));
		});
	}
	Object.assign(chart, {svg, left, right, top, bottom, from, to, X, Y, lines});
	svg.onpointermove = e => point(chart, e);
	svg.onpointerleave = () => { if (!chart.drag) clear(chart); };
	svg.onpointerdown = e => { if (e.button === 0 && e.pointerType !== "touch") { chart.drag = value(chart, e); svg.setPointerCapture(e.pointerId); } };
	svg.onpointerup = e => zoom(chart, e);
	svg.ondblclick = () => range(null);
}

function value(chart, e) {
	const box = chart.svg.getBoundingClientRect(), x = (e.clientX - box.left) * chart.svg.viewBox.baseVal.width / box.width;
	return chart.from + (Math.min(chart.right, Math.max(chart.left, x)) - chart.left) / (chart.right - chart.left) * (chart.to - chart.from);
}

function clear(chart) {
	chart.figure.querySelectorAll(".cross, .zone, .tip, .near").forEach(e => e.remove());
}

// What the lines have at the pointer.
function point(chart, e) {
	clear(chart);
	const at = value(chart, e), a = view.axis, {svg, figure} = chart;
	if (chart.drag !== undefined) {
		const [x0, x1] = [chart.X(Math.min(chart.drag, at)), chart.X(Math.max(chart.drag, at))];
		el(svg, "rect", {class: "zone", x: x0, width: x1 - x0, y: chart.top, height: chart.bottom - chart.top});
		return;
	}
	const near = chart.lines.map(l => [l, l.points.reduce((b, p) => Math.abs(p[a] - at) < Math.abs(b[a] - at) ? p : b)]);
	if (!near.length) return;
	el(svg, "line", {class: "cross", x1: chart.X(at), x2: chart.X(at), y1: chart.top, y2: chart.bottom});
	const tip = document.createElement("div"), head = document.createElement("strong");
	tip.className = "tip";
	const closest = near.map(n => n[1]).reduce((b, p) => Math.abs(p[a] - at) < Math.abs(b[a] - at) ? p : b);
	head.textContent = `step ${closest[0]}, ${shown(closest[1], 1)} tokens, ${shown(closest[2], 2)}`;
	tip.append(head);
	for (const [l, p] of near.slice(0, 16)) {
		const row = document.createElement("div");
		row.className = series(l.color);
		row.textContent = `${l.title}: ${+p[3].toPrecision(5)}`;
		tip.append(row);
		if (p[3] > 0 || !view.log) el(svg, "circle", {class: `near dot ${series(l.color)}`, cx: chart.X(p[a]), cy: chart.Y(p[3]), r: 4});
	}
	figure.append(tip);
	const box = figure.getBoundingClientRect(), x = e.clientX - box.left, w = tip.offsetWidth;
	tip.style.left = `${Math.max(0, x + 14 + w > box.width ? x - 14 - w : x + 14)}px`;
	tip.style.top = `${chart.top}px`;
}

function zoom(chart, e) {
	if (chart.drag === undefined) return;
	const pair = [chart.drag, value(chart, e)].sort((p, q) => p - q);
	chart.drag = undefined;
	clear(chart);
	if (pair[1] - pair[0] > (chart.to - chart.from) / 100) range(pair);
}

function range(pair) {
	view.range = pair;
	document.getElementById("reset").disabled = !pair;
	charts.forEach(draw);
}

function controls() {
	const bar = document.getElementById("controls"), select = document.getElementById("axis"), legend = document.getElementById("legend");
	if (!bar) return;
	bar.hidden = false;
	select.replaceChildren();
	for (const [name, i] of AXES) if (charts.some(c => c.data.lines.some(l => l.points.some(p => p[i] > 0)))) {
		const o = document.createElement("option");
		o.value = i; o.textContent = name; o.selected = i === view.axis;
		select.append(o);
	}
	select.onchange = () => { view.axis = Number(select.value); range(null); };
	document.getElementById("log").checked = view.log;
	document.getElementById("log").onchange = e => { view.log = e.target.checked; charts.forEach(draw); };
	document.getElementById("reset").onclick = () => range(null);
	document.getElementById("reset").disabled = !view.range;
	const runs = new Map();
	for (const c of charts) for (const l of c.data.lines) if (l.run && !runs.has(l.run)) runs.set(l.run, l.color);
	legend.replaceChildren();
	if (runs.size > 1) for (const [run, color] of runs) {
		const b = document.createElement("button");
		b.type = "button"; b.className = series(color); b.textContent = run;
		b.setAttribute("aria-pressed", String(!view.hidden.has(run)));
		b.onclick = () => { view.hidden.has(run) ? view.hidden.delete(run) : view.hidden.add(run); controls(); charts.forEach(draw); };
		legend.append(b);
	}
}

function begin() {
	const data = JSON.parse(document.getElementById("data").textContent);
	charts = [...document.querySelectorAll("[data-curves]")].map((figure, i) => {
		figure.classList.add("live");
		return {figure, number: i, data: data[Number(figure.dataset.curves)]};
	});
	controls();
	charts.forEach(draw);
}

let width = 0;
new ResizeObserver(() => {
	if (width === (width = document.body.clientWidth)) return;
	charts.forEach(draw);
}).observe(document.body);
begin();

// A page that is served looks for a newer one and keeps what the reader chose.
async function watch(tag) {
	try {
		const answer = await fetch("?", {headers: tag ? {"If-None-Match": tag} : {}, cache: "no-store"});
		if (answer.ok) {
			const page = new DOMParser().parseFromString(await answer.text(), "text/html");
			const open = [...document.querySelectorAll("details")].map(d => d.open);
			if (tag && !charts.some(c => c.drag !== undefined)) {
				document.getElementById("data").textContent = page.getElementById("data").textContent;
				document.querySelector("main").replaceWith(page.querySelector("main"));
				document.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
				begin();
			}
			tag = answer.headers.get("ETag");
		}
	} catch { // the server has ended: the page stays as it is
	}
	setTimeout(watch, 2000, tag);
}
if (document.querySelector("main").dataset.watch !== undefined) watch(null);
