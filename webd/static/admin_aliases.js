/*
 * Mail Aliases & Forwarding: the lines of [aliases] and [forward] in one list, and the test of an address.
 */
import { chips } from './admin_chips.js';
import { explainCard } from './admin_explain.js';
import { setConfig, tellSaved } from './admin_form.js';
import { askMaster, card, heading, load, pill, row, rowMenu, searchBox, table } from './admin_page.js';
import { partsOf } from './admin_values.js';
import { button, checkbox, complain, dialog, el, emptyState, field, fill, form, input, newId } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.aliases;
const KINDS = { aliases: t.alias, forward: t.forward };
const isDropped = (targets) => targets.length === 1 && targets[0].toLowerCase() === 'null';

let state = null;

async function read() {
	const [aliases, forwards, accounts] = await Promise.all([askMaster('entries', 'aliases'), askMaster('entries', 'forward'),
		askMaster('user', 'list').catch(() => ({ users: [] }))]);
	const mark = (section) => ({ name, value }) => ({ section, name, targets: partsOf(value) });

	state.entries = [...aliases.entries.map(mark('aliases')), ...forwards.entries.map(mark('forward'))]
		.sort((a, b) => a.name.localeCompare(b.name, undefined, { sensitivity: 'base' }));
	state.users = accounts.users.map((user) => user.name);
}

async function again() {
	await read();
	draw();
}

/* changes as for config set. */
async function save(changes, text) {
	const answer = await setConfig(changes);

	await again();
	tellSaved(text, answer, again);
}

async function remove(entry) {
	try {
		await save([{ section: entry.section, key: entry.name, value: null }], t.removed(entry.name));
	} catch (error) {
		complain(error);
	}
}

/* ---- one entry ---- */

function kindChoice(value, disabled) {
	const id = newId('kind');
	const radios = Object.entries(KINDS).map(([key, label]) => el('input', { type: 'radio', name: id, value: key, checked: key === value, disabled, 'aria-label': label }));
	const node = el('div', { class: 'segments', role: 'radiogroup' }, radios.map((radio) => el('label', {}, radio, el('span', { 'aria-hidden': 'true' }, KINDS[radio.value]))));
	const note = el('p', { class: 'help' });
	const tell = () => { note.textContent = node.value === 'forward' ? t.forwardNote : t.aliasNote; };

	Object.defineProperty(node, 'value', { get: () => radios.find((radio) => radio.checked).value });
	node.addEventListener('change', tell);
	tell();
	return el('div', { class: 'field' }, node, note);
}

function changesFor(entry, section, name, value) {
	const moved = entry && (entry.name !== name || entry.section !== section);

	return [...(moved ? [{ section: entry.section, key: entry.name, value: null }] : []), { section, key: name, value }];
}

/** Asks for an entry, new or changed. */
function edit(entry) {
	const users = newId('users');
	const kind = kindChoice(entry?.section ?? 'aliases');
	const name = input({ value: entry?.name ?? '', autocapitalize: 'none', spellcheck: 'false', autofocus: !entry });
	const nameField = field({ label: t.name, help: t.nameNote, control: name });
	const dropped = checkbox({ label: t.null, checked: Boolean(entry && isDropped(entry.targets)), onchange: () => fit() });
	const targets = chips({ items: entry && !isDropped(entry.targets) ? entry.targets : [], suggestions: users, label: t.targets });
	const targetsError = el('p', { class: 'field-error', role: 'alert', hidden: true });
	const targetsField = el('div', { class: 'field' }, el('span', { class: 'label' }, t.targets), targets, el('p', { class: 'help' }, t.targetsNote));
	const fit = () => { targetsField.hidden = dropped.input.checked; };
	const say = (text) => {
		targetsError.textContent = text ?? '';
		targetsError.hidden = !text;
	};

	async function submit() {
		const section = kind.firstChild.value, called = name.value.trim(), items = dropped.input.checked ? ['null'] : targets.items;
		const taken = state.entries.some((e) => e !== entry && e.section === section && e.name.toLowerCase() === called.toLowerCase());

		nameField.setError(called === '' ? t.noName : taken ? t.exists(called) : null);
		say(items.length ? null : t.noTarget);
		if (called === '' || taken || !items.length)
			return;
		await save(changesFor(entry, section, called, items.join(' ')), t.saved(called));
		node.shut();
	}
	const node = dialog({
		title: entry ? t.editTitle(entry.name) : t.new,
		body: form({
			buttons: [button({ label: texts.save, kind: 'primary' }), button({ label: texts.cancel, onclick: () => node.shut() })], submit,
		}, el('datalist', { id: users }, state.users.map((user) => el('option', { value: user }))), kind, nameField, targetsField, targetsError, dropped),
	});
	fit();
}

/* ---- the list ---- */

function line(entry) {
	const targets = isDropped(entry.targets) ? pill(t.dropped, 'warn') : el('span', { class: 'tag-line' }, entry.targets.map((target) => el('span', { class: 'tag' }, target)));

	return row([
		el('button', { type: 'button', class: 'link', onclick: () => edit(entry) }, entry.name),
		pill(KINDS[entry.section], entry.section === 'forward' ? 'info' : 'none'), targets,
		{ class: 'actions', in: rowMenu(entry.name, () => [
			{ label: texts.edit, icon: 'pencil', onclick: () => edit(entry) },
			{ label: t.test, icon: 'help', onclick: () => state.explain.test(entry.name) },
			'-', { label: texts.remove, icon: 'trash', danger: true, onclick: () => remove(entry) },
		]) },
	]);
}

function draw() {
	const fits = state.entries.filter((e) => (state.kind === 'all' || e.section === state.kind) && `${e.name} ${e.targets.join(' ')}`.toLowerCase().includes(state.words));

	if (!state.entries.length)
		fill(state.list, emptyState({ icon: 'at', title: t.empty, text: t.emptyNote, action: button({ label: t.new, icon: 'plus', kind: 'primary', onclick: () => edit(null) }) }));
	else if (!fits.length)
		fill(state.list, el('p', { class: 'muted pad' }, t.noneFound));
	else
		fill(state.list, table(texts.panels.aliases[0], [t.name, t.kind, t.targets, { label: texts.actions, hidden: true }], fits.map(line)));
}

function kindFilter() {
	const buttons = [['all', t.kindAll], ['aliases', t.aliases], ['forward', t.forwards]].map(([kind, label]) => el('button', {
		type: 'button', 'aria-pressed': String(kind === state.kind), onclick: (event) => {
			state.kind = kind;
			buttons.forEach((b) => b.setAttribute('aria-pressed', String(b === event.currentTarget)));
			draw();
		} }, label));

	return el('div', { class: 'segments', role: 'group', 'aria-label': t.kind }, buttons);
}

export function show(body) {
	state = { entries: [], users: [], words: '', kind: 'all', list: el('div', {}), explain: null };
	state.explain = explainCard();
	const content = el('div', {});

	fill(body, heading('aliases', button({ label: t.new, icon: 'plus', kind: 'primary', onclick: () => edit(null) })), content, state.explain);
	load(content, async () => {
		await again();
		return card({}, el('div', { class: 'panel-tools' }, searchBox(t.find, (words) => { state.words = words; draw(); }), kindFilter()), state.list);
	});
}
