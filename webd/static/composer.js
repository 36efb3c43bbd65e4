/*
 * A window in which a letter is written. What is written is kept as a draft on the server while one types; Send waits for that and
 * for attachments on their way.
 */
import * as api from './api.js';
import { Attaching, isFilePaste } from './attaching.js';
import { personText, timeOfDay } from './format.js';
import * as folders from './folders.js';
import { prefs } from './preferences.js';
import { Recipients, addressOf } from './recipients.js';
import { htmlOf, nodesOf, nodesOfText, richEditor, textOf } from './rich_text.js';
import { chooseTime } from './send_later.js';
import { T } from './texts.js';
import { button, busy, complain, confirm, el, fill, iconButton, menu, select, textarea, toast } from './ui.js';

const SAVE_MS = 2500;

export class Composer {
	/**
	 * identities: of the user; closed(composer): the window has gone; sent(answer, at): of POST send, at as chosen for later;
	 * names: of the attachments that the letter has.
	 */
	constructor(letter, { identities, closed, sent, title, focus = 'to', caret = 0, names = [] }) {
		Object.assign(this, { identities, closed, sent });
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
		this.from = select(this.identities.map((identity) => [identity.address, personText({ name: identity.name || prefs().display_name, address: identity.address })]), { id: this.to.id + '-from', onchange: () => this.changed() });
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
				this.identities.length > 1 && el('div', { class: 'recipients from-row' }, el('label', { for: this.from.id }, T.compose.from), this.from),
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

		this.from.value = letter.from ?? this.identities[0]?.address ?? '';
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
		const identity = this.identities.find((one) => one.address === this.from.value);

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
		this.closed(this);
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
				this.sent(answer, at);
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
