/*
 * What the pages are made of: elements, icons, buttons, fields, dialogs, menus, toasts, busy and empty states.
 * No text ever becomes HTML here: what strangers wrote is only put in as text.
 */
import { T } from './texts.js';

const SVG = 'http://www.w3.org/2000/svg';
const ICON = 'icon-';		/* before a symbol's name: its id in the page */
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'indeterminate', 'selected', 'textContent', 'srcObject', 'open']);

function give(node, name, value) {
	if (typeof value === 'function')
		node.addEventListener(name.slice(2), value);
	else if (PROPERTIES.has(name))
		node[name] = value ?? '';
	else if (name.startsWith('aria-'))
		value === null || value === undefined || node.setAttribute(name, String(value));
	else if (name === 'data')
		Object.assign(node.dataset, value);
	else if (value === true)
		node.setAttribute(name, '');
	else if (value !== false && value !== null && value !== undefined)
		node.setAttribute(name, value);
}

/**
 * An element. props: attributes, properties (value, checked, disabled, hidden ...), data: {}, class: text or list, on...: listeners.
 * Children are nodes, texts or lists of them; null and false are left out.
 */
export function el(tag, props = {}, ...children) {
	const node = document.createElement(tag);

	for (const [name, value] of Object.entries(props ?? {})) {
		if (name === 'class')
			node.className = Array.isArray(value) ? value.filter(Boolean).join(' ') : value ?? '';
		else if (name !== 'value')
			give(node, name, value);
	}
	node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
	if (props && 'value' in props)
		node.value = props.value ?? '';		/* after a select's options */
	return node;
}

/** Replaces what is in a container. */
export function fill(container, ...children) {
	container.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
	return container;
}

/**
 * Puts icons.svg into the page, once: what is shown when the server is away has its icons, too. Icons that are there already
 * appear with it.
 */
export async function loadIcons() {
	const response = await fetch('/icons.svg');

	if (!response.ok)
		throw new Error(`icons.svg: ${response.status}`);
	const sprite = new DOMParser().parseFromString(await response.text(), 'image/svg+xml').documentElement;
	for (const symbol of sprite.querySelectorAll('symbol'))
		symbol.id = ICON + symbol.id;
	sprite.setAttribute('class', 'icons');
	sprite.setAttribute('aria-hidden', 'true');
	document.body.prepend(document.adoptNode(sprite));
}

/** An icon of icons.svg; beside a text or in a button with a label, so hidden from screen readers. */
export function icon(name, classes = '') {
	const svg = document.createElementNS(SVG, 'svg');
	const use = document.createElementNS(SVG, 'use');

	svg.setAttribute('class', 'icon ' + classes);
	svg.setAttribute('aria-hidden', 'true');
	use.setAttribute('href', '#' + ICON + name);
	svg.append(use);
	return svg;
}

/** kind: primary, plain, quiet or danger. More props as for el(). */
export function button({ label, icon: picture, kind = 'plain', class: classes, ...props }) {
	return el('button', { type: 'button', class: ['button', kind, classes], ...props }, picture && icon(picture), el('span', {}, label));
}

/** A button that is only an icon; label is its name and its hint. */
export function iconButton({ label, icon: picture, hint = label, class: classes, ...props }) {
	return el('button', { type: 'button', class: ['icon-button', classes], 'aria-label': label, title: hint, ...props }, icon(picture));
}

/** Shows that work goes on in a button until the promise has ended; passes its result on. It has the focus again if it had it. */
export async function busy(node, promise) {
	const focused = document.activeElement === node;

	node.disabled = true;
	node.setAttribute('aria-busy', 'true');
	try {
		return await promise;
	} finally {
		node.disabled = false;
		node.removeAttribute('aria-busy');
		if (focused && document.activeElement === document.body)
			node.focus({ preventScroll: true });
	}
}

/* --- fields --- */

let names = 0;

/** An id that no other element has. */
export function newId(prefix = 'id') {
	return `${prefix}-${++names}`;
}

export function input(props = {}) {
	return el('input', { type: 'text', class: 'input', autocomplete: 'off', ...props });
}

export function textarea(props = {}) {
	return el('textarea', { class: 'input', rows: 4, ...props });
}

/** options: [[value, label]] */
export function select(options, { value, ...props } = {}) {
	return el('select', { class: 'input', value, ...props }, options.map(([key, label]) => el('option', { value: key }, label)));
}

