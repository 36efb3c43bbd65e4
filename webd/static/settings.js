/* The user's settings, a page a subject: how things look, writing, forwarding, the vacation reply, the password. */
import * as api from './api.js';
import * as preferences from './preferences.js';
import { Recipients } from './recipients.js';
import { prepare } from './mail.js';
import { go, here, href } from './router.js';
import * as shell from './shell.js';
import { setKeys } from './shortcuts.js';
import { T } from './texts.js';
import { button, complain, el, errorState, field, fill, form, icon, input, select, skeleton, textarea, toast, toggle } from './ui.js';

const S = T.settings;
const EX_TEMPFAIL = 75;
const TRIES = 8;
const AGAIN_MS = 500;

/** A control that saves itself: get its value on a change. */
function saving(name, control, value = () => control.value) {
	control.addEventListener('change', async () => {
		try {
			await preferences.save({ [name]: value() });
			toast(T.saved, { seconds: 2 });
		} catch (error) {
			complain(error);
		}
	});
	return control;
}

function savingToggle(name, label, help) {
	const node = toggle({ label, help, checked: Boolean(preferences.prefs()[name]) });

	saving(name, node.input, () => node.input.checked);
	return node;
}

function look() {
	const settings = preferences.prefs();
	const theme = saving('theme', select(T.shell.themes, { value: shell.currentTheme() }));
	const density = saving('density', select(S.densities, { value: settings.density }));

	theme.addEventListener('change', () => shell.setTheme(theme.value));
	return [field({ label: T.shell.theme, control: theme }), field({ label: S.density, control: density }), savingToggle('threads', S.threads, S.threadsHelp)];
}

function reading() {
	const settings = preferences.prefs();
	const notify = toggle({ label: S.notify, help: 'Notification' in window ? S.notifyHelp : S.notifyNever, checked: settings.notify && 'Notification' in window && Notification.permission === 'granted', disabled: !('Notification' in window) });

	notify.input.addEventListener('change', async () => {
		const on = notify.input.checked && await Notification.requestPermission() === 'granted';
		if (notify.input.checked && !on)
			toast(S.notifyDenied, { error: true });
		notify.input.checked = on;
		preferences.save({ notify: on }).catch(complain);
	});
	return [field({ label: S.remoteImages, control: saving('remote_images', select(S.remoteChoices, { value: settings.remote_images })), help: S.remoteHelp }), notify];
}

function general() {
	return [el('section', { class: 'card' }, el('h2', {}, S.look), look()), el('section', { class: 'card' }, el('h2', {}, S.reading), reading())];
}

function writing() {
	const settings = preferences.prefs();
	const name = input({ value: settings.display_name, maxlength: 200, dir: 'auto', autocomplete: 'name' });
	const signature = textarea({ value: settings.signature, rows: 4, maxlength: 4000, dir: 'auto' });
	const compose = select(S.composeChoices, { value: settings.compose });
	const quote = select(S.quoteChoices, { value: settings.quote });
	const undo = select([5, 10, 20, 30].map((n) => [n, S.seconds(n)]), { value: settings.undo });

	return form({ class: 'card', buttons: [button({ label: T.save, kind: 'primary' })], submit: async () => {
		await preferences.save({ display_name: name.value.trim(), signature: signature.value, compose: compose.value, quote: quote.value, undo: Number(undo.value) });
		toast(T.saved);
	} }, field({ label: S.displayName, help: S.displayNameHelp, control: name }), field({ label: S.signature, help: S.signatureHelp, control: signature }),
	field({ label: S.compose, control: compose }), field({ label: S.quote, control: quote }), field({ label: S.undo, help: S.undoHelp, control: undo }));
}

/** The configuration can be in another's hands for a moment: then master asks to come again (sysexits' 75). */
async function patiently(change) {
	for (let tries = 0; ; tries++) {
		try {
			return await change();
		} catch (error) {
			if (error.details?.exit !== EX_TEMPFAIL || tries === TRIES)
				throw error;
			await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
		}
	}
}

async function forwarding() {
	const { to, keep } = await api.get('forward');
	const targets = new Recipients({ label: S.forwardTo, changed: () => {} });
	const keeping = toggle({ label: S.forwardKeep, checked: keep });

	targets.value = to;
	return form({ class: 'card', buttons: [button({ label: T.save, kind: 'primary' }), button({ label: S.forwardStop, onclick: async () => {
		targets.value = [];
		try {
			await patiently(() => api.post('forward', { to: [], keep: true }));
			toast(S.forwardStopped);
		} catch (error) {
			complain(error);
		}
	} })], submit: async () => {
		if (targets.wrong)
			throw new Error(T.compose.wrong(targets.wrong));
		const list = targets.value;
		await patiently(() => api.post('forward', { to: list, keep: list.length ? keeping.input.checked : true }));
		targets.value = list;
		toast(list.length ? T.saved : S.forwardStopped);
	} }, el('p', { class: 'muted' }, S.forwardLead), targets.node, keeping);
}

