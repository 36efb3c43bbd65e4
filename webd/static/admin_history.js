/*
 * History of Changes: what was changed in the configuration, by whom and when, newest first, with Undo.
 */
import { tellSaved, undoChange } from './admin_form.js';
import { askMaster, heading, load, row, run, table } from './admin_page.js';
import { showAgo, showTime } from './admin_values.js';
import { avatar, button, el, emptyState, fill } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.history;

function value(text) {
	return text === null || text === undefined ? el('span', { class: 'muted' }, t.unset) : el('code', {}, text === '' ? '""' : text);
}

function entry(change, again) {
	const undo = button({ label: t.undo, icon: 'undo', class: 'small', onclick: () => run(undo, async () => {
		tellSaved(t.undone, await undoChange(change.id), again);
		again();
	}) });

	return el('li', { class: 'card change' },
		el('header', { class: 'change-head' }, avatar(change.who),
			el('div', {}, el('strong', {}, change.undo ? t.undoBy(change.who) : change.who, change.client && el('small', { class: 'muted' }, ` ${t.from(change.client)}`)), el('time', { class: 'muted', datetime: new Date(change.when * 1000).toISOString(), title: showTime(change.when) },
				`${showTime(change.when)} · ${showAgo(change.when)}`)), undo),
		table(t.by(change.who), [texts.config.setting, texts.config.before, texts.config.after], change.what.map((what) => row([
			[el('strong', {}, what.key), ' ', el('small', { class: 'muted' }, `[${what.section}]`)], value(what.old), value(what.new)]))));
}

export function show(body) {
	const list = el('ol', { class: 'changes' });
	const content = el('div', {});
	const older = button({ label: t.older, hidden: true });
	let next = null;

	async function more() {
		const answer = await askMaster(...['config', 'history', ...(next === null ? [] : [`after=${next}`])]);
		list.append(...answer.changes.map((change) => entry(change, again)));
		next = answer.next ?? null;
		older.hidden = next === null;
	}
	function again() {
		return load(content, async () => {
			fill(list);
			next = null;
			await more();
			return list.children.length ? [list, older] : emptyState({ icon: 'clock', title: t.empty, text: t.emptyNote });
		});
	}
	older.addEventListener('click', () => run(older, more));
	fill(body, heading('history'), content);
	again();
}
