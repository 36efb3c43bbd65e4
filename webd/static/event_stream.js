/*
 * The server's event stream, once for all tabs of a login, as a browser opens few connections to a server: the tab that leads
 * (tabs.js) has it, and passes on what it hears. Streams end when the server or the network does, and the leader with its tab:
 * whoever opens the next one has all tabs read anew what they may have missed.
 */
import * as api from './api.js';
import * as tabs from './tabs.js';

const RETRY_MS = 5000;
const NAMES = ['folder', 'arrived', 'outbox'];

let ending = null;		/* AbortController of what was started */
let source = null;
let timer = 0;
/** What the page does: hear(name, data, leads), renew(). */
let page = null;

/** Whether the session has ended only a request can tell. */
function again() {
	const mine = ending;

	clearTimeout(timer);
	timer = setTimeout(async () => {
		try {
			await api.get('session');
			if (ending === mine)
				open();
		} catch (error) {
			if (ending === mine && error.status !== 401)
				again();
		}
	}, RETRY_MS);
}

function shut() {
	clearTimeout(timer);
	source?.close();
	source = null;
}

function open() {
	const pass = (name) => (data) => {
		page.hear(name, data, true);
		tabs.tell('event', { name, data });
	};

	shut();
	source = api.stream('events', {}, {
		...Object.fromEntries(NAMES.map((name) => [name, pass(name)])),
		open: () => {
			page.renew();
			tabs.tell('renewed');
		},
		bye: () => {
			shut();
			again();
		},
		error: (stream) => {
			if (stream.readyState === EventSource.CLOSED && stream === source)
				again();
		},
	});
}

/** Begins to listen, once a session. */
export function start(handlers) {
	page = handlers;
	if (ending)
		return;
	ending = new AbortController();
	tabs.takeTurns(open, shut, ending.signal);
}

function stop() {
	shut();
	ending?.abort();
	ending = null;
}

/* Where tabs cannot agree, each has a stream of its own. */
tabs.on('event', ({ name, data }) => ending && !source && page.hear(name, data, false));
tabs.on('renewed', () => ending && !source && page.renew());

addEventListener('logged-out', stop);

/** After it has heard nothing for a while. */
function resume() {
	if (!api.session || !page)
		return;
	start(page);
	page.renew();
}

/* A page that the browser keeps for its back button, or stops because nobody sees it, would keep its stream and hear nothing. */
addEventListener('pagehide', stop);
addEventListener('pageshow', (event) => event.persisted && resume());
document.addEventListener('freeze', stop);
document.addEventListener('resume', resume);
