/*
 * One setting of the configuration as a line of a form: its name and meaning, a control that fits its type, its default,
 * and what is wrong with it. The server says what is right; nothing is checked here.
 */
import { chips } from './admin_chips.js';
import { isTrue, partsOf, showValue, splitUnit } from './admin_values.js';
import { button, el, input, newId, select } from './ui.js';
import { texts } from './texts_admin.js';

const LISTS = new Set(['domains', 'addresses', 'durations', 'listen', 'folders']);

/*
 * Each makes the control for a key: { node, focus, show(value or null) }. changed(value or null) is called on each change.
 */
function yesNo(key, id, changed) {
	const made = [['true', texts.yes], ['false', texts.no]].map(([value, label]) => {
		const radio = el('input', { type: 'radio', name: id, value, onchange: () => changed(value) });
		return { radio, node: el('label', {}, radio, el('span', {}, label)) };
	});

	return {
		node: el('div', { class: 'segments', role: 'radiogroup' }, made.map((m) => m.node)), focus: made[0].radio,
		show: (value) => made.forEach(({ radio }) => { radio.checked = (radio.value === 'true') === isTrue(value ?? key.preset ?? 'false'); }),
	};
}

function choice(key, id, changed) {
	const words = Array.isArray(key.words) ? key.words : partsOf(key.words);
	const box = select(words.map((w) => [w, w]), { onchange: () => changed(box.value) });
	const find = (value) => words.find((w) => w.toLowerCase() === (value ?? '').toLowerCase());

	return { node: box, focus: box, show: (value) => { box.value = find(value) ?? find(key.preset) ?? ''; } };
}

function text(key, id, changed, extra = {}) {
	const box = input({ placeholder: key.preset ?? '', spellcheck: 'false', autocapitalize: 'none',
		oninput: () => changed(box.value.trim() === '' ? null : box.value.trim()), ...extra });

	return { node: box, focus: box, show: (value) => { box.value = value ?? ''; } };
}

function number(key, id, changed) {
	return text(key, id, changed, { inputmode: 'numeric', class: 'input short' });
}

/* A number with a unit beside it; units: [[letter, label]]; bare: that of a number alone; usual: where nothing is known. */
function measured(units, bare, usual) {
	return (key, id, changed) => {
		const [presetNumber, presetUnit] = splitUnit(key.preset);
		const box = input({ class: 'input short', inputmode: 'numeric', placeholder: presetNumber, oninput: () => tell() });
		const unit = select(units, { 'aria-label': texts.config.unit(key.key), class: 'input unit', onchange: () => tell() });
		const tell = () => {
			const typed = box.value.trim();
			box.disabled = unit.value === 'manual';
			changed(unit.value === 'manual' ? 'manual' : typed === '' ? null : typed + (/^\d+$/.test(typed) ? unit.value : ''));
		};
		return {
			node: el('div', { class: 'measured' }, box, unit), focus: box,
			show: (value) => {
				const manual = (value ?? '').toLowerCase() === 'manual';
				const [n, letter] = splitUnit(value ?? '');
				const known = units.find(([u]) => u.toLowerCase() === (letter || bare).toLowerCase());
				box.value = manual ? '' : n;
				box.disabled = manual;
				unit.value = manual ? 'manual' : value && known ? known[0] : presetNumber === '' ? usual : presetUnit || bare;
			},
		};
	};
}

const sizes = Object.entries(texts.units.size);
const spans = Object.entries(texts.units.duration);

function list(key, id, changed, context) {
	const box = chips({ items: [], changed: (items) => changed(items.length ? items.join(' ') : null), label: key.key,
		placeholder: key.preset ?? texts.config.item });

	return { node: box, focus: box.input, show: (value) => { box.items = partsOf(value); } };
}

/* What is there is never shown: it is kept, replaced or removed. */
function secret(key, id, changed) {
	const there = key.set && key.value !== '';
	const box = input({ type: 'password', autocomplete: 'new-password', placeholder: texts.config.secretNew, oninput: () => changed(box.value === '' ? undefined : box.value) });
	const open = button({ label: texts.config.secretChange, kind: 'quiet', onclick: () => { box.hidden = false; kept.hidden = true; box.focus(); } });
	const drop = button({ label: texts.config.secretRemove, kind: 'quiet', onclick: () => { changed(null); line.show(null); } });
	const state = el('span', { class: 'secret-state' });
	const kept = el('div', { class: 'secret' }, state, open, drop);
	const line = {
		node: el('div', {}, kept, box), focus: box,
		show: (value) => {
			const removed = there && value === null, typed = value !== null && !(there && value === key.value);
			box.value = typed ? value : '';
			state.textContent = removed ? texts.config.secretRemoved : texts.config.secretSet;
			drop.hidden = removed;
			box.hidden = there && !typed;
			kept.hidden = !box.hidden;
		},
	};

	return line;
}

function mailbox(key, id, changed, context) {
	return text(key, id, changed, { list: context.users });
}

