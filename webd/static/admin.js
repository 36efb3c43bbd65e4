/*
 * System Administration: the side navigation, and which panel the address names. Each panel is a module with
 * show(body, path), where path is what follows the panel's name in the address; leave() is called, when a panel returns
 * it, before another one is shown.
 */
import { drafts, onDraft } from './admin_drafts.js';
import { session } from './api.js';
import { go, href } from './router.js';
import { setPage } from './shell.js';
import { el, emptyState, fill, icon } from './ui.js';
import { texts } from './texts_admin.js';

const groups = [
	['watch', [['status', 'activity', './admin_status.js'], ['queue', 'queue', './admin_queue.js'], ['logs', 'log', './admin_logs.js']]],
	['mail', [['mail', 'mail', './admin_config.js'], ['aliases', 'at', './admin_aliases.js'], ['users', 'users', './admin_users.js'],
		['fetch', 'download', './admin_fetch.js'], ['backups', 'archive', './admin_backups.js']]],
	['server', [['server', 'server', './admin_config.js'], ['proxy', 'globe', './admin_config.js'], ['routes', 'map', './admin_routes.js'],
		['history', 'clock', './admin_history.js']]],
];
const files = Object.fromEntries(groups.flatMap(([, panels]) => panels.map(([name, , file]) => [name, file])));

let side = null;
let leave = null;
let shown = 0;

/* The drafts of Mail Fetcher are those of single mailboxes. */
function isDrafted(panel) {
	return [...drafts.keys()].some((name) => name.split(' ')[0] === panel);
}

function link([name, picture]) {
	return el('a', { href: href(['admin', name]), class: 'side-link', data: { panel: name } }, icon(picture),
		el('span', {}, texts.panels[name][0]), el('i', { class: 'side-dot', title: texts.config.changed, hidden: !isDrafted(name) }));
}

function navigation() {
	return el('nav', { class: 'admin-side', 'aria-label': texts.navigation }, groups.map(([group, panels]) => el('div', { class: 'side-group' },
		el('h2', { class: 'side-heading' }, texts.groups[group]), panels.map(link))));
}

function mark(name) {
	for (const a of side.querySelectorAll('[data-panel]')) {
		if (a.dataset.panel === name)
			a.setAttribute('aria-current', 'page');
		else
			a.removeAttribute('aria-current');
	}
}

onDraft(() => {
	for (const a of side?.querySelectorAll('[data-panel]') ?? [])
		a.querySelector('.side-dot').hidden = !isDrafted(a.dataset.panel);
});

function leavePanel() {
	const last = leave;

	leave = null;
	last?.();
}

window.addEventListener('hashchange', () => {
	if (!location.hash.startsWith('#/admin'))
		leavePanel();
});
window.addEventListener('logged-out', leavePanel);

/** path: the words after "admin"; the first one names the panel. */
export async function show(container, path) {
	const name = path[0] in files ? path[0] : 'status';
	const turn = ++shown;

	leavePanel();
	if (!session.admin) {
		setPage({ name: 'admin', title: texts.title });
		return fill(container, emptyState({ icon: 'shield', title: texts.title, text: texts.forAdministrators }));
	}
	if (!path.length)
		return go(['admin', name], {}, { replace: true });
	side ??= navigation();
	setPage({ name: 'admin', title: texts.panels[name][0], side });
	mark(name);
	const body = el('div', { class: 'admin', data: { panel: name } });
	fill(container, body);
	container.scrollTop = 0;
	const module = await import(files[name]);
	if (turn === shown)
		leave = module.show(body, path.slice(1), name) ?? null;
	return undefined;
}
