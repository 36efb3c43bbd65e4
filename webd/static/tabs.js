/*
 * The tabs of this browser in which the same user is logged in: what one tells reaches the others, and one of them leads, which
 * is to hold what there need be only once. When it goes, another one leads.
 */

/* What tabs tell: 'event' (from the leader's stream), 'renewed' (its stream is new), 'logged-out', 'leads?' and 'leads'. */
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

/* --- who leads --- */

/* A browser may stop a tab that nobody sees, which then leads nobody: who is looked at asks whether it still does. */
const ANSWER_MS = 3000;

let turns = null;		/* { lead, lose, signal, waiting: AbortController of the request for the lock, leads } */
let timer = 0;

const lockName = () => `lead ${login}`;

/** Waits for the lock, or takes it from a leader that says nothing; holds it until the turns end or another takes it. */
async function hold(mine, steal) {
	const ended = new Promise((done) => mine.signal.addEventListener('abort', done));

	mine.waiting?.abort();
	mine.waiting = steal ? null : new AbortController();
	const { waiting } = mine;
	try {
		await navigator.locks.request(lockName(), steal ? { steal } : { signal: waiting.signal }, () => {
			if (mine.signal.aborted)
				return undefined;
			mine.leads = true;
			mine.lead();
			return ended;
		});
	} catch (error) {
		if (mine.signal.aborted || waiting?.signal.aborted)
			return;
		if (error.name !== 'AbortError')
			console.error(error);
		else if (mine.leads) {		/* taken by another tab */
			mine.leads = false;
			mine.lose();
			hold(mine, false);
		}
	}
}

/** Calls lead() when it is this tab's turn, lose() when it is another's after all; at once where tabs cannot agree. signal: ends it. */
export function takeTurns(lead, lose, signal) {
	if (!channel || !navigator.locks)
		return lead();
	turns = { lead, lose, signal, waiting: null, leads: false };
	const mine = turns;
	signal.addEventListener('abort', () => {
		clearTimeout(timer);
		mine.waiting?.abort();
	});
	hold(mine, false);
}

on('leads?', () => turns?.leads && !turns.signal.aborted && tell('leads'));
on('leads', () => clearTimeout(timer));

document.addEventListener('visibilitychange', () => {
	const mine = turns;

	if (document.hidden || !login || !mine || mine.leads || mine.signal.aborted)
		return;
	tell('leads?');
	clearTimeout(timer);
	timer = setTimeout(() => mine === turns && !mine.leads && !mine.signal.aborted && hold(mine, true), ANSWER_MS);
});
