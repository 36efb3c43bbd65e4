/*
 * The form of one remote mailbox, made from the keys of its section; a new one is added with them, or not at all.
 */
import { settingsForm, setConfig, tellSaved } from './admin_form.js';
import { mailboxList, mailboxProblems } from './admin_mailboxes.js';
import { askMaster, load } from './admin_page.js';
import { href } from './router.js';
import { el, field, fill, icon, input, newId } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.fetch;

/* What a section that is not there yet has: nothing, in each of its keys. */
function newKeys({ sections, keys }) {
	return (keys ?? sections[0]?.keys ?? []).map((key) => ({ ...key, section: 'fetch', set: false, value: null }));
}

function groupsOf(keys) {
	return Object.entries(t.groups).map(([id, [title, names]]) => ({ id: `fetch-${id}`, title, keys: names.map((n) => keys.find((key) => key.key === n)).filter(Boolean) }));
}

/* All or nothing, as config set. */
function addSection(name, changes) {
	return askMaster('fetch', 'add', name, JSON.stringify(changes.map(({ key, value }) => ({ key, value }))));
}

/** name: of a section, null for a new one; done(): it is saved. */
export function fetchForm(body, name, done) {
	const content = el('div', { class: 'panel-body' });
	const nameInput = input({ autocapitalize: 'none', spellcheck: 'false', class: 'input short' });
	const nameField = field({ label: t.name, help: t.nameNote, control: nameInput });

	fill(body, el('header', { class: 'panel-head' }, el('div', {}, el('a', { class: 'panel-back', href: href(['admin', 'fetch']) }, icon('arrow-left'), t.back),
		el('h1', {}, name === null ? t.new : t.editTitle(name)))), content);
	load(content, async () => {
		const [answer, accounts] = await Promise.all([askMaster('fetch', 'sections'), askMaster('user', 'list').catch(() => ({ users: [] }))]);
		const users = newId('users');
		const found = answer.sections.find((s) => s.name === name);
		if (name !== null && !found)
			throw Object.assign(new Error(t.gone(name)), { status: 404 });
		const keys = found ? found.keys.map((key) => ({ ...key, section: `fetch ${name}` })) : newKeys(answer);
		const groups = groupsOf(keys);
		if (name === null)
			groups[0].extra = el('div', { class: 'setting' }, nameField);
		const form = settingsForm({
			panel: `fetch ${name ?? '+'}`, groups, context: { users }, check: (changes) => mailboxProblems(changes, accounts.users),
			save: async (changes) => {
				const wanted = nameInput.value.trim();
				nameField.setError(name !== null || wanted ? null : t.nameNeeded);
				if (name === null && !wanted) {
					nameInput.focus();
					throw Object.assign(new Error(t.nameNeeded), { status: 400 });
				}
				return name === null ? addSection(wanted, changes) : setConfig(changes);
			},
			saved: (saved) => {
				tellSaved(t.saved(name ?? nameInput.value.trim()), saved, done);
				done();
			},
		});
		return [mailboxList(users, accounts.users), form];
	});
}
