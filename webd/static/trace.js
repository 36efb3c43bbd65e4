/* "Where is my message?": the story of what was sent to or came from an address, or of one message, in plain sentences. */
import * as api from './api.js';
import * as compose from './compose.js';
import { shortDate, timeOfDay } from './format.js';
import { prepare } from './mail.js';
import { go, here } from './router.js';
import * as shell from './shell.js';
import { setKeys } from './shortcuts.js';
import { T } from './texts.js';
import { button, el, emptyState, errorState, field, fill, form, input, skeleton } from './ui.js';

function story(entries) {
	let day = null;

	return el('ol', { class: 'story' }, entries.map(({ time, text }) => {
		const date = shortDate(time) === timeOfDay(time) ? T.trace.today : shortDate(time);
		const heading = date !== day ? el('li', { class: 'story-day' }, date) : null;
		day = date;
		return [heading, el('li', {}, el('time', {}, timeOfDay(time)), el('p', { dir: 'auto' }, text))];
	}));
}

async function draw(result, params) {
	const what = params.get('what');

	if (!what)
		return fill(result);
	fill(result, skeleton(5));
	try {
		const { story: entries } = await api.get('trace', { what });
		fill(result, entries.length ? story(entries.sort((a, b) => a.time - b.time)) : emptyState({ icon: 'map', title: T.trace.nothing, text: T.trace.nothingText }));
	} catch (error) {
		fill(result, errorState(error, () => draw(result, params)));
	}
}

export async function show(container, _path, params) {
	const address = input({ type: 'text', value: params.get('what') ?? '', inputmode: 'email', autocapitalize: 'none', spellcheck: 'false', maxlength: 320 });
	const entry = field({ label: T.trace.address, control: address });
	const result = el('section', { 'aria-live': 'polite', 'aria-label': T.trace.story });
	const sheet = el('div', { class: 'sheet' }, el('header', { class: 'sheet-head' }, el('h1', {}, T.trace.title)), el('p', { class: 'muted' }, T.trace.lead),
		form({ class: 'trace-form', buttons: [button({ label: T.trace.action, icon: 'search', kind: 'primary' })], submit: () => {
			entry.setError(address.value.trim() ? null : T.needed);
			if (address.value.trim())
				go('trace', { what: address.value.trim() });
		} }, entry), result);

	try {
		const side = await prepare();
		if (here().path[0] !== 'trace')
			return;
		shell.setPage({ name: 'mail', title: T.trace.title, side });
		fill(container, sheet);
		setKeys({ c: () => compose.blank(), 'g i': () => go('mail') });
		await draw(result, params);
	} catch (error) {
		if (error.status !== 401)
			fill(container, errorState(error, () => show(container, _path, params)));
	}
}
