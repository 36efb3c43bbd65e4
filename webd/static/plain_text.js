/*
 * The plain text of a message as elements: quoted parts can be folded, addresses of web pages and mail become links. Only http,
 * https and mailto ever do, and what a link shows is exactly where it leads.
 */
import { T } from './texts.js';
import { el } from './ui.js';

/* Each repetition is bounded, and an address begins where its word does, so that no text takes long. */
const LINK = /\b(?:https?:\/\/|www\.)[^\s<>"'`|\\^{}\u0000-\u001f]{1,2000}|(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,10}[\p{L}\p{N}-]{2,63}/giu;
const LINKS_MAX = 2000;
const DEPTH_MAX = 6;

/** What ends a sentence is no part of an address, nor is a bracket that was opened before it. */
function trimEnd(text) {
	const opened = { ')': text.split('(').length, ']': text.split('[').length };
	const closed = { ')': text.split(')').length, ']': text.split(']').length };
	let end = text.length;

	for (; end > 0; end--) {
		const last = text[end - 1];
		if (closed[last] > opened[last])
			closed[last]--;
		else if (!/[.,;:!?*_~]/.test(last))
			break;
	}
	return text.slice(0, end);
}

function target(text) {
	const address = /^https?:/i.test(text) ? text : /^www\./i.test(text) ? 'http://' + text : 'mailto:' + text;

	try {
		const parsed = new URL(address);
		return ['http:', 'https:', 'mailto:'].includes(parsed.protocol) ? parsed.href : null;
	} catch {
		return null;
	}
}

/** A text as nodes, with links; compose(address) begins a message to a mail address. */
export function linkify(text, compose) {
	const nodes = [];
	let at = 0, links = 0;

	for (const match of text.matchAll(LINK)) {
		const shown = trimEnd(match[0]);
		const href = links++ < LINKS_MAX ? target(shown) : null;
		if (!href)
			continue;
		nodes.push(text.slice(at, match.index));
		nodes.push(href.startsWith('mailto:')
			? el('a', { href, onclick: (event) => { event.preventDefault(); compose(shown); } }, shown)
			: el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, shown));
		at = match.index + shown.length;
	}
	nodes.push(text.slice(at));
	return nodes;
}

function depthOf(line) {
	const marks = line.match(/^(?:> ?)+/)?.[0] ?? '';

	return Math.min(DEPTH_MAX, marks.split('>').length - 1);
}

/** Lines of one depth of quotes together: [{ depth, lines }] */
function blocks(text) {
	const found = [];

	for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
		const depth = depthOf(line);
		if (found.at(-1)?.depth !== depth)
			found.push({ depth, lines: [] });
		found.at(-1).lines.push(depth ? line.replace(/^(?:> ?){1,6}/, '') : line);
	}
	return found;
}

function quoted(parts, compose) {
	const body = el('div', { class: 'quote', dir: 'auto' });
	const least = Math.min(...parts.map((part) => part.depth));
	let deeper = [];

	const endDeeper = () => {
		if (deeper.length)
			body.append(quoted(deeper, compose));
		deeper = [];
	};
	for (const part of parts) {
		if (part.depth > least)
			deeper.push(part);
		else {
			endDeeper();
			body.append(el('div', { class: 'text-block', dir: 'auto' }, linkify(part.lines.join('\n'), compose)));
		}
	}
	endDeeper();
	return body;
}

/** The whole text. A quote at the end, as under most replies, is folded when there is something above it. */
export function plainText(text, compose) {
	const node = el('div', { class: 'plain-text' });
	const parts = blocks(text.replace(/\s+$/, ''));
	let i = 0;

	while (i < parts.length) {
		if (!parts[i].depth) {
			const [body, signature] = splitSignature(parts[i].lines, i === parts.length - 1);
			node.append(el('div', { class: 'text-block', dir: 'auto' }, linkify(body, compose)));
			if (signature)
				node.append(el('div', { class: 'text-block text-signature', dir: 'auto' }, linkify(signature, compose)));
			i++;
			continue;
		}
		let end = i;
		while (end < parts.length && parts[end].depth)
			end++;
		const quote = quoted(parts.slice(i, end), compose);
		const lines = parts.slice(i, end).reduce((sum, part) => sum + part.lines.length, 0);
		const fold = end === parts.length && i > 0 && lines > 6;
		node.append(fold ? el('details', { class: 'quote-fold' }, el('summary', {}, T.reader.quoted(lines)), quote) : quote);
		i = end;
	}
	return node;
}

/** What follows "-- " is a signature (RFC 3676 4.3). */
function splitSignature(lines, last) {
	const at = last ? lines.lastIndexOf('-- ') : -1;

	return at < 0 ? [lines.join('\n'), null] : [lines.slice(0, at).join('\n'), lines.slice(at).join('\n')];
}
