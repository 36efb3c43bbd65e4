/*
 * The forms of Mail Configuration that create and delete the mailboxes of accounts.
 */
import { askMaster, card, load, pill, row, table, workButton } from './admin_page.js';
import { size } from './format.js';
import { href } from './router.js';
import { confirm, el, fill, toast } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.mailboxes;

/** What a mailbox holds, in words, when usage says so. */
export function contentsOf(used) {
	return used ? texts.users.contents(used.messages, size(used.bytes)) : texts.users.contentsUnknown;
}

/** Accounts and what their mailboxes hold: [{name, admin, mailbox, quota, used or null}]. */
export async function usersWithUsage() {
	const [{ users }, usage] = await Promise.all([askMaster('user', 'list'), askMaster('usage').catch(() => ({ users: [] }))]);
	const used = new Map(usage.users.map((u) => [u.name, u]));

	return users.map((user) => ({ ...user, used: used.get(user.name) ?? null })).sort((a, b) => a.name.localeCompare(b.name));
}

/** The mailboxes that a field may name, as its list. */
export function mailboxList(id, users) {
	return el('datalist', { id }, users.filter((user) => user.mailbox).map((user) => el('option', { value: user.name })));
}

function namedBy({ key, value }) {
	if (key === 'Routing')
		return /^mailbox\b\s*(.*)$/i.exec(value ?? '')?.[1];
	return key === 'Unknown Mailbox' && value ? value : undefined;
}

/** Changes that name a mailbox which is not there, as the problems of config set. users: of user list, [] when they are not known. */
export function mailboxProblems(changes, users) {
	const there = new Set(users.filter((user) => user.mailbox).map((user) => user.name));

	return changes.flatMap(({ section, key, value }) => {
		const name = namedBy({ key, value });
		if (name === undefined || (name && (there.size === 0 || there.has(name.toLowerCase()))))
			return [];
		return [{ section, key, text: name ? t.notThere(name) : t.which }];
	});
}

function line(user, again) {
	const create = () => workButton({ label: t.create, class: 'small', 'aria-label': t.createFor(user.name) }, async () => {
		await askMaster('user', 'mailbox', user.name, 'on');
		toast(t.created(user.name));
		again();
	});
	const remove = () => workButton({ label: t.delete, class: 'small', kind: 'danger', 'aria-label': t.removeFor(user.name) }, async () => {
		if (!await confirm({ title: t.confirm(user.name), text: t.lost(contentsOf(user.used)), action: t.delete }))
			return;
		await askMaster('user', 'mailbox', user.name, 'off');
		toast(t.deleted(user.name));
		again();
	});

	return row([user.name, user.mailbox ? contentsOf(user.used) : pill(t.none), { class: 'actions', in: user.mailbox ? remove() : create() }]);
}

export function mailboxForms(id) {
	const content = el('div', {});
	const again = () => load(content, async () => {
		const users = await usersWithUsage();
		if (!users.length)
			return el('p', { class: 'muted' }, t.noUsers);
		return table(t.title, [texts.users.name, texts.users.usage, { label: texts.actions, hidden: true }], users.map((user) => line(user, again)));
	});

	again();
	return card({ id, title: t.title, note: t.note, actions: [el('a', { class: 'button plain', href: href(['admin', 'users']) }, t.all)] }, content);
}
