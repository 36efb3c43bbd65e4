/*
 * User Management: accounts with mailbox, quota, what they hold, password and right; create, change, delete.
 */
import { session } from './api.js';
import { contentsOf, usersWithUsage } from './admin_mailboxes.js';
import { askMaster, card, heading, load, meter, notice, pill, row, rowMenu, searchBox, table } from './admin_page.js';
import { exactSize, parseSize } from './admin_values.js';
import { size } from './format.js';
import { avatar, button, checkbox, complain, confirm, dialog, el, emptyState, field, fill, form, iconButton, input, newId, toast } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.users;
let state = null;

/* Without letters and digits that look alike. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789';

function madeUp() {
	const bytes = crypto.getRandomValues(new Uint32Array(16));

	return Array.from(bytes, (n, i) => (i && i % 4 === 0 ? '-' : '') + LETTERS[n % LETTERS.length]).join('');
}

/** A password to be given to somebody: made up on request, then shown to be copied. .value, .setError(text). */
export function passwordField(label) {
	const box = input({ type: 'password', autocomplete: 'new-password', spellcheck: 'false' });
	const eye = iconButton({ label: t.show, icon: 'eye', onclick: () => reveal(box.type === 'password') });
	const copy = iconButton({ label: t.copy, icon: 'copy', hidden: true, onclick: async () => {
		try {
			await navigator.clipboard.writeText(box.value);
			toast(t.copied);
		} catch (error) {
			complain(error);
		}
	} });
	const make = button({ label: t.generate, icon: 'key', class: 'small', onclick: () => {
		box.value = madeUp();
		copy.hidden = !navigator.clipboard;
		reveal(true);
	} });
	const node = field({ label, control: box });
	const reveal = (on) => {
		box.type = on ? 'text' : 'password';
		eye.setAttribute('aria-pressed', String(on));
	};
	const line = el('div', { class: 'with-button' });

	box.replaceWith(line);
	line.append(box, eye, copy, make);
	Object.defineProperty(node, 'value', { get: () => box.value });
	return node;
}

/* The quota as typed: bytes for master, "none", or NaN. */
function quotaOf(text) {
	const bytes = parseSize(text);

	return text.trim() === '' ? 'none' : bytes > 0 ? String(bytes) : NaN;
}

function quotaField(user) {
	const control = input({ value: user?.quota ? exactSize(user.quota) : '', class: 'input short', placeholder: state.preset });

	return field({ label: t.quota, help: t.quotaNote(state.preset), control });
}

/* ---- new ---- */

function create() {
	const name = input({ autocapitalize: 'none', spellcheck: 'false', autofocus: true });
	const nameField = field({ label: t.name, help: t.nameNote, control: name });
	const password = passwordField(t.password);
	const mailbox = checkbox({ label: t.mailbox, help: t.mailboxNote, checked: true });
	const admin = checkbox({ label: t.admin, help: t.adminNote });
	const quota = quotaField(null);

	async function submit() {
		const called = name.value.trim(), bytes = quotaOf(quota.input.value);
		nameField.setError(called ? null : t.nameNeeded);
		password.setError(password.value ? null : t.passwordNeeded);
		quota.setError(Number.isNaN(bytes) ? t.quotaBad : null);
		if (!called || !password.value || Number.isNaN(bytes))
			return;
		await askMaster('user', 'add', called, password.value, mailbox.input.checked ? 'mailbox' : 'no-mailbox');
		try {
			if (bytes !== 'none')
				await askMaster('user', 'quota', called, bytes);
			if (admin.input.checked)
				await askMaster('user', 'admin', called, 'on');
			toast(t.created(called));
		} catch (error) {
			toast(`${t.partly(called)} ${error.message}`, { error: true });
		}
		node.shut();
		again().catch(complain);
	}
	const node = dialog({
		title: t.new,
		body: form({ buttons: [button({ label: t.create, kind: 'primary' }), button({ label: texts.cancel, onclick: () => node.shut() })], submit },
			nameField, password, quota, admin, mailbox),
	});
}

/* ---- change ---- */

function edit(user) {
	const self = user.name === session.user;
	const mailbox = checkbox({ label: t.mailbox, help: t.mailboxNote, checked: user.mailbox, onchange: () => fit() });
	const lost = notice('bad', null, `${t.mailboxLost} ${t.purgeNote(contentsOf(user.used))}`);
	const admin = checkbox({ label: t.admin, help: self && user.admin ? t.adminSelf : t.adminNote, checked: user.admin, disabled: self && user.admin });
	const quota = quotaField(user);
	const fit = () => { lost.hidden = !user.mailbox || mailbox.input.checked; };

	async function submit() {
		const bytes = quotaOf(quota.input.value), old = user.quota ? String(user.quota) : 'none';
		quota.setError(Number.isNaN(bytes) ? t.quotaBad : null);
		if (Number.isNaN(bytes))
			return;
		if (!lost.hidden && !await confirm({ title: texts.mailboxes.confirm(user.name), text: texts.mailboxes.lost(contentsOf(user.used)), action: texts.mailboxes.delete }))
			return;
		if (mailbox.input.checked !== user.mailbox) {
			await askMaster('user', 'mailbox', user.name, mailbox.input.checked ? 'on' : 'off');
			user.mailbox = mailbox.input.checked;		/* what is tried again after a failure begins here */
			fit();
		}
		if (bytes !== old) {
			await askMaster('user', 'quota', user.name, bytes);
			user.quota = bytes === 'none' ? 0 : Number(bytes);
		}
		if (admin.input.checked !== user.admin)
			await askMaster('user', 'admin', user.name, admin.input.checked ? 'on' : 'off');
		toast(t.saved(user.name));
		node.shut();
	}
	const node = dialog({
		title: t.editTitle(user.name),
		body: form({ buttons: [button({ label: texts.save, kind: 'primary' }), button({ label: texts.cancel, onclick: () => node.shut() })], submit },
			quota, admin, mailbox, lost),
	});
	fit();
	node.closed.then(again).catch(complain);		/* also when it was left after a part had been done */
}

