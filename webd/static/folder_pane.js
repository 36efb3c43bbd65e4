/* The side navigation of mail: write, the folders as a tree with counts, outbox and stories; folders are made, renamed and removed here. */
import * as api from './api.js';
import * as folders from './folders.js';
import * as labels from './labels.js';
import { moveTo } from './actions.js';
import { number, size } from './format.js';
import { go, here, href } from './router.js';
import { T } from './texts.js';
import { ask, button, complain, confirm, el, fill, icon, iconButton, menu, toast } from './ui.js';

let pane = null;
let list = null;
let quota = null;
const entries = new Map();		/* what stands in the list: { text: what it shows, node } */

function closedOnes() {
	try {
		return new Set(JSON.parse(localStorage.getItem('closed-folders') ?? '[]'));
	} catch {
		return new Set();
	}
}

const closed = closedOnes();

function fold(name) {
	if (!closed.delete(name))
		closed.add(name);
	try {
		localStorage.setItem('closed-folders', JSON.stringify([...closed]));
	} catch { /* remembered until the page is left */ }
	draw();
}

function nameProblem(name) {
	if (name.split('/').some((level) => !level.trim()))
		return T.folders.emptyLevel;
	if (folders.all().some((folder) => folder.name.toLowerCase() === name.toLowerCase()))
		return T.folders.exists;
	return null;
}

async function create(parent = null) {
	const name = await ask({ title: parent ? T.folders.createIn(folders.fullLabel(parent)) : T.folders.create, label: T.folders.name, action: T.folders.createAction,
		help: parent ? null : T.folders.nameHelp, check: (text) => nameProblem(parent ? `${parent.name}/${text}` : text) });

	if (!name)
		return;
	try {
		const { id } = await api.post('folders/create', { name: parent ? `${parent.name}/${name}` : name });
		await folders.load(true);
		go(`mail/${id}`);
	} catch (error) {
		complain(error);
	}
}

async function rename(folder) {
	const name = await ask({ title: T.folders.rename(folders.label(folder)), label: T.folders.name, value: folder.name, action: T.folders.renameAction, help: T.folders.nameHelp,
		check: (text) => (text === folder.name ? null : nameProblem(text)) });

	if (!name || name === folder.name)
		return;
	try {
		await api.post('folders/rename', { id: folder.id, name });
		await folders.load(true);
	} catch (error) {
		complain(error);
	}
}

async function remove(folder) {
	const sure = await confirm({ title: T.folders.removeTitle(folders.label(folder)), text: T.folders.removeText(folder.total), action: T.folders.removeAction });

	if (!sure)
		return;
	try {
		await api.post('folders/remove', { id: folder.id });
		await folders.load(true);
		go('mail');
	} catch (error) {
		complain(error);
	}
}

/** Removes for good all that is in Trash or Junk. */
export async function empty(folder) {
	const sure = await confirm({ title: T.folders.emptyTitle(folders.label(folder)), text: T.folders.emptyText(folder.total), action: T.folders.emptyAction });

	if (!sure)
		return;
	try {
		const { n } = await api.post('folders/empty', { id: folder.id });
		toast(T.actions.removed(n));
	} catch (error) {
		complain(error);
	}
}

async function markAllRead(folder) {
	try {
		const { uids } = await api.get('uids', { folder: folder.id, filter: 'unread' });
		if (uids.some((item) => item.uids.length))
			await api.post('flags', { items: uids, add: ['seen'], remove: [] });
	} catch (error) {
		complain(error);
	}
}

function folderMenu(anchor, { id }, at = null) {
	const folder = folders.byId(id);

	if (!folder)
		return;
	menu(anchor, [
		{ label: T.folders.markRead, icon: 'mail-open', disabled: !folder.unread, onclick: () => markAllRead(folder) },
		['trash', 'junk'].includes(folder.role) && { label: T.folders.emptyAction, icon: 'trash', danger: true, disabled: !folder.total, onclick: () => empty(folder) },
		folder.role !== 'inbox' && { label: T.folders.createInMenu, icon: 'plus', onclick: () => create(folder) },
		!folder.role && { label: T.folders.renameMenu, icon: 'pencil', onclick: () => rename(folder) },
		!folder.role && { label: T.folders.removeMenu, icon: 'trash', danger: true, onclick: () => remove(folder) },
	], { at, label: folders.label(folder) });
}

/** Messages dragged onto a folder go there. */
function acceptDrop(node, folder) {
	const messages = (event) => event.dataTransfer.types.includes('application/x-messages');

	node.addEventListener('dragover', (event) => {
		if (!messages(event))
			return;
		event.preventDefault();
		event.dataTransfer.dropEffect = 'move';
		node.classList.add('drop');
	});
	node.addEventListener('dragleave', () => node.classList.remove('drop'));
	node.addEventListener('drop', (event) => {
		node.classList.remove('drop');
		if (messages(event)) {
			event.preventDefault();
			moveTo(folder);
		}
	});
}

