/*
 * A field for addresses: each becomes a chip that can be changed and removed; contacts are offered while typing (a combobox
 * with a listbox, as screen readers know it).
 */
import * as api from './api.js';
import { personText } from './format.js';
import { T } from './texts.js';
import { el, fill, iconButton, newId, place } from './ui.js';

const ADDRESS = /^[^\s<>@,;:"()[\]\\]+@[^\s<>@,;:"()[\]\\]+$/u;
const WAIT_MS = 120;

/** 'Ann <a@x>, "B, C" <b@y>; d@z' as a list of single ones. */
export function splitAddresses(text) {
	const found = [];
	let one = '', quoted = false, angle = false;

	for (const letter of text.replace(/[\r\n\t]+/g, ',')) {
		if (letter === '"')
			quoted = !quoted;
		else if (!quoted && (letter === '<' || letter === '>'))
			angle = letter === '<';
		if (!quoted && !angle && (letter === ',' || letter === ';')) {
			found.push(one);
			one = '';
		} else
			one += letter;
	}
	return [...found, one].map((part) => part.trim()).filter(Boolean);
}

export function addressOf(text) {
	return (text.match(/<([^<>]*)>\s*$/)?.[1] ?? text).trim();
}

/** A name alone is no complete address, but an alias or a user here is: the server has the last word on those. */
export function looksRight(text) {
	const address = addressOf(text);

	return ADDRESS.test(address) || /^[\p{L}\p{N}._+-]{1,64}$/u.test(address);
}

const nameOf = (text) => text.match(/^\s*"?([^"<]*?)"?\s*<[^<>]*>\s*$/)?.[1] || addressOf(text);

export class Recipients {
	/** changed() is called when the list has. */
	constructor({ label, changed }) {
		this.changed = changed;
		this.list = [];
		this.offers = [];
		this.at = -1;
		this.turn = 0;			/* answers to what was asked before are not shown */
		this.id = newId('to');
		this.control = el('input', {
			type: 'text', id: this.id, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', inputmode: 'email', role: 'combobox', 'aria-expanded': false,
			'aria-autocomplete': 'list', 'aria-controls': this.id + '-list', maxlength: 20000,
		});
		this.popup = el('div', { class: 'menu completions', role: 'listbox', id: this.id + '-list', 'aria-label': T.compose.offers });
		this.chips = el('span', { class: 'chips' });
		this.node = el('div', { class: 'recipients' }, el('label', { for: this.id }, label), el('div', { class: 'chip-box', onclick: (event) => {
			if (event.target === event.currentTarget || event.target === this.chips)
				this.control.focus();
		} }, this.chips, this.control));
		this.listen();
	}

	/** The addresses as typed, the unfinished one too. */
	get value() {
		return [...this.list, ...splitAddresses(this.control.value)];
	}

	set value(texts) {
		this.list = [...texts];
		this.control.value = '';
		this.draw();
	}

	/** The first that cannot be an address, or null. */
	get wrong() {
		return this.value.find((text) => !looksRight(text)) ?? null;
	}

	listen() {
		const { control } = this;

		control.addEventListener('input', () => {
			if (/[,;\n]/.test(control.value) && splitAddresses(control.value + ' ').length && !/^[^"]*"[^"]*$/.test(control.value))
				this.take();
			else
				this.offerSoon();
			this.changed();
		});
		control.addEventListener('keydown', (event) => this.onKey(event));
		control.addEventListener('blur', () => setTimeout(() => {
			this.shut();
			this.take();
		}, 120));
		control.addEventListener('paste', (event) => {
			const text = event.clipboardData.getData('text/plain');
			if (!/[,;\n]/.test(text))
				return;
			event.preventDefault();
			this.add(splitAddresses(text));
		});
	}

	onKey(event) {
		const { control, offers } = this;

		if (event.key === 'Backspace' && !control.value && this.list.length)
			this.remove(this.list.length - 1);
		else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && offers.length) {
			this.at = (this.at + (event.key === 'ArrowDown' ? 1 : -1) + offers.length) % offers.length;
			this.drawOffers();
			event.preventDefault();
		} else if (event.key === 'Escape' && offers.length) {
			this.shut();
			event.stopPropagation();
		} else if ((event.key === 'Enter' || event.key === 'Tab') && control.value.trim() && !event.ctrlKey && !event.metaKey) {
			if (offers[this.at])
				this.choose(offers[this.at]);
			else
				this.take();
			event.preventDefault();
		}
	}

	take() {
		const texts = splitAddresses(this.control.value);

		if (texts.length)
			this.add(texts);
	}

	add(texts) {
		const have = new Set(this.list.map((text) => addressOf(text).toLowerCase()));

		for (const text of texts) {
			if (!have.has(addressOf(text).toLowerCase()))
				this.list.push(text);
			have.add(addressOf(text).toLowerCase());
		}
		this.control.value = '';
		this.shut();
		this.draw();
		this.changed();
	}

	remove(index) {
		this.list.splice(index, 1);
		this.draw();
		this.control.focus();
		this.changed();
	}

	edit(index) {
		const [text] = this.list.splice(index, 1);

		this.take();
		this.control.value = text;
		this.draw();
		this.control.focus();
		this.changed();
	}

	draw() {
		fill(this.chips, this.list.map((text, index) => el('span', { class: ['person-chip', !looksRight(text) && 'wrong'], title: text },
			el('button', { type: 'button', class: 'chip-name', onclick: () => this.edit(index), 'aria-label': looksRight(text) ? T.compose.change(text) : T.compose.wrongChip(text) }, el('bdi', {}, nameOf(text))),
			iconButton({ label: T.compose.leaveOut(nameOf(text)), icon: 'close', onclick: () => this.remove(index) }))));
	}

	/* --- what is offered --- */

	offerSoon() {
		clearTimeout(this.timer);
		const turn = ++this.turn;
		const q = this.control.value.trim();
		if (q.length < 1)
			return this.shut();
		this.timer = setTimeout(async () => {
			try {
				const answer = await api.get('complete', { q });
				if (turn !== this.turn || this.control.value.trim() !== q || document.activeElement !== this.control)
					return;
				const have = new Set(this.list.map((text) => addressOf(text).toLowerCase()));
				this.offers = answer.filter((person) => !have.has(person.address.toLowerCase())).slice(0, 8);
				this.at = this.offers.length ? 0 : -1;
				this.drawOffers();
			} catch {
				this.shut();		/* a help that is not there need not be told at each key */
			}
		}, WAIT_MS);
	}

	drawOffers() {
		if (!this.offers.length)
			return this.shut();
		fill(this.popup, this.offers.map((person, i) => el('div', { class: 'completion', role: 'option', id: `${this.id}-${i}`, 'aria-selected': i === this.at,
			onmousedown: (event) => {
				event.preventDefault();
				this.choose(person);
			} }, el('span', { dir: 'auto' }, person.name || person.address), person.name && el('small', {}, person.address))));
		if (!this.popup.isConnected)
			document.body.append(this.popup);
		place(this.popup, this.control);
		this.control.setAttribute('aria-expanded', 'true');
		this.control.setAttribute('aria-activedescendant', `${this.id}-${this.at}`);
	}

	choose(person) {
		this.control.value = '';
		this.add([personText(person)]);
	}

	shut() {
		clearTimeout(this.timer);
		this.turn++;
		this.offers = [];
		this.at = -1;
		this.popup.remove();
		this.control.setAttribute('aria-expanded', 'false');
		this.control.removeAttribute('aria-activedescendant');
	}
}
