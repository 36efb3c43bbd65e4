/*
 * Queue: the messages that wait, by what they are and why; what can be done with one, some, or all that fit a filter; the
 * details of one at admin/queue/ID.
 */
import { storyOf } from './admin_logs.js';
import { askMaster, card, facts, heading, load, pill, row, rowMenu, run, table } from './admin_page.js';
import { showAgo, showSpan, showTime, showUntil } from './admin_values.js';
import { number, size } from './format.js';
import { go, here } from './router.js';
import { button, checkbox, complain, dialog, el, emptyState, field, fill, form, icon, input, select, skeleton, toast } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.queue;
const PAGE = 50, PARTS_MOST = 1000;
const STATE_KINDS = { waiting: 'none', held: 'warn', parked: 'none', 'in hand': 'info', concluding: 'info' };
const STATUS_KINDS = { pending: 'warn', done: 'good', failed: 'bad', expanded: 'none' };

let state = null;

/* ---- what is asked for ---- */

/* The filter as words for master; all=true when there is none and it must be said. */
function which(must) {
	const { sender, recipient, domain, reason, age, held } = state.filter;
	const words = Object.entries({ sender, recipient, domain, reason }).filter(([, text]) => text.value.trim()).map(([key, text]) => `${key}=${text.value.trim()}`);

	if (age.value)
		words.push(age.value);
	if (held.input.checked)
		words.push('held=true');
	return words.length || !must ? words : ['all=true'];
}

const isFiltered = () => which(false).length > 0;
/* How many messages fit, null when that is not known: master counts the whole spool. */
const fitting = () => (state.next === null ? state.messages.length : isFiltered() ? null : state.total);

async function read(after) {
	const mine = state, turn = ++mine.turn;
	const answer = await askMaster('queue', 'list', `limit=${PAGE}`, ...which(true), ...(after ? [`after=${after}`] : []));

	if (mine !== state || turn !== mine.turn)		/* asked for otherwise meanwhile */
		return;
	state.messages = after ? [...state.messages, ...answer.messages] : answer.messages;
	state.total = answer.total;
	state.next = answer.next ?? null;
	draw();
}

async function again() {
	state.all = false;
	state.chosen.clear();
	await read(null).catch(complain);
}

/* ---- what is done ---- */

/* Sums up the parts of an answer about many messages. */
async function order(verb, words) {
	const sums = { done: 0, waiting: 0, skipped: 0, failed: 0, unknown: 0 };
	let after = null, parts = 0;

	do {
		const answer = await askMaster('queue', verb, ...words, ...(after ? [`after=${after}`] : []));
		Object.keys(sums).forEach((key) => { sums[key] += answer[key] ?? 0; });
		after = answer.next ?? null;
	} while (after !== null && ++parts < PARTS_MOST);
	return sums;
}

function tell(verb, sums, target) {
	const parts = [t.result(sums.done, t.done[verb]), sums.waiting && t.waiting(sums.waiting), sums.skipped && t.skipped(sums.skipped), sums.failed && t.failedN(sums.failed),
		sums.unknown && t.unknown(sums.unknown)].filter(Boolean);
	const back = { hold: 'release', release: 'hold' }[verb];

	toast(parts.join(', '), { error: sums.failed > 0, undo: back && sums.done ? () => perform(back, target, []) : undefined });
}

/* What was selected is not when this is told. */
async function perform(verb, target, more) {
	try {
		const sums = await order(verb, [...more, ...target.words]);
		await again();
		tell(verb, sums, target);
	} catch (error) {
		complain(error);
		await again();
	}
}

/* Asks for what a verb needs; resolves to words, or null when it shall not be. */
function askMore(verb, n) {
	const asks = {
		hold: { title: t.holdTitle(n), note: t.holdNote, key: 'why', label: t.reasonLabel },
		bounce: { title: t.bounceTitle(n), note: t.bounceNote, key: 'why', label: t.reasonLabel, danger: true },
		remove: { title: t.removeTitle(n), note: t.removeNote, key: 'why', label: t.reasonLabel, danger: true },
		reroute: { title: t.rerouteTitle(n), note: t.rerouteNote, key: 'to', label: t.rerouteHost, empty: 'none' },
	}[verb];

	if (!asks)
		return Promise.resolve([]);
	const box = input({ autofocus: true });
	const node = dialog({ title: asks.title, body: form({
		buttons: [button({ label: t.verbs[verb], kind: asks.danger ? 'danger' : 'primary' }), button({ label: texts.cancel, onclick: () => node.shut(null) })],
		submit: () => node.shut(box.value.trim() || asks.empty ? [`${asks.key}=${box.value.trim() || asks.empty}`] : []),
	}, el('p', {}, asks.note), field({ label: asks.label, control: box })) });
	return node.closed.then((words) => words ?? null);
}

/* target: { words, n } */
async function act(verb, target) {
	const more = await askMore(verb, target.n);

	if (more)
		await perform(verb, target, more);
}

