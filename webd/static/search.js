/* The search field in the top bar, with a form for those who do not know the words (from:, before: ...) and a sheet that explains them. */
import * as folders from './folders.js';
import { go, here } from './router.js';
import { T } from './texts.js';
import { button, checkbox, dialog, el, field, form, icon, iconButton, input, select } from './ui.js';

let box = null;
let control = null;

const quote = (text) => (/\s/.test(text) ? `"${text.replaceAll('"', '')}"` : text);

/** The folder that is looked at, for a search of it alone. */
function currentFolder() {
	const { path } = here();

	return path[0] === 'mail' && path[1] !== undefined ? Number(path[1]) : folders.byRole('inbox')?.id;
}

export function search(q, folder = 0) {
	if (q.trim())
		go(`mail/${folder}`, { q: q.trim() });
	else
		go(`mail/${folder || folders.byRole('inbox')?.id || ''}`);
}

function helpTable() {
	return el('table', { class: 'help-table' }, el('tbody', {}, T.search.help.map(([words, text]) => el('tr', {}, el('th', { scope: 'row' }, el('code', {}, words)), el('td', {}, text)))));
}

export function showHelp() {
	dialog({ title: T.search.helpTitle, wide: true, body: helpTable() });
}

function openForm() {
	const current = currentFolder();
	const controls = { from: input(), to: input(), subject: input(), words: input({ value: control.value }), after: input({ type: 'date' }), before: input({ type: 'date' }), larger: input({ placeholder: T.search.sizeHint }) };
	const where = select([[0, T.search.everywhere], ...folders.all().map((folder) => [folder.id, folders.fullLabel(folder)])], { value: here().params.get('q') ? current ?? 0 : 0 });
	const attachment = checkbox({ label: T.search.attachment });
	const unread = checkbox({ label: T.search.unread });
	const starred = checkbox({ label: T.search.starred });
	const node = dialog({
		title: T.search.formTitle,
		body: form({
			class: 'search-form', buttons: [button({ label: T.search.action, icon: 'search', kind: 'primary' }), button({ label: T.search.helpTitle, kind: 'quiet', onclick: showHelp })],
			submit: () => {
				const words = ['from', 'to', 'subject', 'after', 'before', 'larger'].filter((name) => controls[name].value.trim()).map((name) => `${name}:${quote(controls[name].value.trim())}`);
				const q = [controls.words.value.trim(), ...words, attachment.input.checked && 'has:attachment', unread.input.checked && 'is:unread', starred.input.checked && 'is:flagged'].filter(Boolean).join(' ');
				node.shut();
				search(q, Number(where.value));
			},
		}, field({ label: T.search.words, control: controls.words }),
		el('div', { class: 'pair' }, field({ label: T.search.from, control: controls.from }), field({ label: T.search.to, control: controls.to })),
		field({ label: T.search.subject, control: controls.subject }),
		el('div', { class: 'pair' }, field({ label: T.search.after, control: controls.after }), field({ label: T.search.before, control: controls.before })),
		el('div', { class: 'pair' }, field({ label: T.search.where, control: where }), field({ label: T.search.larger, control: controls.larger })),
		el('div', { class: 'checks' }, attachment, unread, starred)),
	});
}

/** The field; its text follows the address. */
export function searchBox() {
	if (!box) {
		control = input({ type: 'search', placeholder: T.search.placeholder, 'aria-label': T.search.placeholder, enterkeyhint: 'search', maxlength: 500 });
		box = el('form', { class: 'search', role: 'search', onsubmit: (event) => {
			event.preventDefault();
			control.blur();
			search(control.value, Number(here().params.get('q') ? here().path[1] ?? 0 : 0));
		} }, icon('search'), control, iconButton({ label: T.search.formTitle, icon: 'settings', onclick: openForm }));
		control.addEventListener('search', () => {
			if (!control.value && here().params.get('q'))
				search('');
		});
		control.addEventListener('keydown', (event) => {
			if (event.key === 'Escape')
				control.blur();
		});
	}
	if (document.activeElement !== control)
		control.value = here().params.get('q') ?? '';
	return box;
}

export function focusSearch() {
	control?.focus();
	control?.select();
}

addEventListener('logged-out', () => { box = null; });
