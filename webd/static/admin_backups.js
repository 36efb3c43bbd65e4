/*
 * Backups: of which days there are some, and how the last one went; back up now. At admin/backups/DAY/USER/FOLDER what is in
 * one, and mail taken back from it: a user's, a folder, a message. What is being done is shown while it lasts.
 */
import { askMaster, card, heading, load, notice, pill, row, run, searchBox, table, workButton } from './admin_page.js';
import { isTrue, showAgo, showSpan, showTime } from './admin_values.js';
import { number, size } from './format.js';
import { href } from './router.js';
import { busy, button, complain, confirm, el, emptyState, errorState, fill, icon, skeleton, toast } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.backups;
const AGAIN_SECONDS = 2, IDLE_SECONDS = 15;
const KEY = 'Backup Mailboxes';

const place = (...words) => href(['admin', 'backups', ...words]);

/* ---- what is being done ---- */

function what({ day, user, folder, message }) {
	return t.what(user, folder, message, day);
}

function workNotice(title, started, detail) {
	return el('div', { class: 'notice info working', role: 'status' }, icon('refresh', 'turning'),
		el('div', {}, el('strong', {}, title), el('p', {}, t.since(showSpan(Date.now() / 1000 - started)), detail && ` · ${detail}`)));
}

function outcome(last) {
	const counts = t.restored(last.restored ?? 0, last.there ?? 0, last.failed ?? 0);
	const by = el('p', {}, t.by(last.by, showAgo(last.ended)));

	return last.code === 0 ? notice('info', t.restoredTitle(what(last)), el('p', {}, counts), by)
		: notice('bad', t.notRestored(what(last)), el('p', {}, last.error), last.restored ? el('p', {}, counts) : null, by);
}

/* Shows in a box what is under way, and calls ended() when something has come to its end. Returns { look(), stop() }. */
function watch(box, ended) {
	let timer = 0, turn = 0, gone = false, wasBusy = false, shown = '';

	async function look() {
		const mine = ++turn;

		clearTimeout(timer);
		try {
			const [{ making, failed }, { running, last }] = await Promise.all([askMaster('backup', 'list'), askMaster('backup', 'restores')]);
			if (gone || mine !== turn)
				return;
			const isBusy = Boolean(making || running);
			/* What says the same is not said to a screen reader again. */
			const state = JSON.stringify([making, failed, running, last]);
			if (isBusy || state !== shown)
				fill(box, making && workNotice(t.making(making.day), making.started, t.mailboxesDone(making.mailboxes)),
					failed && notice('bad', t.failed, el('p', {}, failed)), running && workNotice(t.restoring(what(running)), running.started, running.by),
					!running && last && outcome(last));
			shown = state;
			if (wasBusy && !isBusy)
				ended();
			wasBusy = isBusy;
		} catch {
			/* What the page itself asks for tells of it. */
		}
		if (!gone && mine === turn)
			timer = setTimeout(look, (wasBusy ? AGAIN_SECONDS : IDLE_SECONDS) * 1000);
	}
	look();
	return {
		look,
		stop: () => {
			gone = true;
			clearTimeout(timer);
		},
	};
}

/* ---- the days ---- */

function stateOf(backup) {
	return backup.verified ? pill(t.verified, 'good') : pill(t.skipped(backup.skipped), 'warn');
}

function days(backups) {
	return card({ title: t.days, note: t.daysNote }, table(t.days, [t.day, t.made, t.mailboxes, t.messages, t.size, t.state, { label: texts.actions, hidden: true }],
		backups.toReversed().map((b) => row([b.day, showTime(b.made), number(b.mailboxes), number(b.messages), size(b.bytes), stateOf(b),
			{ class: 'actions', in: el('a', { class: 'button plain small', href: place(b.day), 'aria-label': t.lookInto(b.day) }, t.look) }]))));
}

function daily(on) {
	return el('p', { class: 'daily' }, pill(on ? t.dailyOn : t.dailyOff, on ? 'good' : 'warn'), ' ', on ? t.dailyOnNote : t.dailyOffNote, ' ',
		el('a', { href: href(['admin', 'mail', KEY]) }, t.setting));
}

function showDays(body) {
	const content = el('div', { class: 'panel-body' }), state = el('div', { class: 'panel-body' });
	const make = button({ label: t.now, icon: 'archive', kind: 'primary', onclick: () => run(make, async () => {
		const asked = askMaster('backup', 'now');
		await watching.look();
		const made = await asked;
		toast(t.madeNow(made.mailboxes, made.messages));
	}) });

	async function draw() {
		const [{ backups }, { keys }] = await Promise.all([askMaster('backup', 'list'), askMaster('config', 'list')]);
		const key = keys.find((k) => k.key === KEY);
		return [daily(isTrue(key?.set ? key.value : key?.preset)), backups.length ? days(backups)
			: el('section', { class: 'card' }, emptyState({ icon: 'archive', title: t.empty, text: t.emptyNote }))];
	}
	const again = () => draw().then((made) => fill(content, made)).catch(complain);
	const watching = watch(state, again);
	fill(body, heading('backups', make), state, content);
	load(content, draw);
	return watching.stop;
}

