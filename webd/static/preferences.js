/* The user's settings: read once after logging in, saved piece by piece. */
import * as api from './api.js';

const DEFAULTS = {
	display_name: '', signature: '', signature_html: '', compose: 'plain', remote_images: 'ask', theme: 'auto', threads: false,
	notify: false, density: 'airy', quote: 'below', undo: 10,
};

let settings = { ...DEFAULTS };
let version = null;
let saving = Promise.resolve();
let reading = null;
const listeners = new Set();

/** The settings as they are known now. */
export function prefs() {
	return settings;
}

function take({ version: now, ...answer }) {
	settings = { ...DEFAULTS, ...answer };
	version = now;
}

export function load() {
	if (reading)
		return reading;
	const mine = api.get('settings').then((answer) => reading === mine && take(answer)).catch((error) => {
		if (reading === mine)
			reading = null;
		throw error;
	});
	return reading = mine;
}

/** Keeps changes over what the server has. What another session has changed meanwhile is taken in; nothing is kept when it is the same setting. */
async function keep(changes, before) {
	try {
		({ version } = await api.post('settings', { ...changes, version }));
		settings = { ...settings, ...changes };     // a conflict of an earlier change may have taken them back
	} catch (error) {
		const newer = error.details?.newer;
		if (!newer)
			throw error;
		const clash = Object.keys(changes).some((name) => newer[name] !== before[name] && newer[name] !== changes[name]);
		take(clash ? newer : { ...newer, ...changes });
		if (clash)
			throw error;
		listeners.forEach((listener) => listener(settings, newer));
		await keep(changes, newer);
	}
}

/** Changes some of them, here at once and then on the server, one change after the other. */
export function save(wanted) {
	const before = settings;
	const changes = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => before[name] !== value));

	settings = { ...settings, ...changes };
	listeners.forEach((listener) => listener(settings, changes));
	const done = saving.then(() => keep(changes, before)).catch((error) => {
		if (!error.details?.newer)
			settings = { ...settings, ...Object.fromEntries(Object.keys(changes).map((name) => [name, before[name]])) };
		listeners.forEach((listener) => listener(settings, changes));
		throw error;
	});
	saving = done.catch(() => {});
	return done;
}

/** Returns a function that ends it. */
export function onChange(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

addEventListener('logged-out', () => {
	reading = null;
	version = null;
	settings = { ...DEFAULTS };
});