function folderLink(folder, depth, parentOf, current) {
	const count = folders.countShown(folder);
	const name = folders.label(folder);
	const link = el('a', {
		class: ['side-link', 'folder', folder.unread && folder.role !== 'trash' && 'unread'], href: href(`mail/${folder.id}`), draggable: 'false',
		'aria-current': folder.id === current ? 'page' : null, title: folder.name === 'INBOX' ? null : folder.name,
		'aria-label': folder.role === 'drafts' ? T.folders.drafts(name, folder.total) : T.folders.unread(name, count),
		oncontextmenu: (event) => {
			event.preventDefault();
			folderMenu(link, folder, { x: event.clientX, y: event.clientY });
		},
	}, icon(folders.iconOf(folder)), el('span', {}, name), count ? el('span', { class: 'count' }, number(count)) : null);
	const row = el('li', { class: `folder-row depth-${Math.min(depth, 6)}` },
		parentOf ? el('button', { type: 'button', class: 'fold', 'aria-label': closed.has(folder.name) ? T.folders.unfold(name) : T.folders.fold(name),
			'aria-expanded': !closed.has(folder.name), onclick: () => fold(folder.name) }, icon(closed.has(folder.name) ? 'chevron-right' : 'chevron-down')) : null,
		link, iconButton({ label: T.folders.menu(name), icon: 'more', class: 'folder-more', 'aria-haspopup': 'menu', onclick: (event) => folderMenu(event.currentTarget, folder) }));

	acceptDrop(row, folder);
	return row;
}

function labelLink({ name, total, unread }) {
	return el('li', {}, el('a', {
		class: ['side-link', 'folder', unread && 'unread'], href: href('mail/0', { label: name }), 'aria-current': here().params.get('label') === name ? 'page' : null,
		'aria-label': T.folders.unread(name, unread), title: T.folders.labelled(total),
	}, icon('label'), el('span', { dir: 'auto' }, name), unread ? el('span', { class: 'count' }, number(unread)) : null));
}

/** The depth counts the levels that are folders themselves: a missing one in between is not shown. */
function tree() {
	const names = new Map(folders.all().map((folder) => [folder.name, folder]));

	return folders.all().map((folder) => {
		const levels = folder.name.split('/');
		const above = levels.slice(0, -1).map((_level, i) => levels.slice(0, i + 1).join('/')).filter((name) => names.has(name));
		return { folder, depth: above.length, hidden: above.some((name) => closed.has(name)) };
	});
}

/** The entry as it was, unless it shows something else now: what one is just pressing stays in its place. */
function entry(key, shown, make) {
	const text = JSON.stringify(shown);
	const kept = entries.get(key);

	if (kept?.text === text)
		return kept.node;
	const node = make();
	entries.set(key, { text, node });
	return node;
}

function put(nodes) {
	const same = nodes.length === list.children.length && nodes.every((node, i) => node === list.children[i]);

	if (!same)
		fill(list, nodes);
}

function draw() {
	if (!pane)
		return;
	const [page, id] = here().path;
	const current = page === 'mail' && !here().params.get('q') ? Number(id) || folders.byRole('inbox')?.id : null;
	const shown = tree();
	const special = shown.filter(({ folder }) => folder.role);
	const own = shown.filter(({ folder }) => !folder.role && folder.subscribed !== false);
	const parents = (folder) => own.some((other) => other.folder.name.startsWith(folder.name + '/'));
	const focused = pane.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
	const links = (found) => found.filter(({ hidden }) => !hidden).map(({ folder, depth }) => {
		const { modseq, total, ...shown } = folder;
		return entry(folder.id, [shown, total > 0, folders.countShown(folder), depth, parents(folder), closed.has(folder.name), folder.id === current],
			() => folderLink(folder, depth, parents(folder), current));
	});
	const used = labels.all().filter(({ total }) => total);
	const link = (address, picture, text, on) => entry(address, on, () => el('li', {}, el('a', { class: 'side-link', href: address, 'aria-current': on ? 'page' : null }, icon(picture), el('span', {}, text))));

	put([...links(special), link(href('outbox'), 'outbox', T.outbox.title, page === 'outbox'),
		entry('own', null, () => el('li', { class: 'side-heading-row' }, el('span', { class: 'side-heading' }, T.folders.own),
			iconButton({ label: T.folders.create, icon: 'plus', class: 'small-button', onclick: () => create() }))),
		...(own.length ? links(own) : [entry('none', null, () => el('li', { class: 'side-hint' }, T.folders.none))]),
		...(used.length ? [entry('labels', null, () => el('li', { class: 'side-heading' }, T.folders.labels))] : []),
		...used.map((label) => entry(`label:${label.name}`, [label, here().params.get('label') === label.name], () => labelLink(label))),
		entry('help', null, () => el('li', { class: 'side-heading' }, T.folders.help)),
		link(href('trace'), 'map', T.trace.title, page === 'trace')]);
	if (focused && !pane.contains(document.activeElement))
		list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
	drawQuota();
}

function drawQuota() {
	const { usage, limit } = folders.usage();
	const part = limit ? Math.min(1, usage / limit) : 0;
	const bar = el('span', { class: ['quota-bar', part > .9 && 'full'] }, el('i'));

	bar.firstChild.style.setProperty('width', `${Math.max(1, part * 100)}%`);
	quota.hidden = typeof usage !== 'number';
	fill(quota, limit ? [bar, el('span', {}, T.folders.quota(size(usage), size(limit)))] : el('span', {}, T.folders.usage(size(usage))));
}

/** The pane; compose() begins a message. */
export function folderPane(compose) {
	if (!pane) {
		list = el('ul', { class: 'side-links' });
		quota = el('div', { class: 'quota' });
		pane = el('nav', { class: 'folder-pane', 'aria-label': T.folders.title },
			el('div', { class: 'compose-button' }, button({ label: T.compose.action, icon: 'pencil', kind: 'primary', class: 'wide', onclick: compose, title: T.compose.hint })), list, quota);
		folders.onChange(draw);
		labels.onChange(draw);
	}
	draw();
	return pane;
}

addEventListener('logged-out', () => {
	pane = null;
	entries.clear();
});
