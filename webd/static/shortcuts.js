/* Keys: a table of what they do on which page, and the sheet (?) that shows it. A page gives its functions with setKeys(). */
import { undoLast, dialog, el } from './ui.js';
import { T } from './texts.js';

const PAIR_MS = 1200;

let keys = {};
let first = null;
let timer = 0;

/** actions: { 'j': function, 'g i': function, 'Shift+U': function ... } */
export function setKeys(actions) {
	keys = actions;
}

function nameOf(event) {
	const shifted = event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key));

	return (shifted ? 'Shift+' : '') + (event.key.length === 1 && shifted ? event.key.toUpperCase() : event.key);
}

function typing(target) {
	return target.closest?.('input:not([type=checkbox]), textarea, select, [contenteditable=true], dialog, .menu, .composer');
}

function onKey(event) {
	if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target) || document.querySelector('dialog[open]'))
		return;
	const name = nameOf(event);
	const pair = first ? `${first} ${name}` : name;

	clearTimeout(timer);
	if (!first && Object.keys(keys).some((key) => key.startsWith(name + ' '))) {
		first = name;
		timer = setTimeout(() => { first = null; }, PAIR_MS);
		return event.preventDefault();
	}
	first = null;
	if (pair === '?')
		showHelp();
	else if (pair === 'z' && undoLast())
		;
	else if (keys[pair])
		keys[pair](event);
	else
		return;
	event.preventDefault();
}

export function showHelp() {
	if (document.querySelector('dialog.keys'))
		return;
	dialog({ title: T.keys.title, wide: true, class: 'keys', body: el('div', { class: 'key-groups' }, T.keys.groups.map(([title, rows]) => el('section', {}, el('h3', {}, title),
		el('dl', {}, rows.map(([key, text]) => el('div', {}, el('dt', {}, key.split(' / ').map((one, i) => [i ? ' / ' : '', one.split(' ').map((part, j) => [j ? ' ' : '', el('kbd', {}, part)])])), el('dd', {}, text)))))) ) });
}

document.addEventListener('keydown', onKey);
addEventListener('logged-out', () => { keys = {}; });