const dayText = (seconds) => (seconds ? new Date(seconds * 1000 - new Date(seconds * 1000).getTimezoneOffset() * 60e3).toISOString().slice(0, 10) : '');

/** The begin (or end) of a day as seconds, or null. */
function daySeconds(text, end) {
	return text ? Math.floor(new Date(`${text}T${end ? '23:59:59' : '00:00:00'}`).getTime() / 1000) : null;
}

async function vacation() {
	const now = await api.get('vacation');
	let { version } = now;
	const on = toggle({ label: S.vacationOn, checked: now.on });
	const from = input({ type: 'date', value: dayText(now.from) });
	const until = input({ type: 'date', value: dayText(now.until) });
	const subject = input({ value: now.subject || S.vacationSubject, maxlength: 200, dir: 'auto' });
	const text = textarea({ value: now.text || S.vacationText, rows: 7, maxlength: 10000, dir: 'auto' });
	const untilField = field({ label: S.vacationUntil, help: S.vacationOptional, control: until });

	return form({ class: 'card', buttons: [button({ label: T.save, kind: 'primary' })], submit: async () => {
		const times = { from: daySeconds(from.value, false), until: daySeconds(until.value, true) };
		const wrong = times.from && times.until && times.until < times.from ? S.vacationOrder : null;
		untilField.setError(wrong);
		if (wrong)
			return;
		({ version } = await api.post('vacation', { on: on.input.checked, ...times, subject: subject.value.trim(), text: text.value, version }));
		toast(on.input.checked ? S.vacationIsOn : S.vacationIsOff);
	} }, el('p', { class: 'muted' }, S.vacationLead), on, el('div', { class: 'pair' }, field({ label: S.vacationFrom, help: S.vacationOptional, control: from }), untilField),
	field({ label: S.vacationSubjectLabel, control: subject }), field({ label: S.vacationTextLabel, control: text }));
}

function password() {
	const old = input({ type: 'password', autocomplete: 'current-password' });
	const next = input({ type: 'password', autocomplete: 'new-password' });
	const again = input({ type: 'password', autocomplete: 'new-password' });
	const oldField = field({ label: S.oldPassword, control: old });
	const nextField = field({ label: S.newPassword, help: S.passwordRule, control: next });
	const againField = field({ label: S.again, control: again });

	return form({ class: 'card', buttons: [button({ label: S.changePassword, kind: 'primary' })], submit: async () => {
		oldField.setError(old.value ? null : T.needed);
		nextField.setError([...next.value].length >= 8 ? null : S.tooShort);
		againField.setError(next.value === again.value ? null : S.notSame);
		if (!old.value || [...next.value].length < 8 || next.value !== again.value)
			return;
		await api.post('password', { old: old.value, new: next.value });
		old.value = next.value = again.value = '';
		toast(S.passwordChanged);
	} }, el('input', { type: 'text', autocomplete: 'username', value: api.session.user, hidden: true, 'aria-hidden': true, tabindex: -1 }), oldField, nextField, againField);
}

const PAGES = [
	{ name: 'general', icon: 'eye', make: general, mail: true },
	{ name: 'writing', icon: 'pencil', make: writing, mail: true },
	{ name: 'forwarding', icon: 'forward', make: forwarding, mail: true },
	{ name: 'vacation', icon: 'plane', make: vacation, mail: true },
	{ name: 'password', icon: 'key', make: password },
];

export async function show(container, path) {
	const pages = PAGES.filter((page) => api.session.mail || !page.mail);
	const page = pages.find((one) => one.name === path[0]) ?? pages[0];
	const side = el('nav', { 'aria-label': T.shell.settings }, el('ul', { class: 'side-links' }, el('li', { class: 'side-heading' }, T.shell.settings),
		pages.map((one) => el('li', {}, el('a', { class: 'side-link', href: href(`settings/${one.name}`), 'aria-current': one === page ? 'page' : null }, icon(one.icon), el('span', {}, S.pages[one.name]))))));
	const body = el('div', { class: 'settings' }, skeleton(6));

	shell.setPage({ name: 'settings', title: S.pages[page.name], side });
	setKeys({ 'g i': () => go('mail') });
	fill(container, el('div', { class: 'sheet' }, el('nav', { class: 'settings-tabs', 'aria-label': S.sections }, pages.map((one) => el('a', { class: 'chip', href: href(`settings/${one.name}`), 'aria-current': one === page ? 'page' : null }, S.pages[one.name]))),
		el('header', { class: 'sheet-head' }, el('h1', {}, S.pages[page.name])), body));
	try {
		if (api.session.mail)
			await prepare();
		const content = await page.make();
		if (here().path[0] === 'settings')
			fill(body, content);
	} catch (error) {
		if (error.status !== 401)
			fill(body, errorState(error, () => show(container, path)));
	}
}
