/*
 * Status: whether all is well, the traffic of a day, programs, listeners, disks, certificates, and what is not right in the
 * configuration. It looks anew each half minute while it is seen.
 */
import { goodFor } from './admin_certificates.js';
import { trafficChart } from './admin_chart.js';
import { askMaster, card, facts, heading, load, meter, pill, row, table, workButton } from './admin_page.js';
import { showSpan, showUntil } from './admin_values.js';
import { number, size } from './format.js';
import { href } from './router.js';
import { confirm, el, fill, icon, toast } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.status;
const AGAIN_SECONDS = 30, CERTIFICATE_SOON_DAYS = 21;
const FLOW = ['delivered', 'sent'], TROUBLE = ['deferred', 'bounced', 'rejected'];

const left = (certificate) => certificate.until - Date.now() / 1000;
const isUp = (program) => program.state === 'on demand' || (program.state === 'running' && program.answers !== false);

/* What an administrator should look at now: [{kind, text, to}]. */
function worries({ status, stats, config }) {
	const down = status.programs.filter((p) => !isUp(p));
	const soon = stats.certificates.filter((c) => left(c) < CERTIFICATE_SOON_DAYS * 86400);

	return [
		...down.map((p) => ({ kind: 'bad', text: `${p.name}: ${p.answers === false ? t.noAnswer : p.state}` })),
		...(status.listeners ?? []).filter((l) => !l.served).map((l) => ({ kind: 'bad', text: `${t.notServed(`${l.name} ${l.address}`)}${l.why ? `: ${l.why}` : ''}` })),
		...soon.map((c) => ({ kind: left(c) < 7 * 86400 ? 'bad' : 'warn', text: left(c) < 0 ? t.certOver(c.file) : t.certSoon(c.file, showUntil(c.until)) })),
		...stats.disk.filter((d) => d.free / d.total < 0.1).map((d) => ({ kind: d.free / d.total < 0.03 ? 'bad' : 'warn', text: `${t.diskLow(d.what)} (${t.free(size(d.free), size(d.total))})` })),
		...config.problems.map((p) => ({ kind: p.warning ? 'warn' : 'bad', text: `${p.text} (${p.where})` })),
	];
}

function health(all) {
	const list = worries(all), bad = list.some((w) => w.kind === 'bad');
	const { master } = all.status;
	const about = [t.version(master.version), t.uptime(showSpan(master.uptime_s))].join(', ');

	return el('section', { class: `health ${bad ? 'bad' : list.length ? 'warn' : 'good'}` }, icon(list.length ? 'alert' : 'check', 'large'),
		el('div', {}, el('h2', {}, list.length ? t.attention : t.good), el('p', { class: 'muted' }, about),
			list.length ? el('ul', {}, list.map((w) => el('li', { class: w.kind }, w.text))) : null));
}

function tiles({ status, stats }) {
	const sum = (kind) => stats.traffic.reduce((n, r) => n + (r[kind] ?? 0), 0);
	const queue = status.programs.find((p) => p.name === 'queue')?.counters ?? {};
	const tile = (label, value, to) => el(to ? 'a' : 'div', { class: 'tile', href: to }, el('strong', {}, number(value)), el('span', {}, label));

	return el('div', { class: 'tiles', role: 'group', 'aria-label': t.today }, tile(t.waiting, queue.messages ?? 0, href(['admin', 'queue'])),
		['received', ...FLOW, ...TROUBLE].map((kind) => tile(texts.traffic[kind], sum(kind))));
}

function charts({ stats }) {
	const legend = (kinds, line) => el('ul', { class: 'legend' }, kinds.map((kind) => el('li', {}, el('i', { class: `key-${kind}` }), texts.traffic[kind])),
		line && el('li', {}, el('i', { class: `key-line key-${line}` }), texts.traffic[line]));
	const rows = stats.traffic;

	return el('div', { class: 'chart-grid-box' },
		card({ title: t.traffic, actions: [legend(FLOW, 'received')] }, el('div', { class: 'chart-box' }, trafficChart({ rows, kinds: FLOW, line: 'received', label: t.traffic }))),
		card({ title: t.trouble, actions: [legend(TROUBLE)] }, el('div', { class: 'chart-box' }, trafficChart({ rows, kinds: TROUBLE, label: t.trouble }))));
}

