/*
 * The form of one remote mailbox, made from the keys of its section; a new one is added first, and removed again when its
 * settings are not right.
 */
import { settingsForm, setConfig, tellSaved } from './admin_form.js';
import { askMaster, load } from './admin_page.js';
import { href } from './router.js';
import { el, field, fill, icon, input, newId } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.fetch;

/* What a section that is not there yet has: the keys of any other, or of a moment's one. */
async function newKeys(sections) {
	if (sections.length)
		return sections[0].keys.map((key) => ({ ...key, set: false, value: null }));
	const { keys } = await askMaster('config', 'list');
	return keys.filter((key) => key.section === 'fetch *').map((key) => ({ ...key, set: false, value: null }));
}

function groupsOf(keys) {
	return Object.entries(t.groups).map(([id, [title, names]]) => ({ id: `fetch-${id}`, title, keys: names.map((n) => keys.find((key) => key.key === n)).filter(Boolean) }));
}

async function addSection(name, changes) {
	await askMaster('fetch', 'add', name);
	try {
		return await setConfig(changes.map((change) => ({ ...change, section: `fetch ${name}` })));
	} catch (error) {
		await askMaster('fetch', 'del', name).catch(() => {});
		throw error;
	}
}

/** name: of a section, null for a new one; done(): it is saved. */
export function fetchForm(body, name, done) {
	const content = el('div', { class: 'panel-body' });
	const nameInput = input({ autocapitalize: 'none', spellcheck: 'false', class: 'input short' });
	const nameField = field({ label: t.name, help: t.nameNote, control: nameInput });

	fill(body, el('header', { class: 'panel-head' }, el('div', {}, el('a', { class: 'back', href: href(['admin', 'fetch']) }, icon('arrow-left'), t.back),
		el('h1', {}, name === null ? t.new : t.editTitle(name)))), content);
	load(content, async () => {
		const [{ sections }, accounts] = await Promise.all([askMaster('fetch', 'sections'), askMaster('user', 'list').catch(() => ({ users: [] }))]);
		const users = newId('users');
		const found = sections.find((s) => s.name === name);
		if (name !== null && !found)
			throw Object.assign(new Error(t.gone(name)), { status: 404 });
		const keys = found ? found.keys.map((key) => ({ ...key, section: `fetch ${name}` })) : await newKeys(sections);
		const groups = groupsOf(keys);
		if (name === null)
			groups[0].extra = el('div', { class: 'setting' }, nameField);
		const form = settingsForm({
			panel: `fetch ${name ?? '+'}`, groups, context: { users },
			save: async (changes) => {
				const wanted = nameInput.value.trim();
				nameField.setError(name !== null || wanted ? null : t.nameNeeded);
				if (name === null && !wanted) {
					nameInput.focus();
					throw Object.assign(new Error(t.nameNeeded), { status: 400 });
				}
				return name === null ? addSection(wanted, changes) : setConfig(changes);
			},
			saved: (answer) => {
				tellSaved(t.saved(name ?? nameInput.value.trim()), answer, done);
				done();
			},
		});
		return [el('datalist', { id: users }, accounts.users.map((user) => el('option', { value: user.name }))), form];
	});
}
