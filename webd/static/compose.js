/*
 * Writing: windows at the bottom of the page, several at a time (on phones one over all), what they begin with, and what can be
 * done after Send: it can be undone for some seconds.
 */
import * as api from './api.js';
import { Composer } from './composer.js';
import { personText, shortDate, timeOfDay } from './format.js';
import { caretIn, emptyLetter, identityFor, withBody } from './letters.js';
import { T } from './texts.js';
import { announce, complain, confirm, el, toast } from './ui.js';

const WINDOWS_MAX = 4;

let windows = [];
let container = null;
let identities = null;
let owner = null;

async function loadIdentities() {
	identities ??= (await api.get('identities')).identities;
	return identities;
}

/* --- after sending --- */

/** Without a copy that could be a draft again the text would be lost: only if the user says so. */
async function throwAway(id) {
	if (!await confirm({ title: T.outbox.noCopyTitle, text: T.outbox.noCopyText, action: T.outbox.noCopyAction }))
		return;
	const { partly } = await api.post('outbox/cancel', { id, discard: true });

	toast(partly ? T.outbox.partly : T.outbox.thrownAway);
}

/** Takes a message of the outbox back, to be written on. */
export async function takeBack(id) {
	try {
		const { draft: place } = await api.post('outbox/cancel', { id });

		toast(place ? T.outbox.cancelled : T.outbox.partly);
		if (place)
			await draft(place);
	} catch (error) {
		if (error.code === 'no-copy')
			await throwAway(id).catch(complain);
		else
			complain(error);
	}
}

function tellSent({ id, release, sent }, at) {
	if (!sent)
		toast(T.compose.noCopy, { error: true });
	if (at) {
		toast(T.compose.willSend(shortDate(at), timeOfDay(at)), { undo: () => takeBack(id) });
		return;
	}
	const seconds = Math.max(0, release - Math.floor(Date.now() / 1000));

	if (!seconds)
		return void toast(T.compose.sent);
	const note = toast(T.compose.sending, { seconds: Math.min(seconds, 60), undo: () => {
		clearTimeout(timer);
		takeBack(id);
	} });
	const timer = setTimeout(() => {
		note.shut();
		announce(T.compose.sent);
	}, Math.min(seconds, 60) * 1000);
}

/* --- beginning --- */

function forget(composer) {
	windows = windows.filter((one) => one !== composer);
	document.body.classList.toggle('composing', windows.length > 0);
}

async function openWindow(letter, options = {}) {
	try {
		await loadIdentities();
	} catch (error) {
		return void complain(error);
	}
	const same = windows.find((one) => letter.draft && one.letter.draft === letter.draft);
	if (same) {
		same.node.classList.remove('minimized');
		return void same.subject.focus();
	}
	if (windows.length >= WINDOWS_MAX)
		return void toast(T.compose.tooMany, { error: true });
	if (!container?.isConnected) {
		container = el('div', { class: 'composers' });
		document.body.append(container);
	}
	owner = api.session.user;
	const composer = new Composer(letter, { identities, closed: forget, sent: tellSent, title: T.compose.title, ...options });
	windows.forEach((one) => one.node.classList.remove('large'));
	windows.push(composer);
	container.append(composer.node);
	document.body.classList.add('composing');
	composer.focusAt(options.focus ?? 'to', options.caret ?? 0);
}

export function blank(fields = {}) {
	return openWindow(withBody({ ...emptyLetter(), ...fields }, null), { focus: fields.to ? 'text' : 'to' });
}

/** A message to one person. */
export function to(person) {
	return blank({ to: [personText(person)] });
}

async function answer(message, everybody) {
	await loadIdentities().catch(complain);
	const { quote, subject } = message.reply;
	const cc = everybody ? message.reply.cc : [];
	const letter = withBody({
		...emptyLetter(), from: identityFor(message, identities), to: message.reply.to.map(personText), cc: cc.map(personText), subject,
		reply: { folder: message.folder, uid: message.uid },
	}, quote);

	return openWindow(letter, { focus: 'text', caret: caretIn(letter.text, quote) });
}

export function reply(message) {
	return answer(message, false);
}

export function replyAll(message) {
	return answer(message, true);
}

/** Forwards: the text with its attachments, or the whole message attached. */
export async function forward(message, { attached = false } = {}) {
	const { folder, uid } = message;
	const parts = message.attachments.filter((part) => !part.inline || !message.html);
	const letter = withBody({
		...emptyLetter(), subject: message.forward.subject, forward: { folder, uid },
		attachments: attached ? [{ folder, uid }] : parts.map(({ part }) => ({ folder, uid, part })),
	}, attached ? null : message.forward.quote);
	const names = attached ? [{ name: `${message.subject || T.list.noSubject}.eml`, size: message.size }] : parts.map(({ name, size }) => ({ name, size }));

	return openWindow(letter, { names });
}

/** Goes on with a draft: { folder, uid }. */
export async function draft({ folder, uid }) {
	try {
		const letter = { ...emptyLetter(), ...await api.get('draft', { folder, uid }), draft: uid };
		const unnamed = letter.attachments.some((one) => !one.name);
		const parts = unnamed ? (await api.get('message', { folder, uid })).attachments : [];
		const names = letter.attachments.map((one) => (one.name ? one : parts.find((part) => part.part === one.part) ?? { name: T.attach.unnamed, size: 0 }));
		await openWindow(letter, { title: T.compose.draft, focus: letter.to.length ? 'text' : 'to', names });
	} catch (error) {
		complain(error);
	}
}

/** After logging in again: what another user left open goes. */
export function resume() {
	if (owner !== api.session.user)
		[...windows].forEach((one) => one.leave());
}

addEventListener('logged-out', () => { identities = null; });
addEventListener('beforeunload', (event) => {
	if (windows.some((one) => one.isChanged))
		event.preventDefault();
});
