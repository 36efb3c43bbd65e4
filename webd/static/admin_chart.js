/*
 * The traffic of a day as bars, drawn as SVG: one bar a quarter of an hour, stacked by kind, with a text for those who
 * do not see it.
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

	return [1, 2, 4, 6, 8, 10].map((f) => f * scale).find((top) => top >= n && top >= 4);
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
			? [node('text', { x: x(i), y: HEIGHT - 8, 'text-anchor': 'middle' }, timeOfDay(bar.time))] : [];
	});
}

function tip(bar, kinds) {
	const parts = kinds.filter((k) => bar[k] > 0).map((k) => `${texts.traffic[k]}: ${number(bar[k])}`);

	return `${timeOfDay(bar.time)}–${timeOfDay(bar.time + BAR_SECONDS)}\n${parts.join('\n') || texts.traffic.nothing}`;
}

function column(bar, kinds, at, width, y) {
	const group = node('g', { class: 'chart-column' }, node('title', {}, tip(bar, kinds)),
		node('rect', { x: at - 0.5, y: TOP, width: width + 1, height: HEIGHT - TOP - BOTTOM, class: 'chart-hover' }));
	let sum = 0;

	for (const kind of kinds.filter((k) => bar[k] > 0)) {
		const upper = y(sum + bar[kind]), height = Math.max(y(sum) - upper, 1);
		group.append(node('rect', { x: at, y: upper, width, height, class: `chart-${kind}` }));
		sum += bar[kind];
	}
	return group;
}

/** rows: those of stats' traffic; kinds: which of them, from the bottom up; label: what the chart is called. */
export function trafficChart(rows, kinds, label) {
	const bars = gather(rows, kinds);
	const top = roof(Math.max(...bars.map((bar) => kinds.reduce((sum, k) => sum + bar[k], 0))));
	const step = (WIDTH - LEFT - RIGHT) / bars.length;
	const x = (i) => LEFT + i * step, y = (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

	return node('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': label },
		...axis(top, y), ...bars.map((bar, i) => column(bar, kinds, x(i) + 0.5, step - 1, y)), ...hours(bars, x));
}