/** A check box with its label; .input is the box. */
export function checkbox({ label, help, ...props }) {
	const box = el('input', { type: 'checkbox', ...props });
	const node = el('label', { class: 'check' }, box, el('span', {}, label, help && el('small', { class: 'help' }, help)));

	node.input = box;
	return node;
}

/** A switch with its label; .input is its check box. */
export function toggle(props) {
	const node = checkbox(props);

	node.classList.add('toggle');
	node.input.setAttribute('role', 'switch');
	return node;
}

/** A labelled control with help and room for what is wrong: .setError(text or null), .input. around: an element that holds the control. */
export function field({ label, help, control, around = control, class: classes }) {
	const id = control.id || newId('field');
	const error = el('p', { class: 'field-error', id: id + '-error', role: 'alert', hidden: true });
	const hint = help && el('p', { class: 'help', id: id + '-help' }, help);
	const node = el('div', { class: ['field', classes] }, el('label', { for: id }, label), around, hint, error);
	const described = () => [hint && id + '-help', !error.hidden && id + '-error'].filter(Boolean).join(' ');

	control.id = id;
	if (hint)
		control.setAttribute('aria-describedby', described());
	node.input = control;
	node.setError = (text) => {
		error.textContent = text ?? '';
		error.hidden = !text;
		control.setAttribute('aria-invalid', text ? 'true' : 'false');
		control.setAttribute('aria-describedby', described());
	};
	return node;
}

/**
 * A form whose submit(form) may take its time: its first button is busy meanwhile, and a failure is shown above the buttons.
 * buttons: [elements]; the first one submits.
 */
export function form({ class: classes, submit, buttons, label }, ...children) {
	const error = el('p', { class: 'form-error', role: 'alert', hidden: true });
	const node = el('form', { class: ['form', classes], novalidate: true, 'aria-label': label }, children, error, el('div', { class: 'form-buttons' }, buttons));

	buttons[0].type = 'submit';
	node.setError = (text) => {
		error.textContent = text ?? '';
		error.hidden = !text;
	};
	node.addEventListener('submit', async (event) => {
		event.preventDefault();
		node.setError(null);
		try {
			await busy(buttons[0], Promise.resolve(submit(node)));
		} catch (problem) {
			node.setError(problem.message);
		}
	});
	return node;
}

/* --- dialogs --- */

/**
 * A dialog over the page. body: elements; actions: [buttons]; wide: more room. It closes by its cross and Escape, and
 * when another page is shown. Returns the <dialog>: .shut(result) closes it, .closed is a promise of that result (undefined when it was left).
 */
export function dialog({ title, body = [], actions = [], wide = false, class: classes }) {
	const id = newId('dialog');
	const node = el('dialog', { class: ['dialog', wide && 'wide', classes], 'aria-labelledby': id },
		el('header', { class: 'dialog-head' }, el('h2', { id }, title),
			iconButton({ label: T.close, icon: 'close', onclick: () => node.shut() })),
		el('div', { class: 'dialog-body' }, body),
		actions.length ? el('footer', { class: 'dialog-actions' }, actions) : null);
	const page = location.hash;
	const leave = () => {
		if (location.hash !== page)		/* the way here may be told after it was opened */
			node.shut();
	};
	let result;

	window.addEventListener('hashchange', leave);
	node.shut = (value) => {
		result = value;
		node.close();
	};
	node.closed = new Promise((resolve) => node.addEventListener('close', () => {
		window.removeEventListener('hashchange', leave);
		node.remove();
		resolve(result);
	}));
	node.addEventListener('mousedown', (event) => {
		if (event.target === node)
			node.shut();
	});
	document.body.append(node);
	node.showModal();
	(node.querySelector('[autofocus]') ?? node.querySelector('.dialog-body :is(input, select, textarea, [tabindex]), .dialog-actions button'))?.focus();
	return node;
}

/** Asks before what cannot be undone; true when it shall be done. */
export function confirm({ title, text, action, danger = true }) {
	const node = dialog({
		title,
		body: el('p', {}, text),
		actions: [button({ label: T.cancel, onclick: () => node.shut(false) }),
			button({ label: action, kind: danger ? 'danger' : 'primary', autofocus: true, onclick: () => node.shut(true) })],
	});
	return node.closed.then(Boolean);
}

