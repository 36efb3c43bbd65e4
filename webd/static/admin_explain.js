/*
 * The test of an address: what would become of a message, with the way drawn as a tree and the rules that were tried.
 */
import { session } from './api.js';
import { askMaster, card, pill, row, table } from './admin_page.js';
import { button, el, field, fill, form, icon, input, select } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.explain;
const PICTURES = {
	address: 'mail', alias: 'at', forward: 'forward', mailbox: 'inbox', 'to the Unknown Mailbox': 'help', unknown: 'alert', null: 'trash',
	remote: 'globe', peer: 'server', 'leads in a circle': 'refresh', 'store cannot say': 'help', 'and more': 'more',
};
const BAD = new Set(['unknown', 'leads in a circle', 'store cannot say']);

/* The steps come in order, each with its depth: those that are deeper belong to the one before. */
function nest(steps) {
	const root = { children: [] }, open = [root];

	for (const step of steps) {
		const node = { step, children: [] };
		/* What an address leads to stands beside it, at the same depth. */
		const depth = step.step === 'address' ? 0 : step.depth + 1;
		open.length = Math.min(open.length, depth + 1);
		open.at(-1).children.push(node);
		open.push(node);
	}
	return root.children;
}

function branch({ step, children }) {
	return el('li', { class: BAD.has(step.step) ? 'bad' : null },
		el('div', { class: 'step' }, icon(PICTURES[step.step] ?? 'dot'), el('div', {},
			el('strong', {}, step.name || t.steps[step.step]), ' ', el('span', { class: 'muted' }, t.steps[step.step] ?? step.step),
			step.route && step.step !== 'mailbox' && el('small', { class: 'help' }, step.route))),
		children.length ? el('ul', {}, children.map(branch)) : null);
}

/** The way of an explanation as nested lists. */
export function tree(way) {
	return el('ul', { class: 'tree' }, nest(way).map(branch));
}

function verdict(answer) {
	return el('div', { class: `verdict ${answer.accepted ? 'good' : 'bad'}`, role: 'status' }, icon(answer.accepted ? 'check' : 'alert'),
		el('div', {}, el('strong', {}, answer.accepted ? t.accepted : t.refused), el('code', {}, answer.reply)));
}

function rules(list) {
	const kind = { accept: 'good', refuse: 'bad', next: 'none', ask: 'none' };

	return el('details', {}, el('summary', {}, t.rules), table(t.rules, [t.command, t.rule, t.outcomeName, t.because], list.map((rule) => row([
		rule.rule, rule.command, pill(t.outcome[rule.outcome] ?? rule.outcome, kind[rule.outcome]), rule.why,
	].map((cell, i, all) => (i === 0 ? all[1] : i === 1 ? all[0] : cell)), { head: 1 }))));
}

/** The card with the form and the answer. .test(address) fills the form and runs it. */
export function explainCard() {
	const to = input({ autocapitalize: 'none', spellcheck: 'false', placeholder: 'all' });
	const from = input({ value: 'someone@example.com', autocapitalize: 'none', spellcheck: 'false' });
	const ip = input({ value: '192.0.2.1' });
	const user = input({ autocapitalize: 'none', spellcheck: 'false' });
	const listener = select(['SMTP', 'Submission', 'SMTPS'].map((key) => [key, key]), { value: 'SMTP' });
	const toField = field({ label: t.to, control: to });
	const answerBox = el('div', { class: 'explain-answer', 'aria-live': 'polite' });
	const complete = (address) => (address === '' || /[@*]/.test(address) ? address : `${address}@${session.domain}`);

	async function submit() {
		toField.setError(to.value.trim() ? null : t.toNeeded);
		if (!to.value.trim())
			return;
		fill(answerBox);
		const answer = await askMaster('explain', complete(from.value.trim()), complete(to.value.trim()), ip.value.trim(), user.value.trim(), listener.value);
		fill(answerBox, verdict(answer), answer.way.length ? el('h3', {}, t.way) : null, tree(answer.way), rules(answer.rules));
	}
	const testForm = form({ class: 'explain-form', buttons: [button({ label: t.run, icon: 'play', kind: 'primary' })], submit },
		el('div', { class: 'columns' }, toField, field({ label: t.from, help: t.fromNote, control: from }), field({ label: t.ip, help: t.ipNote, control: ip }),
			field({ label: t.user, help: t.userNote, control: user }), field({ label: t.listener, control: listener })));
	const node = card({ title: t.title, note: t.note }, testForm, answerBox);

	node.test = (address) => {
		to.value = address;
		node.scrollIntoView({ behavior: 'smooth', block: 'start' });
		to.focus({ preventScroll: true });
		testForm.requestSubmit();
	};
	return node;
}
