/*
 * The reading pane: one message, or all of its thread. HTML is shown by the server's cleaned document in a frame (html_frame.js);
 * plain text is always at hand.
 */
import * as actions from './actions.js';
import * as api from './api.js';
import { attachmentList } from './attachments.js';
import * as folders from './folders.js';
import { dateAndTime, fullDate, personName, shortDate } from './format.js';
import { htmlFrame, printMessage } from './html_frame.js';
import { keyOf } from './message_rows.js';
import { labelChip } from './message_row.js';
import { plainText } from './plain_text.js';
import { prefs } from './preferences.js';
import { href } from './router.js';
import { T } from './texts.js';
import { avatar, busy, button, complain, dialog, download, el, emptyState, errorState, fill, icon, iconButton, menu, skeleton, toast } from './ui.js';

const KEPT = 30;

function people(list, compose) {
	return list.map((person, i) => [i ? el('span', { class: 'comma' }, ', ') : null, el('button', { type: 'button', class: 'person', title: T.reader.writeTo(person.address), onclick: () => compose.to(person) },
		el('bdi', {}, personName(person)), person.name && el('span', { class: 'address' }, ' <', el('bdi', {}, person.address), '>'))]);
}

export class Reader {
	/** handlers: compose (of compose.js), back(), step(by), unpick() */
	constructor(handlers) {
		this.handlers = handlers;
		this.kept = new Map();		/* key → answer of GET message */
		this.cards = new Map();		/* key → card of the message in sight */
		this.row = null;
		this.toolbar = el('div', { class: 'reader-toolbar', role: 'toolbar', 'aria-label': T.reader.toolbar });
		this.body = el('div', { class: 'reader-body' });
		this.node = el('article', { class: 'reader', 'aria-label': T.reader.title, tabindex: -1 }, this.toolbar, this.body);
		this.clear();
	}

	clear() {
		this.row = null;
		this.cards.clear();
		this.generation = (this.generation ?? 0) + 1;
		this.toolbar.hidden = true;
		fill(this.body, emptyState({ icon: 'mail-open', title: T.reader.nothing, text: T.reader.nothingText }));
	}

	/** Shows a row of the list, or { folder, uid } alone when that is all one knows. */
	async show(row, { threads = false } = {}) {
		const generation = ++this.generation;

		this.row = row;
		this.cards.clear();
		this.drawToolbar();
		fill(this.body, row.subject === undefined ? null : this.subjectLine(row), skeleton(9));
		this.body.scrollTop = 0;
		try {
			const [message, thread] = await Promise.all([this.fetch(row), threads && row.thread_total > 1 ? api.get('thread', { thread: row.thread }) : null]);
			if (generation !== this.generation)
				return;
			this.row = { ...message, ...row, seen: message.seen };
			this.draw(message, thread?.messages ?? [message]);
		} catch (error) {
			if (generation === this.generation)
				fill(this.body, errorState(error, () => this.show(row, { threads })));
		}
	}

	async fetch({ folder, uid }) {
		const key = `${folder}.${uid}`;
		const message = this.kept.get(key) ?? await api.get('message', { folder, uid });

		this.kept.delete(key);
		this.kept.set(key, message);
		if (this.kept.size > KEPT)
			this.kept.delete(this.kept.keys().next().value);
		return message;
	}

	/** Has the next message at hand before it is asked for. */
	foresee(row) {
		if (row && !this.kept.has(keyOf(row)))
			this.fetch(row).catch(() => {});
	}

	/* --- the whole --- */

	subjectLine(row) {
		const line = el('header', { class: 'reader-subject' }, el('h2', { dir: 'auto' }, row.subject || T.list.noSubject),
			(row.labels ?? []).map((label) => labelChip(label)));

		return line;
	}

	draw(message, thread) {
		const shown = thread.length ? thread : [message];
		const unread = shown.filter((row) => !row.seen);
		const last = keyOf(message);
		const cards = shown.map((row) => this.card(row, keyOf(row) === last || (unread.includes(row) && shown.length > 1)));

		this.subject = this.subjectLine(this.row);
		this.body.classList.toggle('one', shown.length === 1);
		fill(this.body, this.subject, shown.length > 1 && el('p', { class: 'thread-note' }, icon('thread'), T.reader.thread(shown.length)), cards);
		this.drawToolbar();
		if (shown.length > 1)
			this.cards.get(last)?.node.scrollIntoView({ block: 'start' });
		const read = { all: false, rows: shown.filter((row) => !row.seen) };
		if (read.rows.length)
			actions.markRead(true, read);
	}