/** Asks for one text; check(text) gives what is wrong with it or null. Null when left. */
export function ask({ title, label, value = '', action, help, check = () => null }) {
	const control = input({ value, autofocus: true });
	const entry = field({ label, control, help });
	const node = dialog({
		title,
		body: form({
			buttons: [button({ label: action, kind: 'primary' }), button({ label: T.cancel, onclick: () => node.shut(null) })],
			submit: () => {
				const text = control.value.trim();
				const wrong = text ? check(text) : T.needed;
				entry.setError(wrong);
				if (!wrong)
					node.shut(text);
			},
		}, entry),
	});
	control.select();
	return node.closed.then((text) => text ?? null);
}

/* --- menus --- */

let openMenu = null;

function moveIn(list, event) {
	const items = [...list.querySelectorAll('[role^=menuitem]:not(:disabled)')];
	const at = items.indexOf(document.activeElement);
	const steps = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 };

	if (event.key in steps) {
		items.at(steps[event.key] % items.length)?.focus();
		event.preventDefault();
	} else if (event.key === 'Escape' || event.key === 'Tab') {
		closeMenu();
		event.preventDefault();
	} else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && event.target.tagName !== 'INPUT') {
		items.find((item) => item.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
	}
	event.stopPropagation();
}

export function closeMenu() {
	const menu = openMenu;

	openMenu = null;
	if (!menu)
		return;
	const hadFocus = menu.list.contains(document.activeElement);
	menu.list.remove();
	menu.anchor.setAttribute?.('aria-expanded', 'false');
	if (hadFocus)
		menu.anchor.focus?.();
}

/** Puts a floating box below (or above) its anchor, within the window. at: {x, y} instead of the anchor's place. */
export function place(box, anchor, at = null) {
	const by = at ? { left: at.x, right: at.x, top: at.y, bottom: at.y } : anchor.getBoundingClientRect();
	const { offsetWidth: width, offsetHeight: height } = box;
	const left = by.left + width > innerWidth - 8 ? by.right - width : by.left;
	const below = by.bottom + 4 + height <= innerHeight - 8 || by.top < height + 12;

	box.style.setProperty('left', `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`);
	box.style.setProperty('top', `${Math.max(8, below ? Math.min(by.bottom + 4, innerHeight - height - 8) : by.top - height - 4)}px`);
}

function menuItem(item) {
	if (item === '-')
		return el('hr', {});
	if (item.heading)
		return el('div', { class: 'menu-heading', role: 'presentation' }, item.heading);
	const checkable = 'checked' in item;
	return el('button', {
		type: 'button', class: ['menu-item', item.danger && 'danger'], disabled: Boolean(item.disabled), tabindex: -1,
		role: checkable ? 'menuitemcheckbox' : 'menuitem', 'aria-checked': checkable ? Boolean(item.checked) : null,
		onclick: () => {
			closeMenu();
			item.onclick();
		},
	}, icon(checkable ? (item.checked ? 'check' : 'none') : item.icon ?? 'none'), el('span', {}, item.label),
	item.shortcut && el('kbd', {}, item.shortcut));
}

/** Opens a menu at a button. items: '-', {heading} or {label, icon, onclick, checked, danger, disabled, shortcut}. */
export function menu(anchor, items, { at = null, label = '' } = {}) {
	const again = openMenu?.anchor === anchor && !at;

	closeMenu();
	if (again)
		return;
	const list = el('div', { class: 'menu', role: 'menu', 'aria-label': label || anchor.getAttribute?.('aria-label') },
		items.filter(Boolean).map(menuItem));
	list.addEventListener('keydown', (event) => moveIn(list, event));
	(anchor.closest?.('dialog') ?? document.body).append(list);
	place(list, anchor, at);
	anchor.setAttribute?.('aria-expanded', 'true');
	openMenu = { list, anchor };
	list.querySelector('[role^=menuitem]')?.focus();
}

document.addEventListener('pointerdown', (event) => {
	if (openMenu && !openMenu.list.contains(event.target) && !openMenu.anchor.contains?.(event.target))
		closeMenu();
});
window.addEventListener('blur', closeMenu);
window.addEventListener('resize', closeMenu);

/* --- notices --- */

let toasts = null;
let live = null;

