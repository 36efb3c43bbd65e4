/*
 * Server Configuration, Mail Configuration and Proxy Configuration: all keys of config.ini, of mail.ini, and those of the
 * provider's SMTP Server. What has panels of its own (aliases, routes, remote mailboxes) is not here.
 */
import { card, askMaster, heading, load, notice, searchBox } from './admin_page.js';
import { certificateForms } from './admin_certificates.js';
import { mailboxForms, mailboxList, mailboxProblems } from './admin_mailboxes.js';
import { settingsForm, tellSaved } from './admin_form.js';
import { href } from './router.js';
import { button, checkbox, el, fill, newId } from './ui.js';
import { texts } from './texts_admin.js';

const isProxy = (key) => key.file === 'config.ini' && key.section === 'common' && key.key.startsWith('SMTP Server');
const isRelay = (key) => key.section === 'smtpd' && (key.key.startsWith('Relay ') || key.key === 'Use MTA');

const panels = {
	server: (keys) => bySection(keys.filter((key) => key.file === 'config.ini' && !isProxy(key))),
	mail: (keys) => bySection(keys.filter((key) => key.file === 'mail.ini')),
	proxy: (keys) => [
		{ id: 'set-smtp-server', title: texts.proxy.server, note: texts.proxy.serverNote, keys: keys.filter(isProxy) },
		{ id: 'set-relay', title: texts.proxy.relay, note: texts.proxy.relayNote, keys: keys.filter((key) => isRelay(key) && key.key !== 'Relay Domains') },
	],
};

/* What stands below the settings. */
const more = {
	mail: { id: 'set-mailboxes', title: texts.mailboxes.title, forms: mailboxForms },
	server: { id: 'set-certificates', title: texts.certificates.title, forms: certificateForms },
};

function bySection(keys) {
	const names = [...new Set(keys.map((key) => key.section))];

	return names.map((section) => ({
		id: 'set-' + section, title: texts.sections[section]?.[0] ?? section, note: [texts.sections[section]?.[1], ` [${section}]`].join(''),
		keys: keys.filter((key) => key.section === section),
	}));
}

function problemList(problems) {
	if (!problems?.length)
		return null;
	const errors = problems.some((p) => !p.warning);

	return notice(errors ? 'bad' : 'warn', texts.config.problems, errors && el('p', {}, texts.config.errors),
		el('ul', { class: 'bare' }, problems.map((p) => el('li', {}, p.text, ' ', el('small', { class: 'muted' }, p.where)))));
}

function jumps(groups) {
	return el('nav', { class: 'jumps', 'aria-label': texts.config.jump }, groups.map(({ id, title }) => button({
		label: title, kind: 'quiet', class: 'small', onclick: () => document.getElementById(id)?.scrollIntoView({ behavior: 'smooth', block: 'start' }),
	})));
}

/* wanted: the name of a setting to begin with. */
function filters(form, nothing, wanted = '') {
	const only = checkbox({ label: texts.config.changedOnly, onchange: () => apply() });
	const box = searchBox(texts.config.find, (text) => { words = text; apply(); });
	let words = wanted.toLowerCase();
	const apply = () => { nothing.hidden = form.filter(words, only.input.checked) > 0; };

	form.addEventListener('refused', () => {
		form.filter('', false);
	});
	box.value = wanted;
	apply();
	return el('div', { class: 'panel-tools' }, box, only);
}

async function build(body, panel, wanted) {
	const [config, accounts] = await Promise.all([askMaster('config', 'list'), askMaster('user', 'list').catch(() => ({ users: [] }))]);
	const groups = panels[panel](config.keys).filter((group) => group.keys.length);
	const users = newId('users');
	const again = () => {
		show(body, [], panel);
		body.querySelector('h1').focus();		/* what had the focus is gone */
	};
	const form = settingsForm({
		panel, groups, context: { users }, check: (changes) => mailboxProblems(changes, accounts.users),
		saved: (answer, n) => {
			tellSaved(texts.config.saved(n), answer, again);
			return again();
		},
	});
	const nothing = el('p', { class: 'muted', hidden: true }, texts.config.nothingFound);

	return [problemList(config.problems), mailboxList(users, accounts.users), panel !== 'proxy' && filters(form, nothing, wanted),
		panel !== 'proxy' && jumps([...groups, ...panel in more ? [more[panel]] : []]),
		nothing, form, panel in more && more[panel].forms(more[panel].id)];
}

/** Shows a panel: server, mail or proxy. path: the setting that is looked for, or nothing. */
export function show(body, path, panel) {
	const content = el('div', { class: 'panel-body' });
	const history = el('a', { class: 'button plain', href: href(['admin', 'history']) }, texts.config.history);

	fill(body, heading(panel, history), content);
	load(content, () => build(body, panel, path[0]));
}
