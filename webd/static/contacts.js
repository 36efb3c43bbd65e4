/* The address book: a list beside the contact one looks at or changes; import and export as vCard. */
import * as api from './api.js';
import * as compose from './compose.js';
import { prepare } from './mail.js';
import { go, here, href } from './router.js';
import * as shell from './shell.js';
import { setKeys } from './shortcuts.js';
import { T } from './texts.js';
import { avatar, button, busy, complain, confirm, download, el, emptyState, errorState, field, fill, form, icon, iconButton, input, menu, skeleton, textarea, toast } from './ui.js';

let contacts = null;
let stale = true;		/* to be read (again) before they are shown */
let parts = null;

async function load() {
	contacts = (await api.get('contacts')).contacts.sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
	stale = false;
}

const nameOf = (contact) => contact.name || contact.emails[0] || contact.organization || T.contacts.unnamed;
const byId = (id) => contacts.find((contact) => String(contact.id) === id);

function matching(q) {
	const words = q.toLowerCase().split(/\s+/).filter(Boolean);

	return contacts.filter((contact) => {
		const text = [contact.name, contact.organization, ...contact.emails, ...contact.phones].join(' ').toLowerCase();
		return words.every((word) => text.includes(word));
	});
}

function drawList() {
	const found = matching(parts.search.value);
	const [, current] = here().path;
	let letter = null;

	if (!contacts.length)
		return fill(parts.list, emptyState({ icon: 'users', title: T.contacts.none, text: T.contacts.noneText, action: button({ label: T.contacts.create, icon: 'plus', kind: 'primary', onclick: () => go('contacts/new') }) }));
	if (!found.length)
		return fill(parts.list, emptyState({ icon: 'search', title: T.contacts.notFound }));
	fill(parts.list, el('ul', { class: 'contact-list' }, found.map((contact) => {
		const first = [...nameOf(contact)][0]?.toLocaleUpperCase() ?? '#';
		const heading = first !== letter ? el('li', { class: 'contact-letter', 'aria-hidden': 'true' }, first) : null;
		letter = first;
		return [heading, el('li', {}, el('a', { class: 'contact-link', href: href(`contacts/${contact.id}`), 'aria-current': String(contact.id) === current ? 'true' : null },
			avatar(contact.name, contact.emails[0]), el('span', {}, el('strong', { dir: 'auto' }, nameOf(contact)), el('small', {}, contact.emails[0] && contact.name ? contact.emails[0] : contact.organization))))];
	})));
}

function lines(title, values, make) {
	return values.length ? [el('dt', {}, title), el('dd', {}, values.map((value) => el('div', {}, make(value))))] : null;
}

function drawContact(contact) {
	const remove = async () => {
		if (!await confirm({ title: T.contacts.removeTitle(nameOf(contact)), text: T.contacts.removeText, action: T.remove }))
			return;
		try {
			await api.post('contacts/remove', { ids: [contact.id] });
			contacts = contacts.filter((one) => one !== contact);
			go('contacts', {}, { replace: true });
			toast(T.contacts.removed(nameOf(contact)));
		} catch (error) {
			complain(error);
		}
	};

	fill(parts.detail, el('div', { class: 'contact-card' },
		el('header', {}, backButton(), avatar(contact.name, contact.emails[0]), el('div', {}, el('h2', { dir: 'auto' }, nameOf(contact)), contact.organization && el('p', { class: 'muted' }, contact.organization))),
		el('div', { class: 'contact-actions' },
			contact.emails[0] && button({ label: T.contacts.write, icon: 'mail', kind: 'primary', onclick: () => compose.to({ name: contact.name, address: contact.emails[0] }) }),
			button({ label: T.contacts.edit, icon: 'pencil', onclick: () => go(`contacts/${contact.id}/edit`) }),
			contact.emails[0] && button({ label: T.contacts.mails, icon: 'search', onclick: () => go('mail/0', { q: `from:${contact.emails[0]}` }) }),
			iconButton({ label: T.remove, icon: 'trash', onclick: remove })),
		el('dl', { class: 'contact-lines' },
			lines(T.contacts.emails, contact.emails, (address) => el('button', { type: 'button', class: 'link-button', onclick: () => compose.to({ name: contact.name, address }) }, address)),
			lines(T.contacts.phones, contact.phones, (number) => el('a', { href: `tel:${number.replace(/[^\d+*#]/g, '')}` }, number)),
			lines(T.contacts.note, contact.note ? [contact.note] : [], (text) => el('p', { class: 'pre', dir: 'auto' }, text)))));
}

function backButton() {
	return iconButton({ label: T.reader.back, icon: 'arrow-left', class: 'back', onclick: () => go('contacts', {}, { replace: true }) });
}

const listed = (text) => text.split(/[\n,;]+/).map((part) => part.trim()).filter(Boolean);

/** The id; null: another session has changed the contact meanwhile, and that shall stay. */
async function save(contact) {
	try {
		return (await api.post('contacts/save', { contact })).id;
	} catch (error) {
		const newer = error.details?.contact;
		if (!newer)
			throw error;
		const mine = await confirm({ title: T.contacts.clashTitle, text: T.contacts.clashText(nameOf(newer)), action: T.contacts.clashAction, danger: false });
		return mine ? save({ ...contact, version: newer.version }) : null;
	}
}

