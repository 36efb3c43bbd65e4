/*
 * The tabs of this browser in which the same user is logged in: what one tells reaches the others, and one of them leads, which
 * is to hold what there need be only once. When it goes, another one leads.
 */

/** What a tab may tell: 'event' (from the leader's stream), 'renewed' (its stream is new), 'logged-out'. */
const listeners = new Map();
const channel = 'BroadcastChannel' in window ? new BroadcastChannel('sambar') : null;

let login = null;		/* what the tabs of one login have in common; null: nobody is logged in here */
let whenEntered = () => {};

/** listener(data) hears what other tabs of the same login tell. */
export function on(what, listener) {
	listeners.set(what, listener);
}

/** Calls back when somebody has logged in in another tab: the browser's session is that one then, whatever was here. */
export function onEntered(callback) {
	whenEntered = callback;
}

export function tell(what, data = null) {
	if (login)
		channel?.postMessage({ login, what, data });
}

/** Somebody is logged in; token: of the session. */
export function enter(token) {
	login = token;
	tell('entered');
}

export function leave() {
	login = null;
}

channel?.addEventListener('message', ({ data: { login: theirs, what, data } }) => {
	if (login === theirs)
		listeners.get(what)?.(data);
	else if (what === 'entered')
		whenEntered();
});

/** Calls lead() when it is this tab's turn, at once where tabs cannot agree; signal: of an AbortController, ends it. */
export function takeTurns(lead, signal) {
	const ended = new Promise((done) => signal.addEventListener('abort', done));

	if (!channel || !navigator.locks)
		return lead();
	navigator.locks.request(`lead ${login}`, { signal }, () => {
		lead();
		return ended;
	}).catch((error) => signal.aborted || console.error(error));
}
