/* The user's folders with their counts, as the server last told them. Others listen with onChange(). */
import * as api from './api.js';
import { T } from './texts.js';

const ROLES = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash'];

let folders = [];
let space = { usage: 0, limit: null };
let reading = null;
const listeners = new Set();

/** Returns a function that ends it. */
export function onChange(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

function tell() {
	listeners.forEach((listener) => listener());
}

function rank(folder) {
	const at = ROLES.indexOf(folder.role);

	return at < 0 ? ROLES.length : at;
}

function put(list) {
	folders = list.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, undefined, { numeric: true, sensitivity: 'base' }));
	tell();
}

/** Of a folder that an event has told of since it was asked for, what that said. */
function newer(folder) {
	const known = byId(folder.id);

	return known?.modseq > folder.modseq ? { ...folder, ...known } : folder;
}

/** Reads the folders; with again also when they are known. */
export function load(again = false) {
	if (again)
		reading = null;
	if (reading)
		return reading;
	const mine = api.get('folders').then((answer) => {
		if (reading !== mine)		/* asked for anew, or another user's by now */
			return reading;
		space = { usage: answer.usage, limit: answer.limit };
		return void put(answer.folders.map(newer));
	}).catch((error) => {
		if (reading === mine)
			reading = null;
		throw error;
	});
	return reading = mine;
}

export const all = () => folders;
export const usage = () => space;
export const byId = (id) => folders.find((folder) => folder.id === Number(id));
export const byRole = (role) => folders.find((folder) => folder.role === role);

/** What an event said of one folder. */
export function update(change) {
	if (change.gone)
		return put(folders.filter((folder) => folder.id !== change.id));
	const known = byId(change.id);
	if (!known)
		return put([...folders, { subscribed: true, ...change }]);
	const renamed = change.name !== undefined && known.name !== change.name;
	Object.assign(known, change);
	return renamed ? put(folders) : tell();
}

/** Counts one has changed oneself, until the server tells. */
export function countAs(id, { total = 0, unread = 0 }) {
	const folder = byId(id);

	if (!folder)
		return;
	folder.total = Math.max(0, folder.total + total);
	folder.unread = Math.max(0, folder.unread + unread);
	tell();
}

/** The last level of its name; the special ones by what they are for. */
export function label(folder) {
	return (folder.role && T.folders.roles[folder.role]) || folder.name.split('/').at(-1);
}

/** The whole name, for choosing among all. */
export function fullLabel(folder) {
	return folder.role ? label(folder) : folder.name.split('/').join(' / ');
}

export function iconOf(folder) {
	return { inbox: 'inbox', drafts: 'draft', sent: 'send', archive: 'archive', junk: 'junk', trash: 'trash' }[folder.role] ?? 'folder';
}

/** The number beside a folder: of unread messages, in Drafts of all. */
export function countShown(folder) {
	return folder.role === 'drafts' ? folder.total : ['sent', 'trash'].includes(folder.role) ? 0 : folder.unread;
}

addEventListener('logged-out', () => {
	folders = [];
	reading = null;
});
