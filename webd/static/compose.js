/*
 * Writing: windows at the bottom of the page, several at a time (on phones one over all). What is written is kept as a draft
 * on the server while one types; Send waits for that and for attachments on their way, and can be undone for some seconds.
 */
import * as api from './api.js';
import { Attaching, isFilePaste } from './attaching.js';
import { personText, shortDate, timeOfDay } from './format.js';
import * as folders from './folders.js';
import { prefs } from './preferences.js';
import { Recipients, addressOf } from './recipients.js';
import { htmlOf, nodesOf, nodesOfText, richEditor, textOf } from './rich_text.js';
import { chooseTime } from './send_later.js';
import { T } from './texts.js';
import { announce, button, busy, complain, confirm, el, fill, icon, iconButton, menu, select, textarea, toast } from './ui.js';

const SAVE_MS = 2500;
const WINDOWS_MAX = 4;

let windows = [];
let container = null;
let identities = null;
let owner = null;

/** The letter of a message nobody has written yet. */
function emptyLetter() {
	return { from: null, from_name: null, to: [], cc: [], bcc: [], subject: '', text: '', html: null, attachments: [], reply: null, forward: null, priority: 'normal', receipt: false, draft: null, message_id: null };
}

async function loadIdentities() {
	identities ??= (await api.get('identities')).identities;
	return identities;
}

function signatureText() {
	const { signature } = prefs();

	return signature.trim() ? `-- \n${signature.trim()}` : '';
}

/** Room to write, the signature and the quote, in the order the user likes. */
function bodyWith(quote) {
	const signature = signatureText();

	if (!quote)
		return signature ? `\n\n${signature}` : '';
	if (prefs().quote === 'above')
		return `${quote}\n\n${signature ? `\n\n${signature}` : ''}`;
	return `\n\n${signature ? signature + '\n\n' : ''}${quote}`;
}

/** The identity that a message was sent to, so that the answer comes from it. */
function identityFor(message) {
	const theirs = [...message.headers.to, ...message.headers.cc].map((person) => person.address.toLowerCase());

	return identities?.find((identity) => theirs.includes(identity.address.toLowerCase()))?.address ?? null;
}

class Composer {
	constructor(letter, { title, focus = 'to', caret = 0, names = [] }) {
		this.letter = letter;
		this.saved = null;		/* the letter as it was last saved, as text */
		this.saving = Promise.resolve();
		this.sending = false;		/* Send was pressed: it waits for attachments and the draft */
		this.posting = false;		/* it is on its way: no draft is saved, and the window stays */
		this.stopped = false;		/* closed or discarded meanwhile */
		this.before = document.activeElement;	/* what has the focus again afterwards */
		this.to = new Recipients({ label: T.compose.to, changed: () => this.changed() });
		this.cc = new Recipients({ label: T.compose.cc, changed: () => this.changed() });
		this.bcc = new Recipients({ label: T.compose.bcc, changed: () => this.changed() });
		this.attaching = new Attaching({ changed: () => this.changed(), attachments: letter.attachments, names });
		this.build(title);
		this.putLetter();
		this.saved = this.asText();
		this.focusAt(focus, caret);
	}

	/* --- its parts --- */

