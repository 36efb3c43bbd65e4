/* What a letter begins with: its text with signature and quote, and whom it comes from. */
import { prefs } from './preferences.js';
import { nodesOfText } from './rich_text.js';
import { el } from './ui.js';

/** The letter of a message nobody has written yet. */
export function emptyLetter() {
	return { from: null, from_name: null, to: [], cc: [], bcc: [], subject: '', text: '', html: null, attachments: [], reply: null, forward: null, priority: 'normal', receipt: false, draft: null, message_id: null };
}

function signatureText() {
	const { signature } = prefs();

	return signature.trim() ? `-- \n${signature.trim()}` : '';
}

/** Room to write, the signature and the quote, in the order the user likes. */
function bodyWith(quote) {
	const signature = signatureText();

	if (!quote)
		return signature ? `\n\n${signature}` : '';
	if (prefs().quote === 'above')
		return `${quote}\n\n${signature ? `\n\n${signature}` : ''}`;
	return `\n\n${signature ? signature + '\n\n' : ''}${quote}`;
}

/** The identity that a message was sent to, so that the answer comes from it. */
export function identityFor(message, identities) {
	const theirs = [...message.headers.to, ...message.headers.cc].map((person) => person.address.toLowerCase());

	return identities?.find((identity) => theirs.includes(identity.address.toLowerCase()))?.address ?? null;
}

/** A letter with its text, as plain or formatted as the user likes it. */
export function withBody(letter, quote) {
	const text = bodyWith(quote);
	const html = prefs().compose === 'rich' ? el('div', {}, nodesOfText(text)).innerHTML : null;

	return { ...letter, text, html };
}

/** Where in it one writes. */
export const caretIn = (text, quote) => (quote && prefs().quote === 'above' ? quote.length + 2 : 0);