	drawToolbar() {
		const { handlers } = this;
		const row = this.row;
		const role = folders.byId(row.folder)?.role;
		const mine = () => ({ all: false, rows: [this.row] });
		const label = iconButton({ label: T.actions.label, icon: 'label', hint: `${T.actions.label} (l)`, 'aria-haspopup': 'menu', onclick: () => this.alone(() => actions.labelMenu(label)) });
		const more = iconButton({ label: T.more, icon: 'more', 'aria-haspopup': 'menu', onclick: () => this.moreMenu(more) });

		this.toolbar.hidden = false;
		fill(this.toolbar,
			iconButton({ label: T.reader.back, icon: 'arrow-left', class: 'back', hint: `${T.reader.back} (u)`, onclick: handlers.back }),
			role !== 'archive' && iconButton({ label: T.actions.archive, icon: 'archive', hint: `${T.actions.archive} (e)`, onclick: () => actions.archive(mine()) }),
			iconButton({ label: role === 'trash' || role === 'junk' ? T.actions.removeAction : T.actions.trash, icon: 'trash', hint: `${T.actions.trash} (#)`, onclick: () => actions.trash(mine()) }),
			iconButton({ label: role === 'junk' ? T.actions.noJunk : T.actions.junk, icon: role === 'junk' ? 'inbox' : 'junk', hint: `${role === 'junk' ? T.actions.noJunk : T.actions.junk} (!)`, onclick: () => actions.junk(mine()) }),
			el('span', { class: 'gap' }),
			iconButton({ label: T.actions.markUnread, icon: 'mail', hint: `${T.actions.markUnread} (Shift+U)`, onclick: () => { actions.markRead(false, mine()); handlers.back(); } }),
			iconButton({ label: T.actions.move, icon: 'folder', hint: `${T.actions.move} (v)`, onclick: () => this.alone(actions.chooseAndMove) }),
			label, el('span', { class: 'stretch' }),
			iconButton({ label: T.reader.newer, icon: 'chevron-up', class: 'wide-only', hint: `${T.reader.newer} (k)`, onclick: () => handlers.step(-1) }),
			iconButton({ label: T.reader.older, icon: 'chevron-down', class: 'wide-only', hint: `${T.reader.older} (j)`, onclick: () => handlers.step(1) }),
			more);
	}

	/** The toolbar here is about the open message, whatever is picked in the list. */
	alone(act) {
		this.handlers.unpick();
		act();
	}

	moreMenu(anchor) {
		const { folder, uid } = this.row;
		const role = folders.byId(folder)?.role;
		const message = this.kept.get(keyOf(this.row));

		menu(anchor, [
			message && { label: T.reader.forwardAttached, icon: 'forward', onclick: () => this.handlers.compose.forward(message, { attached: true }) },
			{ label: T.actions.copy, icon: 'copy', onclick: () => this.alone(actions.chooseAndCopy) },
			{ label: T.reader.print, icon: 'print', onclick: () => this.print() },
			{ label: T.reader.source, icon: 'code', onclick: () => this.showSource(this.row) },
			{ label: T.reader.download, icon: 'download', onclick: () => download(api.url('message/source', { folder, uid, download: 1 })) },
			message?.attachments.some((part) => !part.inline) && { label: T.reader.zip, icon: 'paperclip', onclick: () => download(api.url('message/zip', { folder, uid })) },
			'-',
			{ label: T.trace.ofMessage, icon: 'map', onclick: () => { location.hash = href('trace', { what: role === 'sent' ? this.row.to[0]?.address : this.row.from.address }); } },
		]);
	}

	/** What changed of rows that are in sight: stars, labels. */
	patch(keys, changes) {
		for (const key of keys) {
			const kept = this.kept.get(key);
			const next = kept && (typeof changes === 'function' ? changes(kept) : changes);
			if (!kept)
				continue;
			this.kept.set(key, { ...kept, ...next });
			this.cards.get(key)?.setStar(this.kept.get(key).flagged);
			if (this.row && keyOf(this.row) === key) {
				this.row = { ...this.row, ...next };
				const subject = this.subjectLine(this.row);
				this.subject?.replaceWith(subject);
				this.subject = subject;
			}
		}
	}