function reset(user) {
	const password = passwordField(t.passwordNew);
	const node = dialog({
		title: t.resetTitle(user.name),
		body: form({
			buttons: [button({ label: t.reset, kind: 'primary' }), button({ label: texts.cancel, onclick: () => node.shut() })],
			submit: async () => {
				password.setError(password.value ? null : t.passwordNeeded);
				if (!password.value)
					return;
				await askMaster('user', 'passwd', user.name, password.value);
				toast(t.resetDone(user.name));
				node.shut();
			},
		}, password, el('p', { class: 'help' }, t.resetNote)),
	});
}

/* ---- delete ---- */

function remove(user) {
	const id = newId('what');
	const choices = [['keep', t.keep, t.keepNote], ['purge', t.purge, t.purgeNote(contentsOf(user.used))]].map(([value, label, note]) => {
		const radio = el('input', { type: 'radio', name: id, value, checked: value === 'keep', onchange: () => fit() });
		return { radio, node: el('label', { class: 'check' }, radio, el('span', {}, label, el('small', { class: 'help' }, note))) };
	});
	const typed = input({ autocapitalize: 'none', spellcheck: 'false' });
	const typedField = field({ label: t.typeName(user.name), control: typed });
	const purges = () => user.mailbox && choices[1].radio.checked;
	const fit = () => { typedField.hidden = !purges(); };
	const submit = async () => {
		if (purges() && typed.value.trim() !== user.name)
			return typedField.setError(t.typeName(user.name));
		await askMaster('user', 'del', user.name, purges() ? 'purge' : 'keep');
		toast(t.deleted(user.name));
		node.shut();
		again().catch(complain);
	};
	const node = dialog({
		title: t.deleteTitle(user.name),
		body: form({ buttons: [button({ label: t.delete, kind: 'danger' }), button({ label: texts.cancel, onclick: () => node.shut() })], submit },
			el('p', {}, t.deleteNote(user.name)), user.mailbox && el('div', { role: 'radiogroup', 'aria-label': t.mailbox }, choices.map((c) => c.node)), user.mailbox && typedField),
	});
	fit();
}

/* ---- the list ---- */

function usage({ mailbox, used }) {
	if (!mailbox)
		return pill(texts.mailboxes.none);
	if (!used)
		return '–';
	const text = used.limit ? t.of(size(used.bytes), size(used.limit)) : size(used.bytes);

	return el('div', { class: 'usage' }, used.limit ? meter(used.bytes / used.limit, text) : null, el('span', {}, text), ' ', el('small', { class: 'muted' }, t.messages(used.messages)));
}

function line(user) {
	const self = user.name === session.user;

	return row([
		el('div', { class: 'account-cell' }, avatar(user.name), el('div', {},
			el('button', { type: 'button', class: 'link', onclick: () => edit(user) }, user.name),
			self && el('small', { class: 'muted' }, ` (${t.you})`))),
		user.admin ? pill(t.admin, 'info') : '', user.mailbox ? (user.quota ? size(user.quota) : el('span', { class: 'muted' }, state.preset)) : '', usage(user),
		{ class: 'actions', in: rowMenu(user.name, () => [
			{ label: texts.edit, icon: 'pencil', onclick: () => edit(user) },
			{ label: t.reset, icon: 'key', onclick: () => reset(user) },
			'-', { label: t.delete, icon: 'trash', danger: true, disabled: self, onclick: () => remove(user) },
		]) },
	]);
}

function draw() {
	const fits = state.users.filter((user) => user.name.toLowerCase().includes(state.words));
	const bytes = state.users.reduce((sum, user) => sum + (user.used?.bytes ?? 0), 0);

	if (!state.users.length)
		return fill(state.list, emptyState({ icon: 'users', title: t.empty, text: t.emptyNote, action: button({ label: t.new, icon: 'plus', kind: 'primary', onclick: create }) }));
	state.total.textContent = t.total(state.users.length, size(bytes));
	if (!fits.length)
		return fill(state.list, el('p', { class: 'muted pad' }, t.noneFound));
	return fill(state.list, table(texts.panels.users[0], [t.name, t.rights, t.quota, t.usage, { label: texts.actions, hidden: true }], fits.map(line)));
}

async function again() {
	const { list } = state;
	const [users, config] = await Promise.all([usersWithUsage(), askMaster('config', 'list')]);
	const limit = config.keys.find((key) => key.key === 'Maximum Mailbox Size' && key.section === 'mail');

	if (list !== state.list)
		return;		/* another panel was shown meanwhile */
	state.users = users;
	state.preset = limit?.set && limit.value ? size(parseSize(limit.value)) : t.noLimit;
	draw();
}

export function show(body) {
	state = { users: [], preset: '', words: '', list: el('div', {}), total: el('span', { class: 'muted' }) };
	const content = el('div', {});

	fill(body, heading('users', button({ label: t.new, icon: 'plus', kind: 'primary', onclick: create })), content);
	load(content, async () => {
		await again();
		return card({}, el('div', { class: 'panel-tools' }, searchBox(t.find, (words) => { state.words = words; draw(); }), state.total), state.list);
	});
}
