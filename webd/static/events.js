/*
 * What happens meanwhile: the server's events go to the folders' counts, to listeners, into the window's title and, when it is
 * wanted, into a notification.
 */
import * as stream from './event_stream.js';
import * as folders from './folders.js';
import { personName } from './format.js';
import { prefs } from './preferences.js';
import { href } from './router.js';
import { T } from './texts.js';
import { announce } from './ui.js';

const listeners = { folder: new Set(), arrived: new Set(), outbox: new Set() };

/** name: folder, arrived or outbox; listener(data). Returns a function that ends it. */
export function on(name, listener) {
	listeners[name].add(listener);
	return () => listeners[name].delete(listener);
}

function tell(name, data) {
	listeners[name].forEach((listener) => listener(data));
}

function notify(message, leads) {
	const role = folders.byId(message.folder)?.role;

	if (['junk', 'trash', 'sent', 'drafts'].includes(role))
		return;
	announce(T.events.arrived(personName(message.from), message.subject));
	if (!leads || !prefs().notify || !document.hidden || !('Notification' in window) || Notification.permission !== 'granted')
		return;
	const note = new Notification(personName(message.from), { body: message.subject || T.list.noSubject, tag: `${message.folder}.${message.uid}`, icon: '/logo.svg' });
	note.onclick = () => {
		window.focus();
		location.hash = href(`mail/${message.folder}/${message.folder}.${message.uid}`);
		note.close();
	};
}

function folderChanged(change) {
	folders.update(change);
	tell('folder', change);
}

/* Notifications are the leader's, that there is one for all tabs. */
const heard = {
	folder: folderChanged,
	arrived: (message, leads) => {
		tell('arrived', message);
		notify(message, leads);
	},
	outbox: (data) => tell('outbox', data),
};

async function renew() {
	try {
		await folders.load(true);
	} catch {
		return;		/* the stream does not come, either, and its next one renews again */
	}
	folders.all().forEach((folder) => tell('folder', folder));
	tell('outbox', {});
}

/** Begins to listen, once a session. */
export function start() {
	stream.start({ hear: (name, data, leads) => heard[name](data, leads), renew });
}
