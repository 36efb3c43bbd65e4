/* Attachments of a message one writes: chosen or dropped files go to the server at once, with their progress shown. */
import * as api from './api.js';
import { size } from './format.js';
import { T } from './texts.js';
import { el, icon, iconButton } from './ui.js';

/** Whether files are pasted; what office programs copy has a picture beside its text, and the text is meant. */
export function isFilePaste({ clipboardData }) {
	return clipboardData.files.length > 0 && !clipboardData.types.includes('text/plain');
}

export class Attaching {
	/** attachments as a letter has them; names: [{name, size}] for them; changed() is called when the list has. */
	constructor({ changed, attachments, names }) {
		this.changed = changed;
		this.files = attachments.map((source, i) => ({ source: plain(source), name: names[i]?.name ?? T.attach.unnamed, size: names[i]?.size ?? 0 }));
		this.list = el('ul', { class: 'attaching', 'aria-label': T.attach.attached });
		this.control = el('input', { type: 'file', multiple: true, hidden: true, 'aria-label': T.compose.attach, onchange: () => {
			this.add(this.control.files);
			this.control.value = '';
		} });
		this.node = el('div', { class: 'attaching-box' }, this.control, this.list);
		this.files.forEach((file) => this.drawFile(file));
	}

	get value() {
		return this.files.filter((file) => file.source).map((file) => file.source);
	}

	get problem() {
		const failed = this.files.find((file) => file.error);

		return failed ? T.attach.failedFile(failed.name) : null;
	}

	/** Files are on their way. */
	get underway() {
		return this.files.some((file) => file.abort);
	}

	choose() {
		this.control.click();
	}

	add(files) {
		for (const blob of files)
			this.send({ name: blob.name || T.attach.unnamed, size: blob.size, type: blob.type || 'application/octet-stream' }, blob);
	}

	send(file, blob) {
		const max = api.session?.max_upload;

		this.files.push(file);
		this.drawFile(file);
		if (max && blob.size > max)
			return this.fail(file, T.attach.tooLarge(size(max)));
		const sending = api.upload('upload', { name: file.name, type: file.type }, blob, (part) => {
			file.bar.value = part;
		});
		file.abort = sending.abort;
		file.done = sending.done.then(({ id }) => {
			file.source = { upload: id };
			file.bar.remove();
			file.abort = null;
			this.changed();
		}).catch((error) => {
			if (error.code !== 'aborted')
				this.fail(file, error.message);
		});
	}

	fail(file, text) {
		file.error = text;
		file.abort = null;
		file.bar.remove();
		file.node.classList.add('failed');
		file.note.textContent = text;
		this.changed();
	}

	drawFile(file) {
		file.note = el('small', {}, size(file.size));
		file.bar = el('progress', { max: 1, value: 0, 'aria-label': T.attach.progress(file.name) });
		file.node = el('li', {}, icon('paperclip'), el('span', { class: 'attaching-name', dir: 'auto', title: file.name }, file.name), file.note, !file.source && file.bar,
			iconButton({ label: T.attach.remove(file.name), icon: 'close', onclick: () => this.remove(file) }));
		this.list.append(file.node);
	}

	remove(file) {
		file.abort?.();
		if (file.source?.upload)
			api.post('upload/remove', { id: file.source.upload }).catch(() => {});
		this.files = this.files.filter((one) => one !== file);
		file.node.remove();
		this.changed();
	}

	abort() {
		this.files.forEach((file) => file.abort?.());
	}

	/** Waits until all are there; throws when one failed. */
	async finished() {
		await Promise.all(this.files.map((file) => file.done));
		if (this.problem)
			throw new Error(this.problem);
	}

	acceptDrops(target) {
		let depth = 0;
		const files = (event) => event.dataTransfer?.types.includes('Files');
		const show = (on) => target.classList.toggle('dropping', on);

		target.dataset.drop = T.attach.drop;
		target.addEventListener('dragenter', (event) => files(event) && (depth++, show(true)));
		target.addEventListener('dragleave', (event) => files(event) && --depth <= 0 && show(false));
		target.addEventListener('dragover', (event) => files(event) && event.preventDefault());
		target.addEventListener('drop', (event) => {
			if (!files(event))
				return;
			event.preventDefault();
			depth = 0;
			show(false);
			this.add(event.dataTransfer.files);
		});
	}
}

/** Without what a draft says about it for people. */
function plain({ upload, folder, uid, part }) {
	return upload ? { upload } : part ? { folder, uid, part } : { folder, uid };
}

/* A file dropped beside a message that is written must not take the page's place. */
addEventListener('dragover', (event) => event.dataTransfer?.types.includes('Files') && event.preventDefault());
addEventListener('drop', (event) => event.dataTransfer?.types.includes('Files') && event.preventDefault());
