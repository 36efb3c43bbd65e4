/* One row of the list of messages: made once, then filled again and again as one scrolls. */
import { personName, shortDate } from './format.js';
import { T } from './texts.js';
import { avatar, el, fill, icon } from './ui.js';

/** Whom a row names: the sender, or to whom it went in folders of one's own mail. */
function who(row, outgoing) {
	if (!outgoing)
		return personName(row.from);
	return row.to.length ? T.list.to(row.to.map(personName).join(', ')) : T.list.nobody;
}

/** What a screen reader says of the row. */
function describe(row, outgoing) {
	return [!row.seen && T.list.isUnread, row.flagged && T.list.isStarred, who(row, outgoing), row.subject || T.list.noSubject, shortDate(row.date),
		row.attachments && T.list.hasAttachment, row.answered && T.list.isAnswered, row.thread_total > 1 && T.list.threadOf(row.thread_total),
		...row.labels.map((label) => T.list.labelled(label))].filter(Boolean).join(', ');
}

export function labelChip(label) {
	let sum = 0;

	for (const letter of label)
		sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
	return el('span', { class: `label-chip hue-${sum % 12}` }, label);
}

/** An empty row; .row and .index say what it shows. The pick and star in it are for the mouse: the keyboard has x and s. */
export function makeRow() {
	const node = el('div', { class: 'row', role: 'option', draggable: 'true' });

	node.parts = {
		pick: el('span', { class: 'row-pick', 'aria-hidden': 'true' }),
		who: el('span', { class: 'row-who', dir: 'auto' }),
		count: el('span', { class: 'row-count' }),
		marks: el('span', { class: 'row-marks' }),
		date: el('span', { class: 'row-date' }),
		subject: el('span', { class: 'row-subject', dir: 'auto' }),
		preview: el('span', { class: 'row-preview', dir: 'auto' }),
		labels: el('span', { class: 'row-labels' }),
		star: el('span', { class: 'row-star', 'aria-hidden': 'true' }),
	};
	const { pick, who: name, count, marks, date, subject, preview, labels, star } = node.parts;
	node.append(pick, el('div', { class: 'row-text', 'aria-hidden': 'true' },
		el('div', { class: 'row-top' }, name, count, marks, date),
		el('div', { class: 'row-middle' }, subject, labels, star),
		el('div', { class: 'row-bottom' }, preview)));
	return node;
}

/** state: { selected, active, current, outgoing, folderName } */
export function fillRow(node, row, state) {
	const { parts } = node;

	node.classList.toggle('waiting', !row);
	node.classList.toggle('picked', Boolean(row) && state.selected);
	node.classList.toggle('active', Boolean(row) && state.active);
	node.classList.toggle('current', state.current);
	node.setAttribute('aria-selected', String(Boolean(row) && (state.selected || state.active)));
	if (!row) {
		node.row = null;
		node.setAttribute('aria-label', T.loading);
		node.classList.remove('unread');
		Object.values(parts).forEach((part) => part.replaceChildren());
		return;
	}
	/* An answer that was not read makes nothing unread that was sent. */
	node.classList.toggle('unread', !row.seen || (!state.outgoing && row.thread_unread > 0));
	if (node.row === row && node.outgoing === state.outgoing && node.folderName === state.folderName)
		return;
	node.row = row;
	node.outgoing = state.outgoing;
	node.folderName = state.folderName;
	node.setAttribute('aria-label', describe(row, state.outgoing));
	const shown = state.outgoing ? row.to[0] : row.from;
	fill(parts.pick, avatar(shown?.name, shown?.address), icon('check'));
	parts.who.textContent = who(row, state.outgoing);
	parts.count.textContent = row.thread_total > 1 ? row.thread_total : '';
	fill(parts.marks, row.answered && icon('reply'), row.forwarded && icon('forward'), row.attachments && icon('paperclip'));
	parts.date.textContent = shortDate(row.date || row.arrival);
	parts.subject.textContent = row.subject || T.list.noSubject;
	parts.preview.textContent = row.preview;
	fill(parts.labels, state.folderName && el('span', { class: 'label-chip place' }, state.folderName), row.labels.slice(0, 3).map(labelChip));
	parts.star.classList.toggle('on', row.flagged);
	fill(parts.star, icon(row.flagged ? 'star-full' : 'star'));
}
