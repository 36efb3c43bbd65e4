/*
 * The first start: the one-time link creates the administrator, then a short guided Quick Start: the server's name, how mail
 * leaves, the first mailbox. Each step after the first may be skipped, and found again on the panels.
 */
import { post, get, setSession } from './api.js';
import { chips } from './admin_chips.js';
import { setConfig } from './admin_form.js';
import { askMaster, notice, facts } from './admin_page.js';
import { partsOf } from './admin_values.js';
import { passwordField } from './admin_users.js';
import { button, checkbox, el, field, fill, form, icon, input, newId, select, skeleton } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.setup;
let container, token, done, session;
let config = [];

const keyOf = (section, name) => config.find((key) => key.section === section && key.key === name);
const current = (section, name) => keyOf(section, name)?.value ?? '';

async function readConfig() {
	config = (await askMaster('config', 'list')).keys;
}

/* Only what differs is a change. */
async function change(wanted) {
	const changes = wanted.filter(({ section, key, value }) => (value ?? '') !== current(section, key));

	if (changes.length)
		await setConfig(changes);
	await readConfig();
}

function head(lead = null) {
	return el('div', { class: 'setup-head' }, el('img', { src: '/logo.svg', alt: '', width: 44, height: 44 }), el('h1', {}, lead ? t.title : texts.product),
		lead && el('p', { class: 'muted' }, lead));
}

function frame(at, title, note, ...children) {
	const steps = el('ol', { class: 'setup-steps', 'aria-label': t.step(at + 1, t.steps.length) }, t.steps.map((step, i) =>
		el('li', { class: i < at ? 'done' : null, 'aria-current': i === at ? 'step' : null }, el('i', {}, i < at ? icon('check') : String(i + 1)), el('span', {}, step))));
	const heading = el('h2', { tabindex: -1 }, title);

	document.title = `${title} – ${texts.product}`;
	fill(container, el('main', { class: 'setup' }, head(t.lead), steps, el('section', { class: 'setup-card' }, heading, note && el('p', { class: 'help' }, note), children)));
	(container.querySelector('[autofocus]') ?? heading).focus();
}

function step(at, title, note, { label, skip, submit }, ...children) {
	const buttons = [button({ label, kind: 'primary' }), skip && button({ label: t.skip, kind: 'quiet', onclick: skip })].filter(Boolean);

	frame(at, title, note, form({ buttons, submit }, children));
}

/* ---- the steps ---- */

