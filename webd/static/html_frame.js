/*
 * The frames that show and print the server's document of a message (GET message/html). What is in one is a stranger's: it has no
 * session and no origin, and runs one script of the server's, which says how high the contents are, or opens the dialog for
 * printing. What a frame says is believed within bounds only, and from that frame.
 */
import * as api from './api.js';
import { T } from './texts.js';
import { el } from './ui.js';

const HEIGHT_PX = { least: 48, most: 50000 };	/* what is higher has a scroll bar */
/* Styles can make contents that fit no height: steps that follow each other, until pictures are loaded, and after that. */
const STEPS_MAX = { loading: 60, loaded: 8 };
const QUIET_MS = 1000;		/* what comes after that is a person's doing, or a picture's */

const told = new WeakMap();		/* frame → what is done with what its document says */
let printing = null;

addEventListener('message', ({ source, data }) => {
	const frame = [...document.querySelectorAll('iframe')].find((node) => node.contentWindow === source);

	told.get(frame)?.(data ?? {});
});

/** Makes a frame as high as its contents say they are. */
function fit(frame) {
	let height = 0, loaded = false, steps = 0, last = 0;

	return (data) => {
		if (!Number.isFinite(data.height))
			return;
		if (data.loaded !== loaded || performance.now() - last > QUIET_MS)
			steps = 0;
		loaded = data.loaded;
		if (data.height !== height && ++steps > STEPS_MAX[loaded ? 'loaded' : 'loading'])
			return;
		last = performance.now();
		height = data.height;
		const shown = Math.min(Math.max(height, HEIGHT_PX.least), HEIGHT_PX.most);
		frame.style.setProperty('height', `${shown + frame.offsetHeight - frame.clientHeight}px`);
	};
}

/** The message as it looks; remote: with pictures from elsewhere. */
export function htmlFrame({ folder, uid, subject }, remote) {
	const frame = el('iframe', {
		class: 'html-frame', sandbox: 'allow-scripts allow-popups allow-popups-to-escape-sandbox', title: T.reader.htmlOf(subject || T.list.noSubject),
		referrerpolicy: 'no-referrer', src: api.url('message/html', { folder, uid, remote }),
	});

	told.set(frame, fit(frame));
	return frame;
}

/** Opens the dialog for printing a message, with its header, from a frame that nobody sees. */
export function printMessage({ folder, uid }, remote) {
	printing?.remove();
	printing = el('iframe', {
		class: 'print-frame', sandbox: 'allow-scripts allow-modals', title: T.reader.print, 'aria-hidden': true, tabindex: -1,
		referrerpolicy: 'no-referrer', src: api.url('message/html', { folder, uid, remote, print: true }),
	});
	const frame = printing;
	told.set(frame, ({ printed }) => printed && frame.remove());
	document.body.append(frame);
}

addEventListener('logged-out', () => printing?.remove());