/* leave, delete, delete after TIME, seen, move FOLDER */
function atServer(key, id, changed) {
	const box = select(Object.entries(texts.fetch.atServer), { onchange: () => tell() });
	const after = measured(spans.filter(([u]) => u !== 'manual'), 's', 'd')({ ...key, preset: '7d' }, id, () => tell());
	const folder = input({ 'aria-label': texts.fetch.toFolder, placeholder: 'Archive', oninput: () => tell() });
	const more = el('div', { class: 'more-of' });
	const fit = () => {
		more.replaceChildren(...(box.value === 'after' ? [after.node] : box.value === 'move' ? [folder] : []));
	};
	const tell = () => {
		const [n, unit] = [...after.node.children].map((c) => c.value);
		fit();
		changed(box.value === 'after' ? `delete after ${n || '7'}${unit}` : box.value === 'move' ? `move ${folder.value.trim()}`.trim() : box.value);
	};

	return {
		node: el('div', { class: 'stacked' }, box, more), focus: box,
		show: (value) => {
			const words = (value ?? key.preset ?? 'leave').trim();
			const later = /^delete\s+after\s+(.+)$/i.exec(words), moved = /^move\s*(.*)$/i.exec(words);
			box.value = later ? 'after' : moved ? 'move' : words.toLowerCase();
			after.show(later ? later[1] : '7d');
			folder.value = moved ? moved[1] : '';
			fit();
		},
	};
}

/* mailbox NAME, local, all */
function routing(key, id, changed, context) {
	const box = select([['', '–'], ...Object.entries(texts.fetch.routing)], { onchange: () => tell() });
	const name = input({ 'aria-label': texts.fetch.mailbox, placeholder: texts.fetch.mailbox, list: context.users, autocapitalize: 'none', oninput: () => tell() });
	const tell = () => {
		name.hidden = box.value !== 'mailbox';
		changed(box.value === '' ? null : box.value === 'mailbox' ? `mailbox ${name.value.trim()}`.trim() : box.value);
	};

	return {
		node: el('div', { class: 'stacked' }, box, name), focus: box,
		show: (value) => {
			const words = partsOf(value);
			box.value = (words[0] ?? '').toLowerCase();
			name.value = words[1] ?? '';
			name.hidden = box.value !== 'mailbox';
		},
	};
}

const controls = {
	bool: yesNo, choice, number, size: measured(sizes, '', 'M'), duration: measured(spans.filter(([u]) => u !== 'manual'), 's', 'm'),
	interval: measured(spans, 's', 'm'), secret, mailbox, 'at server': atServer, routing,
};

/**
 * A line for a key of config list. value: what is to be shown, null when it is not set; changed(value or null; undefined: as it
 * was). context: { users: id of a datalist }. Returns the line: .setError(text or null), .show(value), .key, .focus().
 */
export function settingLine(key, { value, changed, context = {} }) {
	const id = newId('setting'), type = String(key.type).toLowerCase();
	const known = key.preset !== null && key.preset !== undefined && key.preset !== '';
	const preset = known ? showValue(key.preset, type) : null;
	const control = (controls[type] ?? (LISTS.has(type) ? list : text))(key, id, tell, context);
	const byDefault = el('span', { class: 'by-default' });
	const reset = button({ label: texts.config.useDefault, kind: 'quiet', class: 'small', 'aria-label': texts.config.useDefaultOf(key.key),
		onclick: () => { node.show(null); changed(null); control.focus.focus(); } });
	const error = el('p', { class: 'field-error', id: id + '-error', role: 'alert', hidden: true });
	const node = el('div', { class: 'setting', data: { key: key.key, section: key.section } },
		el('div', { class: 'setting-about' },
			/* A click on the name of a choice must not choose. */
			el(type === 'bool' ? 'span' : 'label', { class: 'setting-name', for: type === 'bool' ? null : id }, key.key),
			key.not_yet && el('span', { class: 'badge' }, texts.config.notYet(key.not_yet)),
			el('p', { class: 'help', id: id + '-help' }, key.meaning)),
		el('div', { class: 'setting-value' }, control.node, error, el('div', { class: 'setting-default' }, byDefault, reset)));

	function note(current) {
		const unset = current === null;
		byDefault.textContent = type === 'secret' ? '' : unset ? (known ? texts.config.byDefault(preset) : texts.config.byDefaultNone)
			: known ? texts.config.defaultIs(preset) : '';
		reset.hidden = unset || type === 'secret';
		node.classList.toggle('unset', unset);
	}
	function tell(current) {
		node.setError(null);
		note(current === undefined ? (key.set && key.value !== '' ? key.value : null) : current);
		changed(current);
	}
	if (control.node.getAttribute('role') || control.node === control.focus.closest('.tag-box'))
		control.node.setAttribute('aria-label', key.key);
	control.focus.id = id;
	control.focus.setAttribute('aria-describedby', `${id}-help ${id}-error`);
	node.key = key;
	node.focus = () => control.focus.focus();
	node.show = (current) => {
		control.show(current);
		note(current);
	};
	node.setError = (wrong) => {
		error.textContent = wrong ?? '';
		error.hidden = !wrong;
		control.focus.setAttribute('aria-invalid', String(Boolean(wrong)));
		node.classList.toggle('wrong', Boolean(wrong));
	};
	node.show(value);
	return node;
}
