/*
 * A form over settings of the configuration: what is changed is kept as a draft, shown before it is saved, and saved as
 * one change; what the server finds wrong is shown at the setting.
 */
import { ApiError } from './api.js';
import { draftOf, keepDraft } from './admin_drafts.js';
import { settingLine } from './admin_field.js';
import { askMaster, notice, row, table } from './admin_page.js';
import { showValue } from './admin_values.js';
import { announce, button, complain, dialog, el, fill, toast } from './ui.js';
import { texts } from './texts_admin.js';

const SET_REFUSED = 65;
const idOf = ({ section, key }) => `${section}\n${key}`.toLowerCase();

/** The value of a key of config list, null when it is not set. */
export function valueOf(key) {
	return key.set && key.value !== '' ? key.value : null;
}

function shown(key, value) {
	if (value === null)
		return el('span', { class: 'muted' }, key.preset ? `${texts.history.unset} (${showValue(key.preset, key.type)})` : texts.history.unset);
	return el('code', {}, key.type === 'secret' ? '••••••••' : value);
}

/** Shows changes [{line or key, value}] before they are saved; true when they shall be. */
export function reviewChanges(changes) {
	const cautions = new Set(changes.map(({ key }) => texts.config.cautions[key.key]).filter(Boolean));
	const node = dialog({
		title: texts.config.reviewTitle, wide: true,
		body: [el('p', {}, texts.config.reviewNote), [...cautions].map((text) => notice('warn', null, text)),
			table(texts.config.reviewTitle, [texts.config.setting, texts.config.before, texts.config.after], changes.map(({ key, value }) => row([
				[el('strong', {}, key.key), el('br'), el('small', { class: 'muted' }, `[${key.section}] ${key.file}`)], shown(key, valueOf(key)), shown(key, value)])))],
		actions: [button({ label: texts.cancel, onclick: () => node.shut(false) }),
			button({ label: texts.config.saveAll(changes.length), kind: 'primary', autofocus: true, onclick: () => node.shut(true) })],
	});

	return node.closed.then(Boolean);
}

/** config set: [{section, key, value or null}]; its document, or an ApiError whose details may have problems. */
export function setConfig(changes) {
	return askMaster('config', 'set', JSON.stringify(changes.map(({ section, key, value }) => ({ section, key, value }))));
}

/** Undoes a change by its number. */
export function undoChange(id) {
	return askMaster('config', 'undo', id);
}

/** Says that a change is in effect, with Undo; what else there is to know of it stays until it is closed. undone() follows an undo. */
export function tellSaved(text, answer, undone) {
	toast(text, {
		seconds: 12,
		undo: answer.change === undefined || answer.change === null ? undefined : async () => {
			try {
				await undoChange(answer.change);
				toast(texts.history.undone);
				await undone();
			} catch (error) {
				complain(error);
			}
		},
	});
	if (answer.notices?.length)
		tellNotices(answer.notices);
}

function tellNotices(sentences) {
	const node = dialog({
		title: texts.config.notices,
		body: el('ul', { class: 'bare' }, sentences.map((s) => el('li', {}, s))),
		actions: [button({ label: texts.close, kind: 'primary', autofocus: true, onclick: () => node.shut() })],
	});
}

/* The line that a problem is about: said so, or by the name at the head of its sentence; what was changed comes first. */
function lineOf(problem, lines, changes) {
	const fits = lines.filter(({ key }) => (problem.key ? key.key.toLowerCase() === problem.key.toLowerCase() &&
		(!problem.section || problem.section.toLowerCase().startsWith(key.section.toLowerCase())) : problem.text.startsWith(`${key.key}:`)));

	return fits.find(({ key }) => changes.has(idOf(key))) ?? (problem.key ? fits[0] : undefined);
}

/**
 * panel: whose draft it is; groups: [{id, title, note, keys, extra}]; context: as for settingLine(); saved(answer): all is in effect.
 * check(changes): problems that
 * are known before; save(changes): saves otherwise than by config set. Returns the form: .filter(text, onlySet), .lines.
 */
