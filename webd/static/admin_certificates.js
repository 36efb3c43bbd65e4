/*
 * Certificates in Server Configuration: the one of [tls], which clients get that ask for no name that another one has, and
 * those of [certificate NAME], chosen by the name that a client asks for (SNI); with a form to add, change and remove them.
 */
import { setConfig, tellSaved } from './admin_form.js';
import { askMaster, card, load, pill, row, rowMenu, table } from './admin_page.js';
import { showDay, showUntil } from './admin_values.js';
import { button, complain, confirm, dialog, el, field, form, input } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.certificates;
const SOON_DAYS = 21, LATE_DAYS = 7;

/** How long a certificate of stats is good, and what is wrong with it. */
export function goodFor({ file, until, problem, unusable }) {
	const days = (until - Date.now() / 1000) / 86400;

	if (problem)
		return [pill(unusable ? t.unused : t.wrong, unusable ? 'bad' : 'warn'), el('small', { class: 'why-not' }, problem)];
	return pill(days < 0 ? texts.status.certOver(file) : texts.status.validUntil(showDay(until), showUntil(until)), days < LATE_DAYS ? 'bad' : days < SOON_DAYS ? 'warn' : 'good');
}

/* The controls of a section's keys: [field] with .key. */
function fieldsOf(keys) {
	return keys.map((key) => Object.assign(field({ label: key.key, help: key.meaning,
		control: input({ value: key.value ?? '', spellcheck: 'false', autocapitalize: 'none', placeholder: t.paths[key.key] ?? '' }) }), { key }));
}

/* Shows at each field what is wrong with it; what belongs to none is thrown on. */
function showProblems(fields, error) {
	const found = error.details?.problems ?? [];
	const own = (f) => found.find((p) => p.key === f.key.key || p.text.startsWith(`${f.key.key}:`));

	fields.forEach((f) => f.setError(own(f)?.text.replace(`${f.key.key}: `, '') ?? null));
	if (!fields.some(own))
		throw error;
}

/* section: {name, keys} of one that is there, or {keys} for a new one. */
function edit(section, again) {
	const isNew = section.name === undefined;
	const name = input({ value: section.name ?? '', spellcheck: 'false', autocapitalize: 'none', placeholder: 'shop', autofocus: isNew, disabled: !isNew });
	const nameField = field({ label: t.name, help: isNew ? t.nameNote : null, control: name });
	const fields = fieldsOf(section.keys);
	const submit = async () => {
		const called = name.value.trim();
		const changes = fields.map(({ key, input: control }) => ({ section: `certificate ${called}`, key: key.key, value: control.value.trim() || null }))
			.filter((c, i) => (c.value ?? '') !== (section.keys[i].value ?? ''));
		nameField.setError(called ? null : t.nameNeeded);
		fields.forEach((f) => f.setError(f.input.value.trim() ? null : t.fileNeeded));
		if (!called || fields.some((f) => !f.input.value.trim()))
			return;
		try {
			const answer = isNew ? await askMaster('certificate', 'add', called, JSON.stringify(changes.map(({ key, value }) => ({ key, value })))) : await setConfig(changes);
			tellSaved(t.saved(called), answer, again);
		} catch (error) {
			return showProblems(fields, error);
		}
		node.shut();
		again();
	};
	const node = dialog({
		title: isNew ? t.new : t.editTitle(section.name),
		body: form({ buttons: [button({ label: texts.save, kind: 'primary' }), button({ label: texts.cancel, onclick: () => node.shut() })], submit },
			el('p', { class: 'help' }, t.fileNote), nameField, fields),
	});
}

async function remove(name, again) {
	if (!await confirm({ title: t.removeTitle(name), text: t.removeNote, action: texts.remove }))
		return;
	try {
		tellSaved(t.removed(name), await askMaster('certificate', 'del', name), again);
	} catch (error) {
		complain(error);
	}
	again();
}

/* known: what stats say of it, or undefined */
function line(section, known, again) {
	const used = section.keys.find((key) => key.key === 'Certificate')?.value;

	return row([el('button', { type: 'button', class: 'link', onclick: () => edit(section, again) }, section.name),
		known ? el('div', { class: 'tag-line' }, known.names.map((name) => el('span', { class: 'tag' }, name))) : '–',
		known ? goodFor(known) : pill(t.unread, 'bad'), el('code', {}, used || '–'), { class: 'actions', in: rowMenu(section.name, () => [
			{ label: texts.edit, icon: 'pencil', onclick: () => edit(section, again) },
			'-', { label: texts.remove, icon: 'trash', danger: true, onclick: () => remove(section.name, again) },
		]) }]);
}

/** The card with all of them. */
export function certificateForms(id) {
	const content = el('div', {});
	let keys = [];
	const add = button({ label: t.new, icon: 'plus', onclick: () => edit({ keys }, again) });

	function again() {
		return load(content, async () => {
			const [answer, { certificates }] = await Promise.all([askMaster('certificate', 'sections'), askMaster('stats')]);
			const of = (section) => certificates.find((c) => c.section === section && c.key === 'Certificate');
			const own = of('tls');

			keys = answer.keys;
			return table(t.title, [t.name, t.names, t.until, t.file, { label: texts.actions, hidden: true }], [
				row([el('span', {}, t.main), own ? [el('div', { class: 'tag-line' }, own.names.map((name) => el('span', { class: 'tag' }, name))), el('small', { class: 'muted' }, t.others)] : t.others,
					own ? goodFor(own) : pill(t.unread, 'bad'), el('code', {}, own?.file ?? '–'), '']),
				...answer.sections.map((section) => line(section, of(`certificate ${section.name}`), again))]);
		});
	}
	again();
	return card({ id, title: t.title, note: t.note, actions: [add] }, content);
}