	build(title) {
		this.title = el('h2', { id: this.to.id + '-title' }, title);
		this.fallback = title;
		this.from = select(identities.map((identity) => [identity.address, personText({ name: identity.name || prefs().display_name, address: identity.address })]), { id: this.to.id + '-from', onchange: () => this.changed() });
		this.subject = el('input', { type: 'text', class: 'compose-subject', 'aria-label': T.compose.subject, placeholder: T.compose.subject, maxlength: 2000, dir: 'auto', autocomplete: 'off', oninput: () => this.changed() });
		this.plain = textarea({ class: 'editor plain', 'aria-label': T.compose.text, dir: 'auto', oninput: () => this.changed() });
		this.rich = richEditor({ label: T.compose.text, changed: () => this.changed() });
		this.status = el('span', { class: 'compose-status', role: 'status' });
		this.error = el('p', { class: 'form-error', role: 'alert', hidden: true });
		this.send = button({ label: T.compose.send, icon: 'send', kind: 'primary', class: 'send', title: `${T.compose.send} (Ctrl+Enter)`, onclick: () => this.sendIt(null) });
		this.later = iconButton({ label: T.compose.later, icon: 'chevron-down', class: 'send-more', 'aria-haspopup': 'menu', onclick: () => this.laterMenu() });
		this.ccButtons = el('span', { class: 'cc-buttons' },
			el('button', { type: 'button', class: 'link-button', onclick: () => this.showField(this.cc) }, T.compose.cc),
			el('button', { type: 'button', class: 'link-button', onclick: () => this.showField(this.bcc) }, T.compose.bcc));
		this.to.node.append(this.ccButtons);
		this.more = iconButton({ label: T.compose.options, icon: 'more', 'aria-haspopup': 'menu', onclick: () => this.moreMenu() });
		this.size = iconButton({ label: T.compose.enlarge, icon: 'expand', class: 'wide-only', onclick: () => this.enlarge() });
		this.node = el('section', { class: 'composer', role: 'dialog', 'aria-labelledby': this.title.id },
			el('header', { class: 'composer-head', ondblclick: () => this.minimize() }, this.title,
				iconButton({ label: T.compose.minimize, icon: 'minus', class: 'wide-only minimize', onclick: () => this.minimize() }), this.size,
				iconButton({ label: T.compose.close, icon: 'close', onclick: () => this.shut() })),
			el('div', { class: 'composer-body' },
				identities.length > 1 && el('div', { class: 'recipients from-row' }, el('label', { for: this.from.id }, T.compose.from), this.from),
				this.to.node, this.cc.node, this.bcc.node, el('div', { class: 'subject-row' }, this.subject, this.priorityMark = el('span', { class: 'badge warn', hidden: true }, T.compose.high)),
				this.rich.toolbar, this.plain, this.rich.editor, this.attaching.node, this.error),
			el('footer', { class: 'composer-foot' }, el('span', { class: 'send-group' }, this.send, this.later),
				iconButton({ label: T.compose.attach, icon: 'paperclip', onclick: () => this.attaching.choose() }), this.more, this.status,
				iconButton({ label: T.compose.discard, icon: 'trash', onclick: () => this.discard() })));
		this.attaching.acceptDrops(this.node);
		this.node.addEventListener('keydown', (event) => this.onKey(event));
		this.node.addEventListener('paste', (event) => {
			if (isFilePaste(event)) {
				event.preventDefault();
				this.attaching.add(event.clipboardData.files);
			}
		});
	}

	putLetter() {
		const { letter } = this;

		this.from.value = letter.from ?? identities[0]?.address ?? '';
		for (const name of ['to', 'cc', 'bcc'])
			this[name].value = letter[name];
		this.cc.node.hidden = !letter.cc.length;
		this.bcc.node.hidden = !letter.bcc.length;
		this.ccButtons.hidden = letter.cc.length > 0 && letter.bcc.length > 0;
		this.subject.value = letter.subject;
		this.isRich = letter.html !== null;
		this.plain.value = letter.text;
		if (this.isRich)
			fill(this.rich.editor, nodesOf(letter.html));
		this.drawMode();
		this.drawTitle();
	}

	drawMode() {
		this.plain.hidden = this.isRich;
		this.rich.editor.hidden = !this.isRich;
		this.rich.toolbar.hidden = !this.isRich;
		this.priorityMark.hidden = this.letter.priority !== 'high';
	}

	drawTitle() {
		this.title.textContent = this.subject.value.trim() || this.fallback;
	}

	focusAt(what, caret) {
		const editor = this.isRich ? this.rich.editor : this.plain;

		(what === 'text' ? editor : this.to.control).focus();
		if (what !== 'text')
			return;
		if (!this.isRich)
			this.plain.setSelectionRange(caret, caret);
		editor.scrollTop = 0;
	}

