/* The labels of the mailbox with their counts, as the server last told them; asked again after folders have changed. */
import * as api from './api.js';
import * as folders from './folders.js';

const SETTLE_MS = 500;		/* what changes many messages changes folders many times */

let labels = [];
let timer = 0;
let asking = null;
let again = false;		/* something has changed since it was asked */
const listeners = new Set();
let ended = null;		/* ends listening to the folders */
let heard = '';			/* the folders' states when they were last told of */

/** Returns a function that ends it. */
export function onChange(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

/** [{ name, total, unread }], also those of no message now; without the marks that mail programs set for themselves. */
export const all = () => labels;

async function ask() {
	const mine = {};

	if (asking) {
		again = true;
		return;
	}
	asking = mine;
	try {
		const answer = await api.get('labels');
		if (asking === mine) {
			labels = answer.labels.filter(({ name }) => !name.startsWith('$'));
			listeners.forEach((listener) => listener());
		}
	} catch { /* what was known stays; the next change asks again */ }
	if (asking !== mine)
		return;
	asking = null;
	if (again)
		soon();
	again = false;
}

function soon() {
	timer ||= setTimeout(() => {
		timer = 0;
		ask();
	}, SETTLE_MS);
}

/** Asks for them, and from then on whenever messages have changed. Once a session. */
export function start() {
	const now = () => folders.all().map((folder) => `${folder.id} ${folder.modseq}`).join();

	if (ended)
		return;
	heard = now();
	ended = folders.onChange(() => {
		const state = now();
		if (state !== heard)
			soon();
		heard = state;
	});
	ask();
}

addEventListener('logged-out', () => {
	ended?.();
	clearTimeout(timer);
	labels = [];
	timer = 0;
	ended = asking = null;
	again = false;
});
