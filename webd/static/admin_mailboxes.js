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
