/*
 * The start of everything: who is logged in, then the frame and the page that the address names. Pages are modules with
 * show(container, path, params), fetched when they are first needed.
 */
import * as api from './api.js';
import * as preferences from './preferences.js';
import { href, start, stop } from './router.js';
import * as shell from './shell.js';
import * as tabs from './tabs.js';
import { T } from './texts.js';
import { complain, el, errorState, fill, loadIcons, useStyle } from './ui.js';

const app = document.getElementById('app');

let turn = 0;
let waits = false;		/* at the login page */

async function fetchModule(file) {
	try {
		return await import(file);
	} catch (error) {
		console.error(error);
		throw api.unreachable();
	}
}

/* A page whose module comes after another one was asked for is not shown any more. */
async function page(main, file, path, params, style) {
	const mine = ++turn;

	try {
		const [module] = await Promise.all([fetchModule(file), style && useStyle(style)]);
		if (mine === turn)
			await module.show(main, path, params);
	} catch (error) {
		if (error.status === 401 || mine !== turn)
			return;
		console.error(error);
		fill(main, errorState(error, () => page(main, file, path, params, style)));
	}
}

/** No page and no dialog of one user is there for the next. */
function clear() {
	turn++;
	stop();
	shell.unmount();
	document.querySelectorAll('dialog').forEach((node) => node.close());
}

function logIn(why) {
	clear();
	waits = true;
	const mine = turn;
	import('./login.js').then((login) => mine === turn && login.show(app, { why, done: begin }));
}

async function logOut() {
	const ending = api.post('logout');

	tabs.tell('logged-out', T.login.bye);
	leave();
	await ending.catch(complain);
	logIn(T.login.bye);
}

/** What belongs to the session goes. */
function leave() {
	turn++;		/* no page whose module is still on its way is shown without a session */
	api.setSession(null);
	tabs.leave();
	dispatchEvent(new Event('logged-out'));
}

/** The session has ended elsewhere. */
function leaveFor(why) {
	leave();
	logIn(why);
}

async function setTheme(theme) {
	shell.setTheme(theme);
	if (!api.session.mail)
		return;
	try {
		await preferences.load();
		await preferences.save({ theme });
	} catch (error) {
		complain(error);
	}
}

function begin(session) {
	waits = false;
	api.setSession(session);
	tabs.enter(session.csrf);
	const shortcuts = session.mail ? () => import('./shortcuts.js').then((module) => module.showHelp()) : null;
	const main = shell.mount(app, { theme: setTheme, logout: logOut, shortcuts });
	const mail = (file) => (path, params) => page(main, file, path, params, 'mail.css');

	if (!location.hash.startsWith('#/') || location.hash === '#/')
		history.replaceState(null, '', href(session.mail ? 'mail' : session.admin ? 'admin' : 'settings'));
	start([
		['mail', mail('./mail.js')],
		['contacts', mail('./contacts.js')],
		['outbox', mail('./outbox.js')],
		['trace', mail('./trace.js')],
		['settings', mail('./settings.js')],
		['admin', (path) => page(main, './admin.js', path, null, 'admin.css')],
	]);
}

/** With the session that the browser has, if any. */
async function enter() {
	const mine = ++turn;
	let session;

	try {
		session = await api.get('session');
	} catch (error) {
		if (mine !== turn)
			return;
		if (error.status === 401)
			logIn(null);
		else
			fill(app, el('main', { class: 'login' }, errorState(error, enter)));
		return;
	}
	if (mine === turn)
		begin(session);
}

/** Another tab has logged in: the browser has that session now. */
async function follow() {
	leave();
	clear();
	await enter();
}

async function open() {
	shell.rememberedTheme();
	loadIcons().catch(console.error);
	api.onLoggedOut(() => {
		tabs.tell('logged-out', T.login.ended);
		leaveFor(T.login.ended);
	});
	tabs.on('logged-out', leaveFor);
	if (location.pathname === '/setup') {
		/* The link is http://host/setup#token; the page of the administration's modules creates the administrator. */
		await useStyle('admin.css');
		const setup = await import('./admin_setup.js');
		return setup.show(app, location.hash.slice(1), (session) => {
			history.replaceState(null, '', '/#/admin');
			begin(session);
		});
	}
	if (location.pathname === '/admin')
		history.replaceState(null, '', '/' + (location.hash || '#/admin'));
	tabs.onEntered(() => (api.session || waits) && follow());
	await enter();
}

open();
