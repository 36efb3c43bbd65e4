/* The user's settings: read once after logging in, saved piece by piece. */
import * as api from './api.js';

const DEFAULTS = {
	display_name: '', signature: '', signature_html: '', compose: 'plain', remote_images: 'ask', theme: 'auto', threads: false,
	notify: false, density: 'airy', quote: 'below', undo: 10,
};

let settings = { ...DEFAULTS };
let reading = null;
const listeners = new Set();

/** The settings as they are known now. */
export function prefs() {
	return settings;
}

export function load() {
	reading ??= api.get('settings').then((answer) => {
		settings = { ...DEFAULTS, ...answer };
	}).catch((error) => {
		reading = null;
		throw error;
	});
	return reading;
}

/** Changes some of them, here at once and then on the server. */
export async function save(changes) {
	const before = settings;

	settings = { ...settings, ...changes };
	listeners.forEach((listener) => listener(settings, changes));
	try {
		await api.post('settings', changes);
	} catch (error) {
		settings = before;
		listeners.forEach((listener) => listener(settings, changes));
		throw error;
	}
}

/** Returns a function that ends it. */
export function onChange(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

addEventListener('logged-out', () => {
	reading = null;
	settings = { ...DEFAULTS };
});