/** Says something to screen readers only. */
export function announce(text) {
	if (!live) {
		live = el('div', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
		document.body.append(live);
	}
	live.textContent = '';
	setTimeout(() => { live.textContent = text; }, 50);
}

/**
 * A short notice at the bottom. undo: function for its Undo button; action: {label, onclick}; error: it failed; seconds: how
 * long it stays (0: until it is closed). Returns { shut(), say(text) }.
 */
export function toast(text, { undo, action, error = false, seconds = error ? 12 : 7 } = {}) {
	const act = undo ? { label: T.undo, onclick: undo } : action;
	const message = el('span', { class: 'toast-text' }, text);
	const node = el('div', { class: ['toast', error && 'error'], role: error ? 'alert' : 'status' }, error && icon('alert'), message,
		act && el('button', { type: 'button', class: 'toast-action', onclick: () => { shut(); act.onclick(); } }, act.label),
		iconButton({ label: T.dismiss, icon: 'close', onclick: () => shut() }));
	let timer = 0;

	function shut() {
		clearTimeout(timer);
		node.remove();
		if (lastUndo === undoThis)
			lastUndo = null;
	}
	function undoThis() {
		shut();
		undo();
	}
	function wait() {
		clearTimeout(timer);
		if (seconds)
			timer = setTimeout(shut, seconds * 1000);
	}
	if (!toasts) {
		toasts = el('div', { class: 'toasts', popover: 'manual' });
		document.body.append(toasts);
	}
	toasts.hidePopover?.();
	toasts.showPopover?.();		/* above dialogs that were opened since */
	toasts.append(node);
	while (toasts.children.length > 3)
		toasts.firstChild.remove();
	['pointerenter', 'focusin'].forEach((name) => node.addEventListener(name, () => clearTimeout(timer)));
	['pointerleave', 'focusout'].forEach((name) => node.addEventListener(name, wait));
	wait();
	if (undo)
		lastUndo = undoThis;
	return { shut, say: (words) => { message.textContent = words; } };
}

let lastUndo = null;

/** Undoes what the newest notice offers to undo; false when none does. */
export function undoLast() {
	const run = lastUndo;

	lastUndo = null;
	run?.();
	return Boolean(run);
}

/* What can be done from them is for the user that they came for. */
addEventListener('logged-out', () => {
	closeMenu();
	toasts?.replaceChildren();
	lastUndo = null;
});

/** Tells of a failure; an ended request and an ended session say nothing here. */
export function complain(error) {
	if (error.name === 'AbortError' || error.status === 401 || error.code === 'aborted')
		return;
	if (!('status' in error))
		console.error(error);
	toast(error.message, { error: true });
}

/** What is there when nothing is. */
export function emptyState({ icon: picture, title, text, action }) {
	return el('div', { class: 'empty' }, icon(picture, 'large'), el('h2', {}, title), text && el('p', {}, text), action);
}

/** What is there when it could not be had; retry is a function. */
export function errorState(error, retry) {
	return el('div', { class: 'empty', role: 'alert' }, icon('alert', 'large'), el('h2', {}, T.failed), el('p', {}, error.message),
		retry && button({ label: T.retry, icon: 'refresh', onclick: retry }));
}

/** Gray lines where content is on its way. */
export function skeleton(lines = 6) {
	return el('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: lines }, () => el('i')));
}

/** A round picture with initials; its color comes from the text. */
export function avatar(name, address = name) {
	const words = (name || address || '?').replace(/[^\p{L}\p{N}\s@.-]/gu, '').split(/[\s@.-]+/).filter(Boolean);
	const letters = (words.length > 1 ? [words[0], words.at(-1)] : words.slice(0, 1)).map((word) => [...word][0]).join('');
	let sum = 0;

	for (const letter of (address || name || '').toLowerCase())
		sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
	return el('span', { class: `avatar hue-${sum % 12}`, 'aria-hidden': 'true' }, letters.toUpperCase() || '?');
}

/** Loads a style sheet of ours once; resolves when it is there. */
export function useStyle(file) {
	const there = document.querySelector(`link[href="/${file}"]`);

	if (there)
		return Promise.resolve();
	return new Promise((resolve) => {
		const link = el('link', { rel: 'stylesheet', href: '/' + file, onload: resolve, onerror: resolve });
		document.head.append(link);
	});
}

/** Saves what is at an address as a file; the server names it. */
export function download(address) {
	el('a', { href: address, download: '' }).click();
}