function administrator() {
	const name = input({ autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', autofocus: true });
	const password = input({ type: 'password', autocomplete: 'new-password' });
	const again = input({ type: 'password', autocomplete: 'new-password' });
	const nameField = field({ label: t.name, control: name, help: texts.users.nameNote });
	const passwordBox = field({ label: t.password, control: password });
	const againField = field({ label: t.again, control: again });
	const mailbox = checkbox({ label: t.mailbox, help: t.mailboxNote, checked: true });

	step(0, t.adminTitle, t.adminNote, {
		label: t.create,
		submit: async () => {
			nameField.setError(name.value.trim() ? null : texts.users.nameNeeded);
			passwordBox.setError(password.value ? null : texts.users.passwordNeeded);
			againField.setError(password.value === again.value ? null : t.different);
			if (!name.value.trim() || !password.value || password.value !== again.value)
				return;
			session = await post('setup', { token, user: name.value.trim(), password: password.value, mailbox: mailbox.input.checked });
			setSession(session);
			history.replaceState(null, '', '/setup');
			await readConfig();
			serverName();
		},
	}, nameField, passwordBox, againField, mailbox);
}

/* Without Local Domains the server's name is the domain of all addresses: it stays one under another name. */
function serverName() {
	const server = current('mail', 'Mail Server');
	const name = input({ value: server, spellcheck: 'false', autocapitalize: 'none', placeholder: 'mail.example.org', autofocus: true });
	const domains = chips({ items: partsOf(current('smtpd', 'Local Domains') || server), label: t.localDomains, placeholder: 'example.org' });

	step(1, t.domainTitle, t.domainNote, {
		label: t.next, skip: outgoing,
		submit: async () => {
			const wanted = name.value.trim(), local = domains.items.join(' ');
			await change([{ section: 'mail', key: 'Mail Server', value: wanted || null },
				{ section: 'smtpd', key: 'Local Domains', value: wanted === local ? null : local || null }]);
			outgoing();
		},
	}, field({ label: t.mailServer, help: t.mailServerNote, control: name }),
	el('div', { class: 'field' }, el('span', { class: 'label' }, t.localDomains), domains, el('p', { class: 'help' }, t.localDomainsNote)));
}

function ways(chosen, changed) {
	const id = newId('way');
	const radios = [['mx', texts.proxy.mx, texts.proxy.mxNote], ['smart', texts.proxy.smart, texts.proxy.smartNote]].map(([value, label, note]) => {
		const radio = el('input', { type: 'radio', name: id, value, checked: value === chosen, onchange: () => changed(value) });
		return el('label', { class: 'check way' }, radio, el('span', {}, el('strong', {}, label), el('small', { class: 'help' }, note)));
	});

	return el('div', { role: 'radiogroup', 'aria-label': texts.proxy.how, class: 'stacked' }, radios);
}

function outgoing() {
	let way = current('smtpd', 'Use MTA') === 'false' ? 'smart' : 'mx';
	const host = input({ value: current('common', 'SMTP Server'), spellcheck: 'false', autocapitalize: 'none', placeholder: 'smtp.provider.example:587' });
	const hostField = field({ label: 'SMTP Server', control: host });
	const user = input({ value: current('common', 'SMTP Server User'), spellcheck: 'false', autocapitalize: 'none' });
	const password = input({ type: 'password', autocomplete: 'new-password', placeholder: keyOf('common', 'SMTP Server Password')?.set ? texts.config.secretSet : '' });
	const tlsKey = keyOf('common', 'SMTP Server TLS');
	const tls = select(partsOf([tlsKey?.words ?? ''].flat().join(' ')).map((w) => [w, w]), { value: tlsKey?.value || tlsKey?.preset });
	const more = el('div', { class: 'columns' }, hostField, field({ label: 'SMTP Server TLS', control: tls }), field({ label: 'SMTP Server User', control: user }),
		field({ label: 'SMTP Server Password', control: password }));
	const fit = () => { more.hidden = way !== 'smart'; };

	fit();
	step(2, t.sendTitle, null, {
		label: t.next, skip: firstMailbox,
		submit: async () => {
			const smart = way === 'smart';
			hostField.setError(smart && !host.value.trim() ? t.hostNeeded : null);
			if (smart && !host.value.trim())
				return;
			await change(smart ? [{ section: 'smtpd', key: 'Use MTA', value: 'false' }, { section: 'common', key: 'SMTP Server', value: host.value.trim() },
				...(tls.value === (tlsKey?.value || tlsKey?.preset) ? [] : [{ section: 'common', key: 'SMTP Server TLS', value: tls.value }]),
				{ section: 'common', key: 'SMTP Server User', value: user.value.trim() || null },
				...(password.value ? [{ section: 'common', key: 'SMTP Server Password', value: password.value }] : [])]
				: [...(current('smtpd', 'Use MTA') === 'false' ? [{ section: 'smtpd', key: 'Use MTA', value: 'true' }] : [])]);
			firstMailbox();
		},
	}, ways(way, (value) => { way = value; fit(); }), more);
}

function firstMailbox() {
	const name = input({ autocapitalize: 'none', spellcheck: 'false', autofocus: true });
	const nameField = field({ label: texts.users.name, help: texts.users.nameNote, control: name });
	const password = passwordField(texts.users.password);
	const postmaster = checkbox({ label: t.postmasterLabel, help: t.postmasterNote, checked: true });
	const finish = () => readConfig().then(end, end);
	const setPostmaster = async (user) => {
		const { entries } = await askMaster('entries', 'aliases');
		if (!entries.some((e) => e.name.toLowerCase() === 'postmaster'))
			await setConfig([{ section: 'aliases', key: 'postmaster', value: user }]);
	};

	step(3, t.boxTitle, t.boxNote, {
		label: t.boxCreate,
		skip: async () => {
			if (session.mail)
				await setPostmaster(session.user).catch(() => {});
			finish();
		},
		submit: async () => {
			const called = name.value.trim();
			nameField.setError(called ? null : texts.users.nameNeeded);
			password.setError(password.value ? null : texts.users.passwordNeeded);
			if (!called || !password.value)
				return;
			await askMaster('user', 'add', called, password.value, 'mailbox');
			if (postmaster.input.checked)
				await setPostmaster(session.mail ? session.user : called);
			finish();
		},
	}, session.mail && notice('info', null, t.boxHave(session.user)), nameField, password, postmaster);
}

function end() {
	const server = current('mail', 'Mail Server') || location.hostname;
	const ports = (name) => current('listen', name) || keyOf('listen', name)?.preset || '';
	const port = (name) => /:(\d+)(\s|$)/.exec(ports(name))?.[1];
	const show = (...names) => names.filter((n) => port(n)).map((n) => `${server}, ${t.port(port(n))}, ${t.tlsOf[n]}`).join('; ');

	const alone = config.filter((key) => key.section === 'listen').every((key) => partsOf(key.value || key.preset || '').every((at) => /^(none|127\.|\[?::1\b|localhost\b)/i.test(at)));

	history.replaceState(null, '', '/setup?done');		/* loaded anew it is this page again */
	frame(4, t.doneTitle, null, alone && notice('warn', t.doneLocal, el('p', {}, t.doneLocalNote)), el('p', { class: 'help' }, t.doneBefore(server)), el('p', { class: 'help' }, t.doneNote), facts([[t.sendServer, show('Submission', 'SMTPS')], [t.readServer, show('POP3S', 'POP3')], [t.account, t.accountNote]]),
		el('div', { class: 'card-buttons' }, button({ label: t.toAdmin, kind: 'primary', autofocus: true, onclick: () => done(session) })));
}

/* ---- the start ---- */

function invalid() {
	fill(container, el('main', { class: 'setup' }, head(), el('section', { class: 'setup-card' }, el('div', { class: 'empty' }, icon('key', 'large'),
		el('h2', {}, t.invalid), el('p', {}, t.invalidNote), el('a', { class: 'button primary', href: '/' }, t.toLogin)))));
}

/* token: of the link; done(session): goes on to System Administration. Who has made himself administrator and loads the page anew
 * goes on with the steps. */
export async function show(into, givenToken, whenDone) {
	[container, token, done] = [into, givenToken, whenDone];
	fill(container, el('main', { class: 'setup' }, el('p', { class: 'unseen', role: 'status' }, t.checking), skeleton(6)));
	if (token && (await get('setup', { token }).catch(() => ({ valid: false }))).valid)
		return administrator();
	session = await get('session').catch(() => null);
	if (!session?.admin)
		return invalid();
	setSession(session);
	await readConfig();
	return location.search === '?done' ? end() : serverName();
}
