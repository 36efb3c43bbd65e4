/*
 * What happens meanwhile: the server's event stream goes to the folders' counts, to listeners, into the window's title and,
 * when it is wanted, into a notification.
 */
import * as api from './api.js';
import * as folders from './folders.js';
import { personName } from './format.js';
import { prefs } from './preferences.js';
import { href } from './router.js';
import { T } from './texts.js';
import { announce } from './ui.js';

const RETRY_MS = 5000;

let source = null;
let timer = 0;
const listeners = { folder: new Set(), arrived: new Set(), outbox: new Set() };

/** name: folder, arrived or outbox; listener(data). Returns a function that ends it. */
export function on(name, listener) {
	listeners[name].add(listener);
	return () => listeners[name].delete(listener);
}

function tell(name, data) {
	listeners[name].forEach((listener) => listener(data));
}

function notify(message) {
	const role = folders.byId(message.folder)?.role;

	if (['junk', 'trash', 'sent', 'drafts'].includes(role))
		return;
	announce(T.events.arrived(personName(message.from), message.subject));
	if (!prefs().notify || !document.hidden || !('Notification' in window) || Notification.permission !== 'granted')
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

/** Streams end when the server or the network does; whether the session has ended only a request can tell. */
function again(wait = RETRY_MS) {
	clearTimeout(timer);
	timer = setTimeout(async () => {
		try {
			await api.get('session');
			await folders.load(true);
			if (!api.session)
				return;
			begin();
			folders.all().forEach((folder) => tell('folder', folder));
		} catch (error) {
			if (error.status !== 401)
				again();
		}
	}, wait);
}

function begin() {
	source?.close();
	source = api.stream('events', {}, {
		folder: folderChanged,
		arrived: (message) => {
			tell('arrived', message);
			notify(message);
		},
		outbox: (data) => tell('outbox', data),
		bye: () => {
			end();
			again();
		},
		error: (stream) => {
			if (stream.readyState === EventSource.CLOSED && stream === source)
				again();
		},
	});
}

function end() {
	clearTimeout(timer);
	source?.close();
	source = null;
}

/** Begins to listen, once a session. */
export function start() {
	if (!source)
		begin();
}

addEventListener('logged-out', end);
/* A page that the browser keeps for its back button would keep its stream, and a server gets six connections at most. */
addEventListener('pagehide', end);
addEventListener('pageshow', (event) => event.persisted && api.session && again(0));