	showField(recipients) {
		recipients.node.hidden = false;
		this.ccButtons.hidden = !this.cc.node.hidden && !this.bcc.node.hidden;
		recipients.control.focus();
	}

	onKey(event) {
		if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') {
			event.preventDefault();
			this.sendIt(null);
		} else if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]')) {
			this.shut();
		}
	}

	minimize() {
		this.node.classList.toggle('minimized');
		this.node.classList.remove('large');
	}

	enlarge() {
		this.node.classList.remove('minimized');
		this.node.classList.toggle('large');
	}

	moreMenu() {
		const { letter } = this;

		menu(this.more, [
			{ label: T.compose.formatted, checked: this.isRich, onclick: () => this.toggleRich() },
			'-',
			{ label: T.compose.high, checked: letter.priority === 'high', onclick: () => this.setPriority('high') },
			{ label: T.compose.low, checked: letter.priority === 'low', onclick: () => this.setPriority('low') },
			{ label: T.compose.receipt, checked: letter.receipt, onclick: () => { letter.receipt = !letter.receipt; this.changed(); } },
		]);
	}

	setPriority(priority) {
		this.letter.priority = this.letter.priority === priority ? 'normal' : priority;
		this.drawMode();
		this.changed();
	}

	toggleRich() {
		if (this.isRich)
			this.plain.value = textOf(this.rich.editor);
		else
			fill(this.rich.editor, nodesOfText(this.plain.value));
		this.isRich = !this.isRich;
		this.drawMode();
		this.changed();
		(this.isRich ? this.rich.editor : this.plain).focus();
	}

	/* --- the letter and its draft --- */

	current() {
		const identity = identities.find((one) => one.address === this.from.value);

		return {
			...this.letter, from: this.from.value, from_name: identity?.name || prefs().display_name || '',
			to: this.to.value, cc: this.cc.value, bcc: this.bcc.value, subject: this.subject.value.trim(),
			text: this.isRich ? textOf(this.rich.editor) : this.plain.value, html: this.isRich ? htmlOf(this.rich.editor) : null,
			attachments: this.attaching.value,
		};
	}

	/** For comparing: without what saving itself changes. */
	asText() {
		return JSON.stringify({ ...this.current(), draft: null, message_id: null });
	}

	get isChanged() {
		return this.saved !== this.asText();
	}

	changed() {
		if (this.gone)
			return;
		this.drawTitle();
		this.error.hidden = true;
		clearTimeout(this.timer);
		if (this.saved !== null && this.isChanged) {
			this.status.textContent = '';
			this.timer = setTimeout(() => this.save().catch(() => {}), SAVE_MS);
		}
	}

	/** One save after the other: each replaces the draft of the one before. */
	save() {
		clearTimeout(this.timer);
		this.saving = this.saving.catch(() => {}).then(async () => {
			if (this.gone || this.posting || !this.isChanged)
				return;
			const text = this.asText();
			this.status.textContent = T.compose.saving;
			try {
				const { uid, message_id } = await api.post('draft', this.current());
				Object.assign(this.letter, { draft: uid, message_id });
				this.saved = text;
				this.status.textContent = T.compose.savedAt(timeOfDay(Date.now() / 1000));
			} catch (error) {
				this.status.textContent = T.compose.notSaved;
				this.status.title = error.message;
				throw error;
			}
		});
		return this.saving;
	}

	/* --- ends --- */

	leave() {
		const focused = this.node.contains(document.activeElement);

		this.gone = true;
		clearTimeout(this.timer);
		[this.to, this.cc, this.bcc].forEach((field) => field.shut());
		this.node.remove();
		if (focused && this.before?.isConnected)
			this.before.focus({ preventScroll: true });
		windows = windows.filter((one) => one !== this);
		document.body.classList.toggle('composing', windows.length > 0);
	}

	/** Closes it; what was written stays in Drafts. */
	async shut() {
		if (this.posting || (this.attaching.underway && !await confirm({ title: T.compose.stopTitle, text: T.compose.stopText, action: T.compose.stopAction })))
			return;
		this.stopped = true;
		try {
			this.attaching.abort();
			const changed = this.isChanged;
			await this.save();
			this.leave();
			if (changed)
				toast(T.compose.keptDraft);
		} catch (error) {
			complain(error);
			if (await confirm({ title: T.compose.loseTitle, text: T.compose.loseText, action: T.compose.discard }))
				this.leave();
			else
				this.stopped = false;
		}
	}

	async discard() {
		const written = this.letter.draft || this.isChanged;

		if (this.posting)
			return;
		if (written && !await confirm({ title: T.compose.discardTitle, text: T.compose.discardText, action: T.compose.discard }))
			return;
		if (this.posting)		/* sent while this was asked */
			return;
		this.stopped = true;
		this.attaching.abort();
		this.leave();
		await this.saving.catch(() => {});
		const drafts = folders.byRole('drafts');
		if (this.letter.draft && drafts)
			api.post('remove', { items: [{ folder: drafts.id, uids: [this.letter.draft] }] }).catch(complain);
	}

	problem() {
		const everyone = [...this.to.value, ...this.cc.value, ...this.bcc.value];
		const wrong = this.to.wrong ?? this.cc.wrong ?? this.bcc.wrong;

		if (!everyone.length)
			return T.compose.needTo;
		return wrong ? T.compose.wrong(addressOf(wrong)) : this.attaching.problem;
	}

	/** Attachments are often forgotten, subjects too: asks once. */
	async forgotten() {
		const letter = this.current();
		const own = letter.text.split('\n').filter((line) => !line.startsWith('>')).join('\n');

		if (!letter.subject && !await confirm({ title: T.compose.noSubjectTitle, text: T.compose.noSubjectText, action: T.compose.sendAnyway, danger: false }))
			return true;
		return T.compose.attachWords.test(own) && !letter.attachments.length
			&& !await confirm({ title: T.compose.noFileTitle, text: T.compose.noFileText, action: T.compose.sendAnyway, danger: false });
	}

	fail(text) {
		this.node.classList.remove('minimized');
		this.error.textContent = text;
		this.error.hidden = false;
		this.error.scrollIntoView({ block: 'nearest' });
	}

	async sendIt(at) {
		if (this.sending)
			return;
		[this.to, this.cc, this.bcc].forEach((field) => field.shut());
		const problem = this.problem();
		if (problem)
			return this.fail(problem);
		if (await this.forgotten())
			return;
		this.sending = true;
		clearTimeout(this.timer);
		try {
			await busy(this.send, (async () => {
				await this.attaching.finished();
				await this.saving.catch(() => {});
				if (this.stopped || this.gone)		/* closed while files were on their way: it is a draft, or nothing */
					return;
				this.posting = true;
				const answer = await api.post('send', { ...this.current(), at, undo: prefs().undo });
				this.leave();
				tellSent(answer, at);
			})());
		} catch (error) {
			this.fail(error.message);
		} finally {
			this.sending = false;
			this.posting = false;
		}
	}

	laterMenu() {
		chooseTime(this.later, (at) => this.sendIt(at));
	}
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
	const composer = new Composer(letter, { title: T.compose.title, ...options });
	windows.forEach((one) => one.node.classList.remove('large'));
	windows.push(composer);
	container.append(composer.node);
	document.body.classList.add('composing');
	composer.focusAt(options.focus ?? 'to', options.caret ?? 0);
}

function withBody(letter, quote) {
	const text = bodyWith(quote);
	const html = prefs().compose === 'rich' ? el('div', {}, nodesOfText(text)).innerHTML : null;

	return { ...letter, text, html };
}

const caretIn = (text, quote) => (quote && prefs().quote === 'above' ? quote.length + 2 : 0);

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
		...emptyLetter(), from: identityFor(message), to: message.reply.to.map(personText), cc: cc.map(personText), subject,
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
