/*
 * Mail Fetcher: the mailboxes at other hosts with what became of the last run; fetch now, test, dry run, forget; the form of
 * one of them at admin/fetch/NAME, or admin/fetch/+ for a new one.
 */
import { fetchForm } from './admin_fetch_form.js';
import { askMaster, card, facts, heading, load, notice, pill, row, rowMenu, run, table, workButton } from './admin_page.js';
import { showAgo, showUntil } from './admin_values.js';
import { number, size } from './format.js';
import { go, href } from './router.js';
import { button, complain, confirm, dialog, el, emptyState, fill, skeleton, toast } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.fetch;
const AGAIN_SECONDS = 15;

/* ---- test, dry run ---- */

function messageRow(message) {
	const goes = (message.recipients ?? []).map((r) => [r.to, ` (${r.by})`]);

	return row([message.from, message.subject || '–', size(message.size), goes.length ? goes.map(([to, by]) => el('div', {}, to, el('small', { class: 'muted' }, by)))
		: pill(t.stays, 'warn'), message.why ?? '']);
}

function report(name, answer, dry) {
	const good = answer.code === 0;
	const folders = answer.folders ?? [], messages = answer.messages ?? [];

	return [
		el('div', { class: `verdict ${good ? 'good' : 'bad'}`, role: 'status' }, el('div', {}, el('strong', {}, good ? t.ok : `${t.notOk} (${answer.end})`),
			answer.why && el('code', {}, answer.why), good && el('span', {}, `${t.counts(answer.counts.listed, answer.counts.fresh)} ${t.nothingTaken}`))),
		answer.server && [el('h3', {}, t.server), facts(Object.entries(answer.server))],
		folders.length ? [el('h3', {}, t.folders), table(t.folders, [t.folder, t.messages], folders.map((f) => row([f.name, number(f.messages)])))] : null,
		dry && good && (messages.length ? [el('h3', {}, t.dryWhat), table(t.dryRun, [t.from, t.subject, texts.queue.size, t.goes, t.why], messages.map(messageRow))]
			: el('p', { class: 'muted' }, t.nothingNew)),
	];
}

async function tryOut(name, verb) {
	const dry = verb === 'dry-run';
	const body = el('div', { class: 'report', 'aria-live': 'polite' }, el('p', { class: 'muted' }, t.testing), skeleton(4));
	const node = dialog({ title: dry ? t.dryTitle(name) : t.testTitle(name), wide: true, body,
		actions: [button({ label: texts.close, kind: 'primary', onclick: () => node.shut() })] });

	try {
		fill(body, report(name, await askMaster('fetch', verb, name), dry));
	} catch (error) {
		fill(body, notice('bad', t.notOk, el('p', {}, error.message)));
	}
}

/* ---- one of the list ---- */

function tellFetched(sections) {
	for (const s of sections) {
		if (s.failures > 0)
			toast(`${t.fetchFailed(s.name)}: ${s.why || s.end}`, { error: true });
		else
			toast(t.fetched(s.name, s.counts?.new ?? 0));
	}
}

async function forget(name) {
	if (!await confirm({ title: t.forgetTitle(name), text: t.forgetNote, action: t.forget }))
		return;
	try {
		toast(t.forgotten((await askMaster('fetch', 'forget', name)).forgotten));
	} catch (error) {
		complain(error);
	}
}

async function remove(name, again) {
	if (!await confirm({ title: t.deleteTitle(name), text: t.deleteNote, action: t.delete }))
		return;
	try {
		await askMaster('fetch', 'del', name);
		toast(t.deleted(name));
	} catch (error) {
		complain(error);
	}
	again();
}

function stateOf(s) {
	const failing = s.failures > 0;
	const kind = s.state === 'incomplete' ? 'bad' : s.state === 'collecting' ? 'info' : s.state === 'manual' || failing ? 'none' : 'good';

	return [pill(t.states[s.state] ?? s.state, kind), failing && pill(t.failures(s.failures), 'bad')];
}

function sectionCard(s, again) {
	const counts = s.so_far ?? s.counts;
	const incomplete = s.state === 'incomplete';
	const fetchNow = workButton({ label: t.now, icon: 'download', disabled: incomplete }, async () => {
		tellFetched((await askMaster('fetch', 'now', s.name)).sections);
		await again();
	});

	return card({ title: s.name, note: `${s.user ? `${s.user} · ` : ''}${s.server || '–'}${s.port ? `:${s.port}` : ''} · ${s.protocol.toUpperCase()}`, class: 'fetch', actions: [
		stateOf(s), rowMenu(s.name, () => [
			{ label: texts.edit, icon: 'pencil', onclick: () => go(['admin', 'fetch', s.name]) },
			{ label: t.forget, icon: 'undo', onclick: () => forget(s.name) },
			'-', { label: t.delete, icon: 'trash', danger: true, onclick: () => remove(s.name, again) },
		])] },
	s.missing && notice('warn', null, t.missing(s.missing)),
	s.failures > 0 && s.why && notice('bad', null, s.why),
	facts([[t.last, s.last ? [showAgo(s.last), ' ', s.end && s.end !== 'ok' ? pill(s.end, 'bad') : null] : texts.never], [t.next, s.next ? showUntil(s.next) : '–'],
		[t.newOnes, counts ? number(counts.new) : '–'], [t.tooLarge, counts?.too_large ? number(counts.too_large) : null],
		[t.left, counts && counts.left + counts.refused ? [number(counts.left + counts.refused), s.left_why && `: ${s.left_why}`] : null]]),
	el('div', { class: 'card-buttons' }, fetchNow, button({ label: t.test, icon: 'check', disabled: incomplete, onclick: () => tryOut(s.name, 'test') }),
		button({ label: t.dryRun, icon: 'eye', disabled: incomplete, onclick: () => tryOut(s.name, 'dry-run') }),
		el('a', { class: 'button plain', href: href(['admin', 'fetch', s.name]) }, texts.edit)));
}

function showList(body) {
	const content = el('div', {});
	const create = () => go(['admin', 'fetch', '+']);
	const all = button({ label: t.nowAll, icon: 'download', hidden: true, onclick: () => run(all, async () => {
		tellFetched((await askMaster('fetch', 'now')).sections);
		await again();
	}) });
	let timer = 0, gone = false;

	async function draw() {
		const { sections } = await askMaster('fetch', 'list');
		all.hidden = sections.length < 2;
		if (!gone)
			fill(content, sections.length ? el('div', { class: 'fetch-list' }, sections.map((s) => sectionCard(s, again)))
				: emptyState({ icon: 'download', title: t.empty, text: t.emptyNote, action: button({ label: t.new, icon: 'plus', kind: 'primary', onclick: create }) }));
	}
	async function again() {
		await draw().catch(complain);
	}
	function wait() {
		timer = setTimeout(async () => {
			if (!document.hidden && !content.contains(document.activeElement) && !document.querySelector('dialog[open], .menu'))
				await draw().catch(() => {});
			if (!gone)
				wait();
		}, AGAIN_SECONDS * 1000);
	}
	fill(body, heading('fetch', all, button({ label: t.new, icon: 'plus', kind: 'primary', onclick: create })), content);
	load(content, async () => {
		await draw();
		wait();
	});
	return () => {
		gone = true;
		clearTimeout(timer);
	};
}

export function show(body, path) {
	if (!path.length)
		return showList(body);
	fetchForm(body, path[0] === '+' ? null : path[0], () => go(['admin', 'fetch']));
	return undefined;
}
