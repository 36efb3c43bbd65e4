/*
 * What is done to messages: flags, labels, moving, deleting. Shown at once, told to the server, taken back when that fails,
 * and undone on request. The mail page says with setView() which list is looked at.
 */
import * as api from './api.js';
import * as folders from './folders.js';
import * as labels from './labels.js';
import { keyOf } from './message_rows.js';
import { T } from './texts.js';
import { ask, complain, confirm, dialog, el, fill, icon, input, menu, toast } from './ui.js';

/** { list, reader, opened(): row or null, leave(next row or null) } */
let view = null;

export function setView(page) {
	view = page;
}

/* --- which messages --- */

/** What an action is for: what is picked, else the message that is open, else the row one is at. */
export function targets() {
	const { list } = view;

	if (list.all)
		return { all: true, rows: list.data.rows.filter(Boolean) };
	if (list.picked.size)
		return { all: false, rows: [...list.picked.values()] };
	const one = view.opened() ?? list.currentRow();
	return { all: false, rows: one ? [one] : [] };
}

function group(rows) {
	const items = new Map();

	for (const { folder, uid } of rows)
		items.set(folder, [...(items.get(folder) ?? []), uid]);
	return [...items].map(([folder, uids]) => ({ folder, uids }));
}

const countOf = (items) => items.reduce((sum, item) => sum + item.uids.length, 0);

/** By threads a row stands for all of its thread that is in the same folder. */
async function wholeThreads(rows) {
	const found = await Promise.all(rows.map(async (row) => {
		if (!view.list.data.query.threads || !(row.thread_total > 1))
			return [row];
		const { messages } = await api.get('thread', { thread: row.thread });
		const mine = messages.filter((message) => message.folder === row.folder);
		return mine.length ? mine : [row];
	}));

	return found.flat();
}

/** The messages as requests name them: [{folder, uids}]. */
async function itemsOf({ all, rows }) {
	if (!all)
		return group(await wholeThreads(rows));
	const { threads, ...query } = view.list.data.query;
	return (await api.get('uids', query)).uids;
}

/* --- flags --- */

const FLAGS = ['seen', 'answered', 'flagged', 'draft', 'forwarded'];

function flagged(row, add, remove) {
	const next = {};
	const labels = new Set(row.labels);

	for (const [names, on] of [[add, true], [remove, false]]) {
		for (const name of names) {
			if (FLAGS.includes(name))
				next[name] = on;
			else if (on)
				labels.add(name.slice('label:'.length));
			else
				labels.delete(name.slice('label:'.length));
		}
	}
	if ('seen' in next && row.thread_total > 1)
		next.thread_unread = next.seen ? 0 : Math.max(1, row.thread_unread ?? 0);
	return { ...next, labels: [...labels] };
}

/** Adds and removes flags (seen, flagged ..., label:NAME) of targets() or of what is given. */
export async function flag(add, remove = [], what = targets()) {
	const keys = new Set(what.rows.map(keyOf));
	const before = new Map(what.rows.map((row) => [keyOf(row), row]));

	if (!what.rows.length && !what.all)
		return;
	view.list.patch(keys, (row) => flagged(row, add, remove));
	view.reader.patch(keys, (row) => flagged(row, add, remove));
	for (const row of what.rows) {
		if (add.includes('seen') !== remove.includes('seen') && row.seen !== add.includes('seen'))
			folders.countAs(row.folder, { unread: add.includes('seen') ? -1 : 1 });
	}
	try {
		const items = await itemsOf(what);
		if (items.length)
			await api.post('flags', { items, add, remove });
		if (what.all)
			view.list.reload();
	} catch (error) {
		view.list.patch(keys, (row) => before.get(keyOf(row)));
		view.reader.patch(keys, (row) => before.get(keyOf(row)));
		complain(error);
		view.list.reload();
	}
}

export function markRead(read, what = targets()) {
	return flag(read ? ['seen'] : [], read ? [] : ['seen'], what);
}

/** Stars all, or takes the stars away when all have one. */
export function star(what = targets()) {
	const on = !what.rows.every((row) => row.flagged);

	return flag(on ? ['flagged'] : [], on ? [] : ['flagged'], what);
}

/* --- moving --- */

/** Takes the rows away, and goes on to the next message when the open one is among them. */
function take(rows) {
	const keys = new Set(rows.map(keyOf));
	const opened = view.opened();
	const next = view.list.remove(keys);

	if (opened && keys.has(keyOf(opened)))
		view.leave(next);
}

async function moveBack(moved) {
	const homes = new Map();

	for (const { from, to } of moved)
		homes.set(from.folder, [...(homes.get(from.folder) ?? []), to]);
	try {
		for (const [folder, places] of homes)
			await api.post('move', { items: group(places), to: folder });
		toast(T.actions.undone);
		await view.list.reload();
	} catch (error) {
		complain(error);
	}
}

/** Says what has failed; of what was moved before it did, Undo. */
function complainOfPart(error) {
	const { moved } = error.details ?? {};

	if (moved?.length)
		toast(error.message, { error: true, undo: () => moveBack(moved) });
	else
		complain(error);
	view.list.reload();
}