const one = (id) => ({ words: [`ids=${id}`], n: 1 });

function chosen() {
	return state.all ? { words: which(true), n: fitting() } : { words: [`ids=${[...state.chosen].join(' ')}`], n: state.chosen.size };
}

const PICTURES = { retry: 'refresh', hold: 'pause', release: 'play', reroute: 'map', bounce: 'reply', remove: 'trash' };

function verbs(target, held) {
	return Object.keys(t.verbs).filter((verb) => held === null || verb !== (held ? 'hold' : 'release')).map((verb) => ({
		label: t.verbs[verb], icon: PICTURES[verb], danger: verb === 'remove', onclick: () => act(verb, target()),
	}));
}

/* ---- one message ---- */

function sentence(m) {
	const { whyHeld, whyLater, whyHand, whyParked, whyWaiting } = t;

	if (m.held)
		return whyHeld(m.hold);
	if (m.state === 'in hand' || m.state === 'concluding')
		return whyHand;
	if (m.state === 'parked')
		return whyParked;
	return m.release > Date.now() / 1000 ? whyLater(showTime(m.release)) : whyWaiting(showUntil(m.next), m.attempts);
}

function recipientRow(r) {
	return row([r.to, pill(t.statuses[r.status] ?? r.status, STATUS_KINDS[r.status]), [r.reply || (r.status === 'pending' && el('span', { class: 'muted' }, t.noReply)),
		r.route && r.status === 'pending' && el('small', { class: 'help' }, r.route)]]);
}

function details(m) {
	const f = t.fields;

	return [
		el('p', { class: 'notice' }, icon('info'), sentence(m)),
		facts([[f.from, m.from || t.nullSender], [f.arrival, `${showTime(m.arrival)} (${showAgo(m.arrival)})`], [f.size, size(m.size)], [f.attempts, number(m.attempts)],
			[f.next, m.next && !m.held ? showUntil(m.next) : ''], [f.hold, m.hold], [f.release, m.release ? showTime(m.release) : ''], [f.reroute, m.reroute],
			[f.submitter, m.submitter], [f.client, [m.client_name, m.client_address].filter(Boolean).join(' ')], [f.protocol, [m.protocol, m.tls && 'TLS'].filter(Boolean).join(', ')],
			[f.envid, m.envid], [f.last_reply, m.last_reply]]),
		el('h3', {}, t.recipients),
		table(t.recipients, [t.recipient, t.state, t.reply], m.recipients.map(recipientRow)),
	];
}

async function open(id) {
	const body = el('div', { class: 'report' }, skeleton(8));
	const node = dialog({ title: t.details(id), body, wide: true, actions: [button({ label: texts.close, onclick: () => node.shut() })] });
	const doing = el('div', { class: 'card-buttons' });

	node.closed.then(() => here().path[2] === id && go(['admin', 'queue'], {}, { replace: true }));
	try {
		const answer = await askMaster('queue', 'show', `ids=${id}`);
		const m = answer.messages?.[0] ?? answer;
		if (!m.id)
			throw Object.assign(new Error(t.gone), { status: 404 });
		fill(doing, verbs(() => one(id), m.held).map((item) => button({ label: item.label, icon: item.icon, class: 'small', onclick: () => { node.shut(); item.onclick(); } })));
		fill(body, details(m), doing, el('h3', {}, t.story), skeleton(3));
	} catch (error) {
		fill(body, el('p', { class: 'notice warn' }, icon('alert'), error.exit === 66 || error.status === 404 ? t.gone : error.message), el('h3', {}, t.story), skeleton(3));
	}
	body.lastChild.replaceWith(await storyOf(id).catch(() => el('p', { class: 'muted' }, t.noStory)));
}

/* ---- the list ---- */

function whyOf(m) {
	const waiting = m.recipients.find((r) => r.status === 'pending' && r.reply);

	return m.held ? sentence(m) : waiting?.reply ?? sentence(m);
}

function line(m) {
	const waiting = m.recipients.filter((r) => r.status === 'pending');
	const first = (waiting[0] ?? m.recipients[0])?.to ?? '';
	const total = m.recipients_total ?? m.recipients.length;
	const box = el('input', { type: 'checkbox', 'aria-label': t.select(m.id), checked: state.all || state.chosen.has(m.id), onchange: () => choose(m.id, box.checked) });

	return row([
		{ class: 'choose', in: box },
		el('button', { type: 'button', class: 'link mono', onclick: () => open(m.id) }, m.id),
		m.from || t.nullSender, [first, total > 1 && el('small', { class: 'muted' }, ` ${t.more(total - 1)}`)], el('span', { title: showTime(m.arrival), class: 'nowrap' }, showSpan(Date.now() / 1000 - m.arrival)),
		pill(t.states[m.state] ?? m.state, STATE_KINDS[m.state]), m.held || !m.next ? '–' : el('span', { title: showTime(m.next), class: 'nowrap' }, showUntil(m.next)),
		{ class: 'why', in: el('span', { title: whyOf(m) }, whyOf(m)) },
		{ class: 'actions', in: rowMenu(m.id, () => verbs(() => one(m.id), m.held)) },
	], { head: 1 });
}

