/*
 * The traffic of a day, drawn as SVG: bars of a quarter of an hour, stacked by kind, and perhaps a line over them.
 */
import { number, timeOfDay } from './format.js';
import { texts } from './texts_admin.js';

const NS = 'http://www.w3.org/2000/svg';
const WIDTH = 520, HEIGHT = 180, LEFT = 36, RIGHT = 6, TOP = 10, BOTTOM = 24;
const BAR_SECONDS = 900;

function node(name, attributes, ...children) {
	const it = document.createElementNS(NS, name);

	for (const [key, value] of Object.entries(attributes))
		it.setAttribute(key, value);
	it.append(...children);
	return it;
}

/* The rows of five minutes, gathered to bars that end now. */
function gather(rows, kinds) {
	const end = Math.ceil(Date.now() / 1000 / BAR_SECONDS) * BAR_SECONDS, n = 86400 / BAR_SECONDS;
	const bars = Array.from({ length: n }, (_, i) => ({
		time: end - (n - i) * BAR_SECONDS, ...Object.fromEntries(kinds.map((k) => [k, 0])),
	}));

	for (const row of rows) {
		const bar = bars[n - Math.ceil((end - row.time) / BAR_SECONDS)];
		if (bar)
			kinds.forEach((k) => { bar[k] += row[k] ?? 0; });
	}
	return bars;
}

/* A round number at or above n, so that half of it is round as well. */
function roof(n) {
	const scale = 10 ** Math.floor(Math.log10(Math.max(n, 4)));

	return [1, 2, 3, 4, 5, 6, 8, 10].map((f) => f * scale).find((top) => top >= n && top >= 4 && top % 2 === 0);
}

function axis(top, y) {
	return [0, top / 2, top].flatMap((value) => [
		node('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: value ? 'chart-grid' : 'chart-base' }),
		node('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, number(value)),
	]);
}

function hours(bars, x) {
	return bars.flatMap((bar, i) => {
		const date = new Date(bar.time * 1000);
		return date.getMinutes() === 0 && date.getHours() % 4 === 0 && i > 2 && i < bars.length - 3
			? [node('text', { x: x(i), y: HEIGHT - 8, 'text-anchor': 'middle', class: date.getHours() % 8 ? 'minor' : '' }, timeOfDay(bar.time))] : [];
	});
}

/* A kind as steps over the bars. */
function outline(bars, kind, x, step, y) {
	const points = bars.map((bar, i) => `H${x(i).toFixed(1)}V${y(bar[kind]).toFixed(1)}H${(x(i) + step).toFixed(1)}`).join('');

	return node('path', { d: `M${x(0)},${y(0)}${points}`, class: `chart-line line-${kind}` });
}

function tip(bar, kinds) {
	const parts = kinds.filter((k) => bar[k] > 0).map((k) => `${texts.traffic[k]}: ${number(bar[k])}`);

	return `${timeOfDay(bar.time)}–${timeOfDay(bar.time + BAR_SECONDS)}\n${parts.join('\n') || texts.traffic.nothing}`;
}

function column(bar, told, kinds, at, width, y) {
	const group = node('g', { class: 'chart-column' }, node('title', {}, tip(bar, told)),
		node('rect', { x: at - 0.5, y: TOP, width: width + 1, height: HEIGHT - TOP - BOTTOM, class: 'chart-hover' }));
	let sum = 0;

	for (const kind of kinds.filter((k) => bar[k] > 0)) {
		const upper = y(sum + bar[kind]), height = Math.max(y(sum) - upper, 1);
		group.append(node('rect', { x: at, y: upper, width, height, class: `chart-${kind}` }));
		sum += bar[kind];
	}
	return group;
}

/** rows: those of stats' traffic; kinds: which of them, from the bottom up; line: one more, or null; label: what the chart is called. */
export function trafficChart({ rows, kinds, line = null, label }) {
	const all = line ? [line, ...kinds] : kinds;
	const bars = gather(rows, all);
	const top = roof(Math.max(...bars.map((bar) => Math.max(kinds.reduce((sum, k) => sum + bar[k], 0), line ? bar[line] : 0))));
	const step = (WIDTH - LEFT - RIGHT) / bars.length;
	const x = (i) => LEFT + i * step, y = (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

	return node('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': label }, ...axis(top, y),
		...bars.map((bar, i) => column(bar, all, kinds, x(i) + 0.5, step - 1, y)), ...(line ? [outline(bars, line, x, step, y)] : []), ...hours(bars, x));
}
