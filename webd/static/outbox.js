/* The outbox: one's own messages that are still here, what became of each recipient, what the remote server said, and Cancel. */
import * as api from './api.js';
import * as compose from './compose.js';
import * as events from './events.js';
import { dateAndTime, fullDate, number } from './format.js';
import { prepare } from './mail.js';
import { go, here, href } from './router.js';
import * as shell from './shell.js';
import { setKeys } from './shortcuts.js';
import { T } from './texts.js';
import { button, busy, el, emptyState, errorState, fill, icon, iconButton, skeleton } from './ui.js';

const REFRESH_MS = 15000;

let sheet = null;
let timer = 0;
let turn = 0;

/** One sentence on how it stands. */
function standing(message) {
	const now = Date.now() / 1000;

	if (message.held)
		return T.outbox.held;
	if (message.state === 'sending')
		return T.outbox.sending;
	if (message.state === 'deferred')
		return T.outbox.deferred(message.attempts, message.next > now ? dateAndTime(message.next) : null);
	if (message.release > now + 60)
		return T.outbox.later(fullDate(message.release));
	return message.release > now ? T.outbox.soon(Math.ceil(message.release - now)) : T.outbox.waiting;
}

/** status: pending, done or failed; one that is pending with a reply was tried. */
function recipient({ to, status, reply }) {
	const state = status === 'pending' && reply ? 'tried' : status;
	const kind = { done: 'ok', failed: 'danger', tried: 'warn' }[state];

	return el('li', {}, el('span', { class: 'outbox-to' }, to), el('span', { class: ['badge', kind] }, T.outbox.statuses[state] ?? state), reply && el('p', { class: 'outbox-reply mono', dir: 'auto' }, reply));
}

function card(message) {
	const cancel = button({ label: T.outbox.cancel, icon: 'undo', onclick: async () => {
		try {
			await busy(cancel, compose.takeBack(message.id));
		} finally {
			draw();
		}
	} });

	return el('article', { class: ['card', 'outbox-card', message.state] }, el('header', {}, icon(message.state === 'deferred' ? 'alert' : 'clock'),
		el('div', {}, el('h2', { dir: 'auto' }, message.subject || T.list.noSubject), el('p', { class: 'muted' }, standing(message))),
		message.state !== 'sending' && cancel),
	el('ul', {}, message.recipients.map(recipient)),
	el('footer', { class: 'muted small' }, el('time', {}, T.outbox.written(fullDate(message.arrival))), el('a', { href: href('trace', { what: message.recipients[0]?.to }) }, T.trace.title)));
}

/** A card stays while it says the same, and keeps the focus when it says something else: it is drawn each second. */
function drawCards(messages) {
	const known = new Map([...sheet.list.children].filter((node) => node.shown).map((node) => [node.message, node]));
	const cards = messages.map((message) => {
		const shown = JSON.stringify([message, standing(message)]);
		const before = known.get(message.id);
		return before?.shown === shown ? before : Object.assign(card(message), { message: message.id, shown });
	});
	const focused = sheet.list.contains(document.activeElement) ? document.activeElement : null;
	const place = focused?.closest('.outbox-card')?.message;

	if (cards.length === sheet.list.children.length && cards.every((node, i) => node === sheet.list.children[i]))
		return;
	fill(sheet.list, cards);
	if (focused)
		(focused.isConnected ? focused : cards.find((node) => node.message === place)?.querySelector(focused.tagName))?.focus({ preventScroll: true });
}

async function draw() {
	const mine = ++turn;

	clearTimeout(timer);
	if (!sheet?.isConnected)
		return;
	try {
		const { messages } = await api.get('outbox');
		if (mine !== turn)
			return;
		if (messages.length)
			drawCards(messages.sort((a, b) => b.arrival - a.arrival));
		else
			fill(sheet.list, emptyState({ icon: 'outbox', title: T.outbox.empty, text: T.outbox.emptyText }));
		sheet.count.textContent = messages.length ? number(messages.length) : '';
		timer = setTimeout(draw, messages.some((message) => message.release * 1000 > Date.now() && message.release * 1000 < Date.now() + 60e3) ? 1000 : REFRESH_MS);
	} catch (error) {
		if (mine === turn && error.status !== 401)
			fill(sheet.list, errorState(error, draw));
	}
}

events.on('outbox', draw);

export async function show(container) {
	const list = el('div', { class: 'outbox-list' }, skeleton(6));
	const count = el('span', { class: 'list-total' });

	sheet = el('div', { class: 'sheet' }, el('header', { class: 'sheet-head' }, el('h1', {}, T.outbox.title, ' ', count), iconButton({ label: T.list.refresh, icon: 'refresh', onclick: draw })),
		el('p', { class: 'muted' }, T.outbox.lead), list);
	Object.assign(sheet, { list, count });
	try {
		const side = await prepare();
		if (here().path[0] !== 'outbox')
			return;
		shell.setPage({ name: 'mail', title: T.outbox.title, side });
		fill(container, sheet);
		setKeys({ c: () => compose.blank(), 'g i': () => go('mail') });
		await draw();
	} catch (error) {
		if (error.status !== 401)
			fill(container, errorState(error, () => show(container)));
	}
}