/* ---- what is in one ---- */

function trail(day, user, folder) {
	const steps = [[t.all, place()], [day, place(day)], user && [user, place(day, user)], folder && [folder, null]].filter(Boolean);

	steps.at(-1)[1] = null;
	return el('nav', { class: 'trail', 'aria-label': t.trail }, el('ol', {}, steps.map(([text, to]) => el('li', {},
		to ? el('a', { href: to }, text) : el('span', { 'aria-current': 'page' }, text)))));
}

/* words: user, folder, message */
function restoreButton({ label, name, question, words, day, look, kind = 'plain' }) {
	return workButton({ label, icon: 'undo', class: 'small', kind, 'aria-label': name }, async () => {
		if (question && !await confirm({ title: question, text: t.restoreNote, action: t.restore, danger: false }))
			return;
		const asked = askMaster('backup', 'restore', day, ...words);
		await look();
		try {
			const done = await asked;
			toast(t.restored(done.restored, done.there, done.failed));
		} finally {
			await look();
		}
	});
}

async function usersOf(day) {
	const { users } = await askMaster('backup', 'contents', day);
	const list = el('ul', { class: 'names' }, users.map((user) => el('li', { data: { name: user } }, el('a', { href: place(day, user) }, icon('user'), user))));
	const nothing = el('p', { class: 'muted', hidden: true }, texts.users.noneFound);

	if (!users.length)
		return emptyState({ icon: 'user', title: t.noMailboxes });
	return card({ title: t.whose }, el('div', { class: 'panel-tools' }, searchBox(texts.users.find, (words) => {
		for (const item of list.children)
			item.hidden = !item.dataset.name.includes(words);
		nothing.hidden = [...list.children].some((item) => !item.hidden);
	})), list, nothing);
}

async function foldersOf(day, user, look) {
	const { folders } = await askMaster('backup', 'contents', day, user);
	const all = restoreButton({ label: t.restoreAll, question: t.restoreAllTitle(user, day), words: [user], day, look });

	return card({ title: t.folders, note: t.foldersNote, actions: [all] }, table(t.folders, [t.folder, t.messages, t.size, { label: texts.actions, hidden: true }],
		folders.map((f) => row([el('a', { class: 'link', href: place(day, user, f.name) }, f.name), number(f.messages), size(f.bytes),
			{ class: 'actions', in: restoreButton({ label: t.restore, name: t.restoreFolder(f.name), question: t.restoreFolderTitle(f.name, day), words: [user, f.name], day, look }) }]))));
}

function messageRow(m, { day, user, folder, look }) {
	return row([m.subject || t.noSubject, m.from, showTime(m.arrival), size(m.bytes), { class: 'actions',
		in: restoreButton({ label: t.restore, name: t.restoreMessage(m.subject || t.noSubject), words: [user, folder, String(m.number)], day, look }) }]);
}

/* Newest first, a part at a time; a search looks at senders and subjects. */
function messagesOf(day, user, folder, look) {
	const found = el('div', { 'aria-live': 'polite' }), older = button({ label: t.older, hidden: true });
	let find = '', next = null, rows = [], turn = 0;

	async function more() {
		const mine = turn;
		const answer = await askMaster('backup', 'contents', day, user, folder, ...(next === null ? [] : [`before=${next}`]), `find=${find}`);
		if (mine !== turn)
			return;
		rows = [...rows, ...answer.messages.toReversed().map((m) => messageRow(m, { day, user, folder, look }))];
		next = answer.next;
		older.hidden = next === null;
		fill(found, rows.length ? table(t.messages, [t.subject, t.from, t.arrived, t.size, { label: texts.actions, hidden: true }], rows)
			: el('p', { class: 'muted pad' }, next !== null ? t.noneYet : find ? t.noneFit : t.noMessages));
	}
	async function begin(words) {
		turn++;
		find = words;
		next = null;
		rows = [];
		older.hidden = true;
		fill(found, skeleton(5));
		await more().catch((error) => fill(found, errorState(error, () => begin(words))));
	}
	older.addEventListener('click', () => busy(older, more()).catch(complain));
	begin('');
	return card({ title: folder, note: t.messagesNote }, el('div', { class: 'panel-tools' }, searchBox(t.find, begin)), found, older);
}

function showContents(body, [day, user, folder]) {
	const content = el('div', { class: 'panel-body' }), state = el('div', { class: 'panel-body' });
	const watching = watch(state, () => {});
	const { look } = watching;

	fill(body, el('header', { class: 'panel-head' }, el('div', {}, trail(day, user, folder), el('h1', { tabindex: -1 }, t.titleOf(day, user)))), state, content);
	load(content, () => (folder !== undefined ? messagesOf(day, user, folder, look) : user !== undefined ? foldersOf(day, user, look) : usersOf(day)));
	return watching.stop;
}

export function show(body, path) {
	return path.length ? showContents(body, path) : showDays(body);
}