	/* --- one message --- */

	card(row, open) {
		const star = iconButton({ label: T.actions.star, icon: 'star', class: 'star', onclick: () => actions.star({ all: false, rows: [this.kept.get(keyOf(row)) ?? row] }) });
		const head = el('div', { class: 'card-head' });
		const content = el('div', { class: 'card-content' }, skeleton(5));
		const node = el('section', { class: ['message', open && 'open'], 'aria-label': T.reader.messageFrom(personName(row.from)) }, head, content);
		const card = {
			node,
			open: false,
			setStar: (on) => {
				fill(star, icon(on ? 'star-full' : 'star'));
				star.classList.toggle('on', on);
				star.setAttribute('aria-pressed', String(on));
			},
		};

		card.setStar(row.flagged);
		card.unfold = async () => {
			card.open = true;
			node.classList.add('open');
			try {
				const message = await this.fetch(row);
				if (!card.open)
					return;
				this.fillHead(head, message, star, card);
				this.fillContent(content, message, card);
			} catch (error) {
				fill(content, errorState(error, card.unfold));
			}
		};
		card.fold = () => {
			card.open = false;
			node.classList.remove('open');
			fill(head, el('button', { type: 'button', class: 'card-fold', 'aria-expanded': 'false', onclick: card.unfold }, avatar(row.from.name, row.from.address),
				el('strong', { dir: 'auto' }, personName(row.from)), el('span', { class: 'card-preview', dir: 'auto' }, row.preview), el('time', {}, shortDate(row.date))));
			fill(content);
		};
		this.cards.set(keyOf(row), card);
		if (open)
			card.unfold();
		else
			card.fold();
		return node;
	}

	fillHead(head, message, star, card) {
		const { compose } = this.handlers;
		const { headers } = message;
		const sender = headers.from[0] ?? message.from;
		const several = headers.to.length + headers.cc.length > 1;
		const details = el('dl', { class: 'card-details', hidden: true });
		const toggle = el('button', { type: 'button', class: 'details-toggle', 'aria-expanded': 'false', onclick: () => {
			details.hidden = !details.hidden;
			toggle.setAttribute('aria-expanded', String(!details.hidden));
		} }, el('span', { dir: 'auto' }, this.recipientText(headers)), icon('chevron-down'));
		const act = (label, picture, run, hint) => iconButton({ label, icon: picture, hint: `${label} (${hint})`, onclick: run });

		for (const [name, list] of [['from', headers.from], ['replyTo', headers.reply_to], ['to', headers.to], ['cc', headers.cc], ['bcc', headers.bcc]]) {
			if (list?.length)
				details.append(el('dt', {}, T.reader.headers[name]), el('dd', {}, people(list, compose)));
		}
		for (const [name, value] of [['date', headers.date || fullDate(message.date)], ['list', headers.list_id], ['messageId', headers.message_id]]) {
			if (value)
				details.append(el('dt', {}, T.reader.headers[name]), el('dd', { class: 'mono' }, value));
		}
		fill(head, avatar(sender?.name, sender?.address),
			el('div', { class: 'card-who' },
				el('div', { class: 'card-sender' }, el('strong', { dir: 'auto' }, personName(sender)), sender?.name && el('span', { class: 'address' }, el('bdi', {}, sender.address)),
					headers.priority === 'high' && el('span', { class: 'badge warn' }, T.reader.high)),
				toggle),
			el('time', { title: fullDate(message.date), datetime: new Date(message.date * 1000).toISOString() }, dateAndTime(message.date)),
			el('div', { class: 'card-actions' }, star, act(T.reader.reply, 'reply', () => compose.reply(message), 'r'),
				several && act(T.reader.replyAll, 'reply-all', () => compose.replyAll(message), 'a'),
				act(T.reader.forward, 'forward', () => compose.forward(message), 'f'),
				this.cards.size > 1 && iconButton({ label: T.reader.fold, icon: 'chevron-up', onclick: card.fold })));
		head.after(details);
		head.parentNode.querySelectorAll('.card-details').forEach((other) => other !== details && other.remove());
	}

	recipientText(headers) {
		const names = [...headers.to, ...headers.cc].map(personName);

		if (!names.length)
			return T.reader.toNobody;
		return T.reader.toList(names.slice(0, 3).join(', '), Math.max(0, names.length - 3));
	}