function drawForm(contact) {
	const name = input({ value: contact?.name ?? '', maxlength: 200, dir: 'auto' });
	const emails = textarea({ value: contact?.emails.join('\n') ?? '', rows: 2, spellcheck: 'false' });
	const phones = textarea({ value: contact?.phones.join('\n') ?? '', rows: 2 });
	const organization = input({ value: contact?.organization ?? '', maxlength: 200, dir: 'auto' });
	const note = textarea({ value: contact?.note ?? '', rows: 3, dir: 'auto', maxlength: 4000 });
	const emailField = field({ label: T.contacts.emails, help: T.contacts.perLine, control: emails });
	const leave = () => go(contact ? `contacts/${contact.id}` : 'contacts', {}, { replace: true });

	fill(parts.detail, el('div', { class: 'contact-card' }, el('header', {}, backButton(), el('h2', {}, contact ? T.contacts.editTitle : T.contacts.create)),
		form({
			buttons: [button({ label: T.save, kind: 'primary' }), button({ label: T.cancel, onclick: leave })],
			submit: async () => {
				const next = { id: contact?.id ?? null, version: contact?.version, name: name.value.trim(), emails: listed(emails.value), phones: listed(phones.value), organization: organization.value.trim(), note: note.value.trim() };
				const wrong = next.emails.find((address) => !/^[^\s@<>]+@[^\s@<>]+$/.test(address));
				emailField.setError(wrong ? T.compose.wrong(wrong) : next.name || next.emails.length || next.organization ? null : T.contacts.needSomething);
				if (wrong || !(next.name || next.emails.length || next.organization))
					return;
				const id = await save(next);
				stale = true;
				if (id)
					toast(T.saved);
				go(`contacts/${id ?? next.id}`, {}, { replace: true });
			},
		}, field({ label: T.contacts.name, control: name }), emailField, field({ label: T.contacts.phones, help: T.contacts.perLine, control: phones }),
		field({ label: T.contacts.organization, control: organization }), field({ label: T.contacts.note, control: note }))));
	name.focus();
}

async function importFile(file, anchor) {
	try {
		const { n } = await busy(anchor, api.postRaw('contacts/import', 'text/vcard', file));
		await load();
		drawList();
		toast(T.contacts.imported(n));
	} catch (error) {
		complain(error);
	}
}

function build() {
	const file = el('input', { type: 'file', accept: '.vcf,text/vcard', hidden: true, 'aria-label': T.contacts.importAction, onchange: () => {
		if (file.files[0])
			importFile(file.files[0], more);
		file.value = '';
	} });
	const more = iconButton({ label: T.more, icon: 'more', 'aria-haspopup': 'menu', onclick: () => menu(more, [
		{ label: T.contacts.importAction, icon: 'upload', onclick: () => file.click() },
		{ label: T.contacts.exportAction, icon: 'download', onclick: () => download(api.url('contacts/export')) },
	]) });

	parts = { search: input({ type: 'search', placeholder: T.contacts.search, 'aria-label': T.contacts.search, oninput: drawList }), list: el('div', { class: 'contacts-scroller' }), detail: el('section', { class: 'contact-detail', 'aria-label': T.contacts.one }) };
	parts.node = el('div', { class: 'contacts' }, el('section', { class: 'contacts-pane', 'aria-label': T.contacts.title },
		el('div', { class: 'contacts-bar' }, el('h1', {}, T.contacts.title), button({ label: T.contacts.create, icon: 'plus', onclick: () => go('contacts/new') }), more, file),
		el('div', { class: 'contacts-search' }, parts.search), parts.list), parts.detail);
}

export async function show(container, path) {
	if (!api.session.mail) {
		shell.setPage({ name: 'contacts', title: T.shell.contacts });
		return fill(container, shell.noMailbox());
	}
	if (!parts)
		fill(container, skeleton(10));
	try {
		const side = await prepare();
		if (stale)
			await load();
		if (here().path[0] !== 'contacts' || here().path.slice(1).join('/') !== path.join('/'))
			return;
		if (!parts)
			build();
		shell.setPage({ name: 'contacts', title: T.contacts.title, side });
		if (container.firstChild !== parts.node)
			fill(container, parts.node);
		setKeys({ c: () => compose.blank(), '/': () => parts.search.focus(), 'g i': () => go('mail'), Escape: () => go('contacts', {}, { replace: true }) });
		drawList();
		const contact = path[0] && byId(path[0]);
		parts.node.classList.toggle('reading', path.length > 0);
		if (path[0] === 'new')
			drawForm(null);
		else if (contact && path[1] === 'edit')
			drawForm(contact);
		else if (contact)
			drawContact(contact);
		else
			fill(parts.detail, el('div', { class: 'empty' }, icon('users', 'large'), el('p', {}, T.contacts.choose)));
	} catch (error) {
		if (error.status !== 401)
			fill(container, errorState(error, () => show(container, path)));
	}
}

addEventListener('logged-out', () => {
	contacts = null;
	stale = true;
	parts = null;
});