async function move(what, folder, say) {
	if (!what.rows.length && !what.all)
		return;
	try {
		const asked = itemsOf(what);
		if (!what.all)
			take(what.rows);
		const items = (await asked).filter((item) => item.folder !== folder.id);
		const { moved } = items.length ? await api.post('move', { items, to: folder.id }) : { moved: [] };
		if (what.all) {
			view.list.clearPicks();
			view.leave(null);
		}
		toast(say(countOf(items)), { undo: moved?.length ? () => moveBack(moved) : null });
		if (what.all || view.list.data.query.threads)
			view.list.reload();
	} catch (error) {
		complainOfPart(error);
	}
}

export function moveTo(folder, what = targets()) {
	return move(what, folder, (n) => T.actions.moved(n, folders.label(folder)));
}

/** A special folder, made when it is not there. */
async function special(role) {
	if (!folders.byRole(role)) {
		await api.post('folders/create', { name: T.folders.roles[role] });
		await folders.load(true);
	}
	return folders.byRole(role) ?? folders.all().find((folder) => folder.name === T.folders.roles[role]);
}

async function moveToRole(role, say, what) {
	try {
		const folder = await special(role);
		await move(what, folder, say);
	} catch (error) {
		complain(error);
	}
}

export function archive(what = targets()) {
	return moveToRole('archive', T.actions.archived, what);
}

/** Into Junk, or out of it into the Inbox. */
export function junk(what = targets()) {
	const inJunk = what.rows.length && what.rows.every((row) => folders.byId(row.folder)?.role === 'junk');

	return inJunk ? moveToRole('inbox', T.actions.notJunk, what) : moveToRole('junk', T.actions.junked, what);
}

async function removeForGood(what) {
	try {
		const items = await itemsOf(what);
		const sure = await confirm({ title: T.actions.removeTitle(countOf(items)), text: T.actions.removeText, action: T.actions.removeAction });
		if (!sure)
			return;
		if (what.all) {
			view.list.clearPicks();
			view.leave(null);
		} else
			take(what.rows);
		const { n } = await api.post('remove', { items });
		toast(T.actions.removed(n ?? countOf(items)));
		if (what.all || view.list.data.query.threads)
			view.list.reload();
	} catch (error) {
		complain(error);
		view.list.reload();
	}
}

/** Into the Trash; what lies there or in Junk goes for good. */
export function trash(what = targets()) {
	const last = what.rows.length && what.rows.every((row) => ['trash', 'junk'].includes(folders.byId(row.folder)?.role));

	return last ? removeForGood(what) : moveToRole('trash', T.actions.trashed, what);
}

/* --- choosing a folder or labels --- */

/** A dialog to choose a folder by typing; gives the folder or null. */
export async function chooseFolder(title) {
	const list = el('div', { class: 'choices', role: 'listbox', 'aria-label': title });
	const search = input({ placeholder: T.actions.findFolder, 'aria-label': T.actions.findFolder, autofocus: true });
	const node = dialog({ title, body: [search, list] });
	let at = 0;

	const matching = () => folders.all().filter((folder) => folders.fullLabel(folder).toLowerCase().includes(search.value.trim().toLowerCase()));
	const draw = () => {
		const found = matching();
		at = Math.max(0, Math.min(at, found.length - 1));
		fill(list, found.length ? found.map((folder, i) => el('div', { class: 'choice', role: 'option', 'aria-selected': i === at, onclick: () => node.shut(folder) },
			icon(folders.iconOf(folder)), el('span', {}, folders.fullLabel(folder)))) : el('p', { class: 'muted' }, T.actions.noFolder));
		list.children[at]?.scrollIntoView({ block: 'nearest' });
	};
	search.addEventListener('input', () => { at = 0; draw(); });
	search.addEventListener('keydown', (event) => {
		if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
			at += event.key === 'ArrowDown' ? 1 : -1;
			draw();
			event.preventDefault();
		} else if (event.key === 'Enter' && matching()[at]) {
			node.shut(matching()[at]);
			event.preventDefault();
		}
	});
	draw();
	return await node.closed ?? null;
}

export async function chooseAndMove() {
	const what = targets();

	if (!what.rows.length)
		return;
	const folder = await chooseFolder(T.actions.moveTo);
	if (folder)
		moveTo(folder, what);
}

export async function chooseAndCopy() {
	const what = targets();
	const folder = what.rows.length ? await chooseFolder(T.actions.copyTo) : null;

	if (!folder)
		return;
	try {
		const items = await itemsOf(what);
		await api.post('copy', { items, to: folder.id });
		toast(T.actions.copied(countOf(items), folders.label(folder)));
	} catch (error) {
		complain(error);
	}
}

/* What other mail programs can read, too: it is a keyword of IMAP. */
function labelProblem(name) {
	return /^[a-z\d][\w.-]{0,39}$/i.test(name) ? null : T.actions.labelRule;
}

/** A menu to give and take labels. */
export function labelMenu(anchor) {
	const what = targets();
	const has = (label) => what.rows.every((row) => row.labels.some((one) => one.toLowerCase() === label.toLowerCase()));

	if (!what.rows.length)
		return;
	menu(anchor, [
		{ heading: T.actions.label },
		...labels.all().map(({ name: label }) => ({ label, checked: has(label), onclick: () => (has(label) ? flag([], ['label:' + label], what) : flag(['label:' + label], [], what)) })),
		'-',
		{ label: T.actions.newLabel, icon: 'plus', onclick: async () => {
			const name = await ask({ title: T.actions.newLabel, label: T.folders.name, action: T.actions.labelAction, check: labelProblem });
			if (name)
				await flag(['label:' + name], [], what);
		} },
	], { label: T.actions.label });
}