	fillContent(content, message, card) {
		const { compose } = this.handlers;
		const text = () => (message.text ? plainText(message.text, (address) => compose.to({ name: '', address })) : el('p', { class: 'muted' }, T.reader.noText));
		const body = el('div', { class: 'card-body' });
		const notices = el('div', { class: 'card-notices' });
		const showHtml = (remote) => {
			card.remote = remote;
			fill(body, htmlFrame(message, remote));
			body.classList.add('html');
		};
		const showText = () => {
			fill(body, text());
			body.classList.remove('html');
		};

		this.addNotices(notices, message, showHtml, showText);
		fill(content, notices, attachmentList(message), body,
			el('div', { class: 'card-reply' },
				button({ label: T.reader.reply, icon: 'reply', onclick: () => compose.reply(message) }),
				message.headers.to.length + message.headers.cc.length > 1 && button({ label: T.reader.replyAll, icon: 'reply-all', onclick: () => compose.replyAll(message) }),
				button({ label: T.reader.forward, icon: 'forward', onclick: () => compose.forward(message) })));
		if (message.draft)
			content.lastChild.replaceChildren(button({ label: T.compose.goOn, icon: 'pencil', kind: 'primary', onclick: () => compose.draft(message) }));
		if (message.html)
			showHtml(false);
		else
			showText();
	}

	addNotices(notices, message, showHtml, showText) {
		let asText = false, remote = false;

		if (message.problem)
			notices.append(el('p', { class: 'notice warn' }, icon('alert'), T.reader.problem(message.problem)));
		if (message.headers.receipt_to?.length && !message.draft && folders.byId(message.folder)?.role !== 'sent')
			notices.append(this.receiptNotice(message));
		if (!message.html)
			return;
		const plain = button({ label: T.reader.asText, onclick: () => {
			asText = !asText;
			plain.querySelector('span').textContent = asText ? T.reader.asHtml : T.reader.asText;
			if (asText)
				showText();
			else
				showHtml(remote);
		} });
		if (message.remote && prefs().remote_images !== 'never') {
			const bar = el('p', { class: 'notice' }, icon('image'), el('span', {}, T.reader.remote), plain, button({ label: T.reader.showRemote, onclick: (event) => {
				remote = true;
				event.currentTarget.remove();
				bar.querySelector('span').textContent = T.reader.remoteShown;
				if (!asText)
					showHtml(true);
			} }));
			notices.append(bar);
		} else
			notices.append(el('p', { class: 'notice faint' }, el('span', {}, message.remote ? T.reader.remoteNever : T.reader.isHtml), plain));
	}

	receiptNotice(message) {
		const send = button({ label: T.reader.sendReceipt, onclick: async () => {
			try {
				await busy(send, api.post('receipt', { folder: message.folder, uid: message.uid }));
				message.headers.receipt_to = [];
				notice.remove();
				toast(T.reader.receiptSent);
			} catch (error) {
				complain(error);
			}
		} });
		const notice = el('p', { class: 'notice' }, icon('check'), el('span', {}, T.reader.receiptAsked(personName(message.from))), send,
			iconButton({ label: T.dismiss, icon: 'close', onclick: () => notice.remove() }));

		return notice;
	}

	/* --- more --- */

	/** The open message, with the pictures that are in sight. */
	print() {
		printMessage(this.kept.get(keyOf(this.row)) ?? this.row, this.cards.get(keyOf(this.row))?.remote ?? false);
	}

	async showSource({ folder, uid }) {
		const pre = el('pre', { class: 'source', tabindex: 0 }, T.loading);
		const text = api.getText('message/source', { folder, uid });

		dialog({ title: T.reader.source, wide: true, body: pre, actions: [
			navigator.clipboard && button({ label: T.reader.copySource, icon: 'copy', onclick: async () => {
				try {
					await navigator.clipboard.writeText(await text);
					toast(T.reader.copied);
				} catch (error) {
					complain(error);
				}
			} }),
			button({ label: T.reader.download, icon: 'download', onclick: () => download(api.url('message/source', { folder, uid, download: 1 })) })] });
		try {
			pre.textContent = await text;
		} catch (error) {
			pre.textContent = error.message;
		}
	}
}
