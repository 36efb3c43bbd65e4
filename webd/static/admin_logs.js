/*
 * Logs: the lines of all programs or of one, live, with a filter. A queue id in a line opens what happened to that message.
 */
import { stream } from './api.js';
import { askMaster, card, heading, run } from './admin_page.js';
import { go, here } from './router.js';
import { button, complain, dialog, el, fill, icon, input, select, skeleton } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.logs;
const AT_FIRST = 300, KEPT = 3000, OF_ONE = 500;
/* Queue ids are what lines begin with, after the program. */
const ID = /^(\S+\[\d+\]: )?([0-9A-Za-z]{9})(?= )/;
const LOUD = /\b(fatal|error|FORBIDDEN|KEEPS DYING|killed by)\b/, WARN = /\b(warn|deferred|dead|refused|bounced|failed)\b/;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

function time(text) {
	const date = typeof text === 'number' ? new Date(text * 1000) : new Date(text);

	return Number.isNaN(date.getTime()) ? String(text) : clock.format(date);
}

/** One line of a log; a queue id in it is a button when opens is a function. */
export function logLine({ program, time: at, text }, opens = null) {
	const match = ID.exec(text), id = match && /\d/.test(match[2]) ? match[2] : null;
	const kind = LOUD.test(text) ? 'bad' : WARN.test(text) ? 'warn' : null;
	const rest = match ? text.slice(match[0].length) : text;

	return el('div', { class: ['log-line', kind] }, el('time', { title: String(at) }, time(at)), ' ', el('span', { class: 'log-program' }, program), ' ',
		el('span', { class: 'log-text' }, id && (opens ? el('button', { type: 'button', class: 'link', onclick: () => opens(id) }, id) : el('strong', {}, id)),
			id ? rest : text.replace(/^\S+\[\d+\]: /, '')));
}

/** All lines of all logs about one message, or that there are none. */
export async function storyOf(id) {
	const { lines } = await askMaster('log', 'all', `lines=${OF_ONE}`, `filter=${id}`);

	return lines.length ? el('div', { class: 'log', role: 'log', tabindex: 0, 'aria-label': t.trace(id) }, lines.map((line) => logLine(line)))
		: el('p', { class: 'muted' }, texts.queue.noStory);
}

async function trace(id) {
	const body = el('div', {}, el('p', { class: 'help' }, t.traceNote), skeleton(5));
	const node = dialog({ title: t.trace(id), body, wide: true, actions: [
		button({ label: t.inQueue, icon: 'queue', onclick: () => { node.shut(); go(['admin', 'queue', id]); } }),
		button({ label: texts.close, kind: 'primary', onclick: () => node.shut() })] });

	try {
		body.lastChild.replaceWith(await storyOf(id));
	} catch (error) {
		node.shut();
		complain(error);
	}
}

/* The lines shown, with what arrives while they are paused kept back. */
function makeView(said) {
	const box = el('div', { class: 'log', role: 'log', tabindex: 0, 'aria-label': t.lines, 'aria-live': 'off' });
	let kept = [], paused = false, seen = new Set();

	const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 40;
	const put = (lines) => {
		const follow = atEnd();
		box.querySelector('.empty-log')?.remove();
		box.append(...lines.map((line) => logLine(line, trace)));
		while (box.childElementCount > KEPT)
			box.firstChild.remove();
		if (follow)
			box.scrollTop = box.scrollHeight;
	};
	return {
		box,
		/* What came by following before the first lines were there may be among them. */
		first: (lines) => {
			fill(box, lines.length ? [] : el('p', { class: 'muted empty-log' }, el('strong', {}, t.empty), ' ', t.emptyNote));
			seen = new Set(lines.map((line) => `${line.time} ${line.text}`));
			put(lines);
			box.scrollTop = box.scrollHeight;
		},
		add: (line) => {
			if (seen.has(`${line.time} ${line.text}`))
				return;
			if (paused)
				kept = [...kept.slice(-KEPT), line];
			else
				put([line]);
			said(paused, kept.length);
		},
		pause: (on) => {
			paused = on;
			if (!on)
				put(kept);
			kept = on ? kept : [];
			said(paused, kept.length);
		},
	};
}

export function show(body) {
	const wanted = here().params;
	const program = select([['all', t.all]], { value: 'all', 'aria-label': t.program, onchange: () => open() });
	const filter = input({ type: 'search', class: 'input search-box', placeholder: t.filter, 'aria-label': t.filter, value: wanted.get('filter') ?? '' });
	const state = el('span', { class: 'live', role: 'status' }, icon('dot'), el('span', {}, t.live));
	const view = makeView((paused, n) => say(paused ? 'paused' : 'on', paused ? t.paused(n) : t.live));
	const pause = button({ label: t.pause, icon: 'pause', 'aria-pressed': 'false', onclick: () => {
		const on = pause.getAttribute('aria-pressed') !== 'true';
		pause.setAttribute('aria-pressed', String(on));
		fill(pause, icon(on ? 'play' : 'pause'), el('span', {}, on ? t.resume : t.pause));
		view.pause(on);
	} });
	let source = null, turn = 0, timer = 0;

	function say(kind, text) {
		state.className = `live ${kind}`;
		state.lastChild.textContent = text;
	}
	/* A program is known when it has written a line. */
	function offer(name) {
		if (![...program.options].some((option) => option.value === name))
			program.append(el('option', { value: name }, name));
	}
	async function open() {
		const mine = ++turn;
		const early = [];
		let ready = false;

		source?.close();
		say('wait', texts.loading);
		source = stream('admin/follow', { program: program.value, filter: filter.value.trim() }, {
			open: () => mine === turn && say('on', t.live),
			line: (line) => {
				offer(line.program);
				return ready ? view.add(line) : early.push(line);
			},
			error: () => mine === turn && say('off', t.broken),
		});
		try {
			const { lines } = await askMaster('log', program.value, `lines=${AT_FIRST}`, `filter=${filter.value.trim()}`);
			if (mine !== turn)
				return;
			view.first(lines);
			ready = true;
			early.forEach(view.add);
		} catch (error) {
			complain(error);
		}
	}
	filter.addEventListener('input', () => {
		clearTimeout(timer);
		timer = setTimeout(open, 300);
	});
	fill(body, heading('logs'), card({ class: 'logs' }, el('div', { class: 'panel-tools' }, program, filter, pause, state), view.box));
	run(program, async () => {
		const { programs } = await askMaster('logs');
		programs.forEach(offer);
		if (programs.includes(wanted.get('program')))
			program.value = wanted.get('program');
	}).then(open);
	return () => {
		turn++;
		clearTimeout(timer);
		source?.close();
	};
}