function restart(name, again) {
	return workButton({ label: t.restart, icon: 'refresh', kind: 'quiet', class: 'small', 'aria-label': t.restartOf(name) }, async () => {
		await askMaster('restart', name);
		toast(t.restarted(name));
		await again();
	});
}

function counters(program) {
	const entries = Object.entries(program.counters ?? {});

	return entries.length ? el('details', {}, el('summary', {}, t.counters), facts(entries.map(([name, n]) => [name.replaceAll('_', ' '), number(n)]))) : null;
}

/* The processes of a program stand together; one button restarts all of them. */
function programs({ status }, again) {
	const rows = status.programs.map((p, i, all) => {
		const first = all.findIndex((q) => q.name === p.name) === i;
		const idle = p.state === 'on demand' && !p.pid;
		const state = p.answers === false ? t.noAnswer : t.states[p.state] ?? p.state;

		return row([
			[el('strong', {}, p.name), p.worker ? el('span', { class: 'muted' }, ` ${p.worker + 1}`) : null, counters(p)],
			pill(state, !isUp(p) ? 'bad' : idle ? 'none' : 'good'), p.pid ?? '–', p.pid ? showSpan(p.uptime_s) : '–',
			p.restarts ? pill(number(p.restarts), 'warn') : '0', p.memory_kb ? size(p.memory_kb * 1024) : '–',
			{ class: 'actions', in: first && p.state !== 'on demand' ? restart(p.name, again) : null },
		]);
	});
	const all = workButton({ label: t.restartAll, icon: 'refresh' }, async () => {
		if (!await confirm({ title: t.restartAllTitle, text: t.restartAllText, action: t.restartAll }))
			return;
		await askMaster('restart');
		toast(t.restartedAll);
		await again();
	});

	return card({ title: t.programs, actions: [all] }, table(t.programs,
		[t.program, t.state, t.pid, t.since, t.restarts, t.memory, { label: texts.actions, hidden: true }], rows));
}

function listeners({ status }) {
	return card({ title: t.listeners }, table(t.listeners, [t.listener, t.address, t.state], (status.listeners ?? []).map((l) =>
		row([l.name, el('code', {}, l.address), l.served ? pill(t.served, 'good') : [pill(t.notServedShort, 'bad'), ' ', l.why ?? '']]))));
}

function disks({ stats }) {
	return card({ title: t.disk }, el('ul', { class: 'rows' }, stats.disk.map((d) => {
		const text = t.free(size(d.free), size(d.total));
		return el('li', {}, el('div', {}, el('strong', {}, d.what), el('small', { class: 'muted' }, d.path)), meter(1 - d.free / d.total, text, { warn: 0.9, bad: 0.97 }), el('small', {}, text));
	})));
}

function certificates({ stats }) {
	return card({ title: t.certificates }, el('ul', { class: 'rows' }, stats.certificates.map((c) =>
		el('li', {}, el('div', {}, el('strong', {}, c.names.join(', ')), el('small', { class: 'muted' }, c.file)), goodFor(c)))));
}

async function read() {
	const [status, stats, config] = await Promise.all([askMaster('status'), askMaster('stats'), askMaster('config', 'list')]);

	return { status, stats, config };
}

export function show(body) {
	const content = el('div', { class: 'panel-body' });
	const reload = workButton({ label: t.reload, icon: 'refresh' }, async () => {
		const { problems, notices } = await askMaster('reload');
		toast([t.reloaded, ...(notices ?? [])].join('. '));
		await again();
		return problems;
	});
	let timer = 0, gone = false;

	function draw(all) {
		/* What is opened stays open, and what has the focus keeps it. */
		const open = [...content.querySelectorAll('details')].map((d) => d.open);
		fill(content, health(all), tiles(all), charts(all), programs(all, again),
			el('div', { class: 'two' }, listeners(all), el('div', {}, disks(all), certificates(all))));
		content.querySelectorAll('details').forEach((d, i) => { d.open = Boolean(open[i]); });
	}
	async function again() {
		const all = await read();
		if (!gone)
			draw(all);
	}
	function wait() {
		clearTimeout(timer);
		timer = setTimeout(async () => {
			if (!document.hidden && !content.contains(document.activeElement))
				await again().catch(() => {});
			if (!gone)
				wait();
		}, AGAIN_SECONDS * 1000);
	}
	fill(body, heading('status', reload), content);
	load(content, async () => {
		draw(await read());
		wait();
	});
	return () => {
		gone = true;
		clearTimeout(timer);
	};
}