function choose(id, on) {
	if (state.all) {
		state.all = false;
		state.chosen = new Set(state.messages.map((m) => m.id));
	}
	state.chosen[on ? 'add' : 'delete'](id);
	drawBar();
}

function chooseShown(on) {
	state.all = false;
	state.chosen = new Set(on ? state.messages.map((m) => m.id) : []);
	draw();
}

function drawBar() {
	const n = state.all ? fitting() : state.chosen.size;
	const some = !state.all && n > 0 && n < state.messages.length;

	state.bar.hidden = !state.all && n === 0;
	for (const box of state.heads) {
		box.checked = state.all || (n > 0 && !some);
		box.indeterminate = some;
	}
	fill(state.bar, el('strong', { role: 'status' }, state.all ? t.allMatching(n) : t.selected(n)),
		!state.all && state.next !== null && n === state.messages.length && button({ label: t.selectMatching(fitting()), kind: 'quiet', class: 'small',
			onclick: () => { state.all = true; draw(); } }),
		button({ label: t.deselect, kind: 'quiet', class: 'small', onclick: () => chooseShown(false) }),
		el('div', { class: 'bar-verbs' }, verbs(chosen, null).map((item) => button({ label: item.label, icon: item.icon, class: ['small', item.danger && 'danger-text'].filter(Boolean).join(' '), onclick: item.onclick }))));
}

function draw() {
	const { messages, list } = state;

	state.flush.hidden = state.total === 0 && !isFiltered();
	if (!messages.length)
		fill(list, isFiltered() ? emptyState({ icon: 'search', title: t.noneFit }) : emptyState({ icon: 'check', title: t.empty, text: t.emptyNote }));
	else {
		const made = table(texts.panels.queue[0], [{ label: t.selectAll, hidden: true, class: 'choose' }, t.id, t.sender, t.to, t.age, t.state, t.nextTry, t.why,
			{ label: texts.actions, hidden: true }], messages.map(line), 'queue-table');
		const all = (event) => chooseShown(event.currentTarget.checked);
		const head = el('input', { type: 'checkbox', 'aria-label': t.selectAll, onchange: all });
		const above = checkbox({ label: t.selectAll, onchange: all });		/* where the table has no head: on phones */
		above.classList.add('choose-all');
		state.heads = [head, above.input];
		made.querySelector('thead th').replaceChildren(head);
		const more = button({ label: t.moreRows, hidden: !state.next, onclick: () => run(more, () => read(state.next)) });
		fill(list, above, made, el('footer', { class: 'table-foot' }, el('span', { class: 'muted' }, t.shown(messages.length, fitting())), more));
	}
	drawBar();
}

function filterForm() {
	const text = (label) => input({ placeholder: label, 'aria-label': label, title: t.patternNote, class: 'input', autocapitalize: 'none', spellcheck: 'false' });
	const f = state.filter = { sender: text(t.sender), recipient: text(t.recipient), domain: text(t.domain), reason: text(t.reason),
		age: select(Object.entries(t.ages), { value: '', 'aria-label': t.age, onchange: () => node.requestSubmit() }), held: checkbox({ label: t.held, onchange: () => node.requestSubmit() }) };
	const submit = button({ label: t.filter, icon: 'filter', type: 'submit' });
	const node = el('form', { class: 'queue-filter', role: 'search', 'aria-label': t.filter, onsubmit: (event) => {
		event.preventDefault();
		run(submit, again);
	}, onreset: () => setTimeout(again) }, f.sender, f.recipient, f.domain, f.reason, f.age, f.held, submit,
	button({ label: t.clear, kind: 'quiet', type: 'reset' }), el('p', { class: 'help' }, t.patternNote));

	return node;
}

export function show(body, path) {
	state = { turn: 0, filter: {}, messages: [], total: 0, next: null, chosen: new Set(), all: false, list: el('div', {}), bar: el('div', { class: 'select-bar', hidden: true }), heads: [],
		flush: button({ label: t.flush, icon: 'send', hidden: true, title: t.flushNote, onclick: () => run(state.flush, async () => {
			const sums = await order('flush', ['all=true']);
			await again();
			tell('flush', sums, null);
		}) }) };
	const content = el('div', {});
	const refresh = button({ label: texts.refresh, icon: 'refresh', onclick: () => run(refresh, again) });

	fill(body, heading('queue', refresh, state.flush), content);
	const filters = filterForm();
	load(content, async () => {
		await read(null);
		return card({}, filters, state.bar, state.list);
	});
	if (path[0])
		open(path[0]);
}
