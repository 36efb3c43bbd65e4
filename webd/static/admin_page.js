/*
 * What all panels of System Administration are made of: the question to master, headings, tables that become cards on a
 * phone, state pills, meters, loading with a way to try again.
 */
import { post } from './api.js';
import { busy, button, complain, el, errorState, fill, icon, iconButton, menu, newId, skeleton } from './ui.js';
import { texts } from './texts_admin.js';

/** A request to master, as master/control.h has them: the answer's document; an ApiError with .details, its document. */
export function askMaster(...words) {
	return post('admin', { words: words.map(String) });
}

/** The head of a panel. actions: buttons. */
export function heading(panel, ...actions) {
	const [title, lead] = texts.panels[panel];

	return el('header', { class: 'panel-head' },
		el('div', {}, el('h1', { tabindex: -1 }, title), el('p', { class: 'lead' }, lead)),
		actions.flat().some(Boolean) ? el('div', { class: 'panel-actions' }, actions) : null);
}

/** A part of a panel with a heading of its own. */
export function card({ title, note, actions = [], class: classes, id }, ...children) {
	const head = newId('card');

	return el('section', { class: ['card', classes], 'aria-labelledby': title ? head : null, id },
		title && el('header', { class: 'part-head' },
			el('div', {}, el('h2', { id: head }, title), note && el('p', { class: 'help' }, note)),
			actions.length ? el('div', { class: 'part-actions' }, actions) : null),
		children);
}

/** Gray lines, then what build() resolves to, or why not and a button to try again. Who has the focus in it finds it there again. */
export async function load(container, build) {
	const focused = container.contains(document.activeElement);

	fill(container, skeleton(8));
	container.setAttribute('aria-busy', 'true');
	try {
		const made = await build();
		if (made !== undefined)
			fill(container, made);
	} catch (error) {
		if (!('status' in error))
			console.error(error);
		fill(container, errorState(error, () => load(container, build)));
	} finally {
		container.removeAttribute('aria-busy');
		if (focused && document.activeElement === document.body) {
			container.tabIndex = -1;
			container.focus({ preventScroll: true });
		}
	}
}

/** A table. columns: [label or {label, class, hidden: only for screen readers}]; rows: [<tr> of row()]. */
export function table(caption, columns, rows, classes = '') {
	const heads = columns.map((c) => (typeof c === 'string' ? { label: c } : c));
	const node = el('table', { class: ['table', classes] }, el('caption', { class: 'unseen' }, caption),
		el('thead', {}, el('tr', {}, heads.map((c) => el('th', { scope: 'col', class: c.class },
			c.hidden ? el('span', { class: 'unseen' }, c.label) : c.label)))),
		el('tbody', {}, rows));

	for (const line of rows)
		[...line.cells].forEach((cell, i) => { cell.dataset.label = heads[i]?.hidden ? '' : heads[i]?.label ?? ''; });
	return el('div', { class: 'table-box' }, node);
}

/** A row; the first cell is its heading unless head is another. cells: what td holds, or {class, in}. */
export function row(cells, { head = 0, ...props } = {}) {
	return el('tr', props, cells.map((cell, i) => {
		const plain = cell === null || cell === undefined || typeof cell !== 'object' || cell instanceof Node || Array.isArray(cell);
		return el(i === head ? 'th' : 'td', { scope: i === head ? 'row' : null, class: plain ? null : cell.class }, plain ? cell : cell.in);
	}));
}

const BADGES = { good: 'ok', warn: 'warn', bad: 'danger', info: 'accent', none: '' };

/** A state in a word. kind: good, warn, bad, info or none. */
export function pill(text, kind = 'none') {
	return el('span', { class: ['badge', BADGES[kind]] }, text);
}

/** How full something is, of 1. */
export function meter(part, label, { warn = 0.8, bad = 0.95 } = {}) {
	const bar = el('i', { class: part >= bad ? 'bad' : part >= warn ? 'warn' : 'good' });

	bar.style.setProperty('width', `${Math.min(100, Math.max(part * 100, part > 0 ? 1 : 0))}%`);
	return el('span', { class: 'meter', role: 'img', 'aria-label': label }, bar);
}

/** A notice within a page. kind: info, warn or bad. */
export function notice(kind, title, ...children) {
	return el('div', { class: ['notice', kind === 'bad' ? 'danger' : kind], role: kind === 'bad' ? 'alert' : null }, icon(kind === 'info' ? 'info' : 'alert'),
		el('div', {}, title && el('strong', {}, title), children));
}

/** Terms and what they are, as [[term, content]]; without content they are left out. */
export function facts(pairs) {
	return el('dl', { class: 'facts' }, pairs.filter(([, content]) => content !== null && content !== undefined && content !== '')
		.map(([term, content]) => el('div', {}, el('dt', {}, term), el('dd', {}, content))));
}

/** The button that opens the actions of one row. */
export function rowMenu(name, items) {
	return iconButton({
		label: texts.actionsFor(name), icon: 'more', 'aria-haspopup': 'menu', 'aria-expanded': 'false',
		onclick: (event) => menu(event.currentTarget, items()),
	});
}

/** A search box that calls changed(text) a moment after typing. */
export function searchBox(label, changed) {
	let timer;

	return el('input', {
		type: 'search', class: 'input search-box', placeholder: label, 'aria-label': label, autocomplete: 'off',
		oninput: (event) => {
			const { value } = event.currentTarget;
			clearTimeout(timer);
			timer = setTimeout(() => changed(value.trim().toLowerCase()), 120);
		},
	});
}

/** Runs what a button is for: busy meanwhile, a failure is told. Returns what work resolves to, undefined when it failed. */
export async function run(node, work) {
	try {
		return await busy(node, work());
	} catch (error) {
		complain(error);
		return undefined;
	}
}

/** A button that does work(), busy meanwhile. */
export function workButton(props, work) {
	return button({ ...props, onclick: (event) => run(event.currentTarget, work) });
}
