/*
 * Simple formatted text: a few elements and no more, in and out. HTML that comes in (a draft, what is pasted) is read by the
 * browser's parser into a document that is never shown, and only what is on the list is made anew from it.
 */
import { isFilePaste } from './attaching.js';
import { T } from './texts.js';
import { ask, el, iconButton } from './ui.js';

const ELEMENTS = { B: 'b', STRONG: 'b', I: 'i', EM: 'i', U: 'u', BR: 'br', P: 'p', DIV: 'div', UL: 'ul', OL: 'ol', LI: 'li', BLOCKQUOTE: 'blockquote', A: 'a', PRE: 'pre', HR: 'hr',
	H1: 'b', H2: 'b', H3: 'b' };
const DROPPED = new Set(['SCRIPT', 'STYLE', 'HEAD', 'TITLE', 'TEMPLATE', 'IFRAME', 'OBJECT', 'SVG', 'MATH', 'TEXTAREA', 'SELECT', 'NOSCRIPT']);
const BLOCKS = new Set(['P', 'DIV', 'LI', 'BLOCKQUOTE', 'PRE', 'UL', 'OL', 'TR', 'H1', 'H2', 'H3', 'H4', 'TABLE']);
const DEPTH_MAX = 40;

function safeLink(address) {
	try {
		const { protocol, href } = new URL(address);
		return ['http:', 'https:', 'mailto:'].includes(protocol) ? href : null;
	} catch {
		return null;
	}
}

function copy(node, depth) {
	if (node.nodeType === Node.TEXT_NODE)
		return [document.createTextNode(node.data)];
	if (node.nodeType !== Node.ELEMENT_NODE || DROPPED.has(node.tagName.toUpperCase()))
		return [];
	const children = depth < DEPTH_MAX ? [...node.childNodes].flatMap((child) => copy(child, depth + 1)) : [document.createTextNode(node.textContent)];
	const name = ELEMENTS[node.tagName];
	if (!name)
		return BLOCKS.has(node.tagName) ? [el('div', {}, children)] : children;
	const made = el(name, {}, children);
	if (name === 'a') {
		const href = safeLink(node.getAttribute('href'));
		if (!href)
			return children;
		made.setAttribute('href', href);
	}
	return [made];
}

/** HTML as nodes of the allowed elements. */
export function nodesOf(html) {
	const parsed = new DOMParser().parseFromString(html, 'text/html');

	return [...parsed.body.childNodes].flatMap((node) => copy(node, 0));
}

/** What an editor holds as HTML of the allowed elements. */
export function htmlOf(editor) {
	const clean = el('div', {}, [...editor.childNodes].flatMap((node) => copy(node, 0)));

	return clean.innerHTML;
}

/** Plain text as nodes: lines, and quoted lines as quotes. */
export function nodesOfText(text) {
	const nodes = [];
	let quote = null;

	for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
		const words = line.replace(/^> ?/, '');
		if (line.startsWith('>')) {
			quote ??= nodes[nodes.push(el('blockquote')) - 1];
			quote.append(el('div', {}, words || el('br')));
		} else {
			quote = null;
			nodes.push(el('div', {}, line || el('br')));
		}
	}
	return nodes;
}

/** The text of an editor, with quotes marked. */
export function textOf(editor) {
	const lines = [''];

	const walk = (node, mark, list) => {
		if (node.nodeType === Node.TEXT_NODE) {
			lines[lines.length - 1] += node.data.replace(/\u00a0/g, ' ');
			return;
		}
		if (node.tagName === 'BR') {
			if (node.nextSibling)
				lines.push(mark);
			return;
		}
		const block = BLOCKS.has(node.tagName);
		const inner = node.tagName === 'BLOCKQUOTE' ? mark + '> ' : mark;
		if (block && lines.at(-1).replace(/^(> )*/, ''))
			lines.push(inner);
		else if (block)
			lines[lines.length - 1] = inner;
		if (node.tagName === 'LI')
			lines[lines.length - 1] += list === 'OL' ? `${[...node.parentNode.children].indexOf(node) + 1}. ` : '- ';
		for (const child of node.childNodes)
			walk(child, inner, node.tagName);
		if (block)
			lines.push(mark);
	};
	for (const child of editor.childNodes)
		walk(child, '', null);
	return lines.map((line) => line.replace(/[ \t]+$/, '')).join('\n').replace(/\n+$/, '');
}

const BUTTONS = [['bold', 'bold'], ['italic', 'italic'], ['underline', 'underline'], null, ['insertUnorderedList', 'list'], ['insertOrderedList', 'list-ordered'], ['formatBlock', 'quote'], null, ['createLink', 'link'], ['removeFormat', 'clear']];

async function run(editor, command) {
	const selection = getSelection();
	const range = selection.rangeCount && editor.contains(selection.anchorNode) ? selection.getRangeAt(0) : null;

	if (command === 'createLink') {
		const address = await ask({ title: T.rich.link, label: T.rich.address, value: 'https://', action: T.rich.linkAction, check: (text) => (safeLink(text) ? null : T.rich.badLink) });
		editor.focus();
		if (!address)
			return;
		if (range) {
			selection.removeAllRanges();
			selection.addRange(range);
		}
		if (selection.isCollapsed)
			document.execCommand('insertText', false, address);
		return void document.execCommand('createLink', false, safeLink(address));
	}
	editor.focus();
	document.execCommand('styleWithCSS', false, false);
	const inQuote = command === 'formatBlock' && getSelection().anchorNode?.parentElement?.closest('blockquote');
	document.execCommand(inQuote ? 'outdent' : command, false, command === 'formatBlock' ? 'blockquote' : null);
}

/** An editor and its toolbar: { editor, toolbar }. changed() is called while one writes. */
export function richEditor({ label, changed }) {
	const editor = el('div', { class: 'editor rich', contenteditable: 'true', role: 'textbox', 'aria-multiline': true, 'aria-label': label, dir: 'auto' });
	const buttons = BUTTONS.map((entry) => (entry ? iconButton({ label: T.rich[entry[0]], icon: entry[1], onmousedown: (event) => event.preventDefault(), onclick: async () => {
		await run(editor, entry[0]);
		changed();
		mark();
	} }) : el('span', { class: 'gap' })));
	const toolbar = el('div', { class: 'format-bar', role: 'toolbar', 'aria-label': T.rich.toolbar }, buttons);
	const mark = () => BUTTONS.forEach((entry, i) => {
		if (entry && ['bold', 'italic', 'underline', 'insertUnorderedList', 'insertOrderedList'].includes(entry[0]))
			buttons[i].setAttribute('aria-pressed', String(document.queryCommandState(entry[0])));
	});

	editor.addEventListener('input', changed);
	editor.addEventListener('keyup', mark);
	editor.addEventListener('mouseup', mark);
	editor.addEventListener('paste', (event) => {
		const html = event.clipboardData.getData('text/html');
		if (isFilePaste(event))
			return;
		event.preventDefault();
		if (html)
			document.execCommand('insertHTML', false, el('div', {}, nodesOf(html)).innerHTML);
		else
			document.execCommand('insertText', false, event.clipboardData.getData('text/plain'));
	});
	return { editor, toolbar };
}
