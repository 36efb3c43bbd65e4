/* Attachments of a message one reads: pictures as small pictures, the rest as files to save. */
import * as api from './api.js';
import { size } from './format.js';
import { T } from './texts.js';
import { dialog, el, icon } from './ui.js';

const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

const isPicture = (part) => PICTURES.includes(part.type.toLowerCase());

function look(message, part) {
	const { folder, uid } = message;

	dialog({ title: part.name || T.attach.unnamed, wide: true, class: 'picture-dialog', body: el('img', { src: api.url('part', { folder, uid, part: part.part }), alt: part.name || T.attach.unnamed }),
		actions: [el('a', { class: 'button', href: api.url('part', { folder, uid, part: part.part, download: 1 }), download: part.name || '' }, icon('download'), T.attach.save)] });
}

function tile(message, part) {
	const { folder, uid } = message;
	const name = part.name || T.attach.unnamed;
	const save = api.url('part', { folder, uid, part: part.part, download: 1 });

	return el('li', { class: 'attachment' },
		isPicture(part)
			? el('button', { type: 'button', class: 'attachment-picture', 'aria-label': T.attach.look(name), onclick: () => look(message, part) },
				el('img', { src: api.url('part', { folder, uid, part: part.part }), alt: '', loading: 'lazy' }))
			: el('span', { class: 'attachment-kind', 'aria-hidden': 'true' }, icon('file'), el('small', {}, (name.match(/\.([a-z0-9]{1,4})$/i)?.[1] ?? '').toUpperCase())),
		el('a', { class: 'attachment-name', href: save, download: name, title: name, 'aria-label': T.attach.saveNamed(name, size(part.size)) },
			el('span', { dir: 'auto' }, name), el('small', {}, size(part.size))),
		el('span', { class: 'attachment-save', 'aria-hidden': 'true' }, icon('download')));
}

/** The list, or null when nothing is attached. Pictures that stand in the HTML are shown there. */
export function attachmentList(message) {
	const parts = message.attachments.filter((part) => !part.inline || !message.html);
	const { folder, uid } = message;

	if (!parts.length)
		return null;
	return el('div', { class: 'attachments' }, el('ul', { 'aria-label': T.attach.title(parts.length) }, parts.map((part) => tile(message, part))),
		parts.length > 1 && el('a', { class: 'all-attachments', href: api.url('message/zip', { folder, uid }) }, icon('download'), T.attach.all(parts.length)));
}