export function settingsForm({ panel, groups, context, saved, check = () => [], save = setConfig }) {
	const changes = new Map(draftOf(panel));
	const lines = [];
	const problems = el('div', { class: 'form-problems' });
	const count = el('span', {});
	const submit = button({ label: texts.config.review, kind: 'primary', type: 'submit' });
	const bar = el('div', { class: 'save-bar' }, count, el('div', { class: 'save-buttons' },
		button({ label: texts.config.discard, onclick: discard }), submit));
	const boxes = groups.map(makeGroup);
	const form = el('form', { class: 'config-form', novalidate: true, onsubmit: (event) => {
		event.preventDefault();
		finish();
	} }, problems, boxes, bar);

	function makeGroup({ id, title, note, keys, extra }) {
		const own = keys.map((key) => {
			const line = settingLine(key, { value: changes.has(idOf(key)) ? changes.get(idOf(key)).value : valueOf(key), context,
				changed: (value) => change(line, value) });
			line.classList.toggle('changed', changes.has(idOf(key)));
			return line;
		});

		lines.push(...own);
		return el('section', { class: 'card settings-group', id, 'aria-label': title },
			el('header', { class: 'part-head' }, el('div', {}, el('h2', {}, title), note && el('p', { class: 'help' }, note))), extra, own);
	}
	function change(line, value) {
		if (value === undefined || value === valueOf(line.key))
			changes.delete(idOf(line.key));
		else
			changes.set(idOf(line.key), { section: line.key.section, key: line.key.key, value });
		line.classList.toggle('changed', changes.has(idOf(line.key)));
		update();
	}
	function update(wrong = null) {
		keepDraft(panel, changes);
		bar.hidden = changes.size === 0;
		bar.classList.toggle('wrong', wrong !== null);
		count.textContent = wrong ?? texts.config.dirty(changes.size);
	}
	function discard() {
		changes.clear();
		fill(problems);
		for (const line of lines) {
			line.show(valueOf(line.key));
			line.setError(null);
			line.classList.remove('changed');
		}
		update();
	}
	function refuse(error) {
		const found = error.details?.problems ?? [];
		const others = [];
		let first = null;

		for (const problem of found) {
			const line = lineOf(problem, lines, changes);
			if (line)
				line.setError(problem.text.replace(`${line.key.key}: `, ''));
			else
				others.push(problem);
			first ??= line;
		}
		if (others.length || !first)
			fill(problems, notice('bad', first ? null : texts.failed, el('p', {}, error.message),
				el('ul', { class: 'bare' }, others.map((p) => el('li', {}, p.text)))));
		update(first ? texts.config.wrong(found.length - others.length) : error.message);
		announce(count.textContent);
		form.dispatchEvent(new CustomEvent('refused'));
		if (first)
			first.focus();
		else
			problems.scrollIntoView({ block: 'center' });
	}
	async function finish() {
		const list = lines.filter(({ key }) => changes.has(idOf(key))).map(({ key }) => ({ key, value: changes.get(idOf(key)).value }));

		fill(problems);
		lines.forEach((line) => line.setError(null));
		const wrong = check([...changes.values()]);
		if (wrong.length)
			return refuse({ message: texts.failed, details: { problems: wrong } });
		if (!list.length || !await reviewChanges(list))
			return;
		submit.disabled = true;
		submit.setAttribute('aria-busy', 'true');
		try {
			const answer = await save([...changes.values()]);
			changes.clear();
			update();
			announce(texts.config.saved(list.length));
			await saved(answer, list.length);
		} catch (error) {
			if (error instanceof ApiError && error.details?.exit === SET_REFUSED)
				refuse(error);
			else
				complain(error);
		} finally {
			submit.disabled = false;
			submit.removeAttribute('aria-busy');
		}
	}
	form.lines = lines;
	form.filter = (words, onlySet) => {
		let left = 0;
		boxes.forEach((box) => {
			let own = 0;
			for (const line of box.querySelectorAll('.setting')) {
				const { key } = line;
				line.hidden = (onlySet && !key.set && !changes.has(idOf(key))) ||
					!`${key.key} ${key.meaning} [${key.section}]`.toLowerCase().includes(words);
				own += !line.hidden;
			}
			box.hidden = own === 0;
			left += own;
		});
		return left;
	};
	update();
	return form;
}
