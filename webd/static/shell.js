/*
 * The frame around the pages: top bar with the pages' names, room for a page's side navigation (a drawer on phones) and its search,
 * the account's menu. A page calls setPage() when it is shown.
 */
import { session } from './api.js';
import { href } from './router.js';
import { T } from './texts.js';
import { avatar, button, el, fill, icon, iconButton, menu } from './ui.js';

let parts = null;

const pages = () => [
	session.mail && { name: 'mail', icon: 'mail', label: T.shell.mail },
	session.mail && { name: 'contacts', icon: 'users', label: T.shell.contacts },
	{ name: 'settings', icon: 'settings', label: T.shell.settings },
	session.admin && { name: 'admin', icon: 'shield', label: T.shell.administration },
].filter(Boolean);

/** theme: auto, light or dark; kept in this browser too, so that the next start has it at once. */
export function setTheme(theme) {
	if (theme === 'light' || theme === 'dark')
		document.documentElement.dataset.theme = theme;
	else
		delete document.documentElement.dataset.theme;
	try {
		localStorage.setItem('theme', theme);
	} catch { /* private windows may refuse */ }
}

export function currentTheme() {
	return document.documentElement.dataset.theme ?? 'auto';
}

export function rememberedTheme() {
	try {
		setTheme(localStorage.getItem('theme') ?? 'auto');
	} catch { /* the device's */ }
}

export function openDrawer() {
	parts.frame.classList.add('drawer-open');
	fitDrawer();
	parts.burger.setAttribute('aria-expanded', 'true');
	parts.side.querySelector('a, button')?.focus();
}

export function closeDrawer() {
	if (!parts?.frame.classList.contains('drawer-open'))
		return;
	const focused = parts.side.contains(document.activeElement);
	parts.frame.classList.remove('drawer-open');
	parts.burger.setAttribute('aria-expanded', 'false');
	fitDrawer();
	if (focused)
		parts.burger.focus();
}

const phone = matchMedia('(max-width: 760px)');

/** True where one pane is shown at a time. */
export function isPhone() {
	return phone.matches;
}

/** What is out of sight, or behind the open drawer, takes no focus. */
function fitDrawer() {
	if (!parts)
		return;
	const open = parts.frame.classList.contains('drawer-open');
	parts.side.inert = phone.matches && !open;
	parts.main.inert = phone.matches && open;
}

phone.addEventListener('change', fitDrawer);

function accountMenu(anchor, actions) {
	menu(anchor, [
		{ heading: session.user },
		'-',
		{ heading: T.shell.theme },
		...T.shell.themes.map(([key, label]) => ({ label, checked: currentTheme() === key, onclick: () => actions.theme(key) })),
		'-',
		actions.shortcuts && { label: T.shell.shortcuts, icon: 'keyboard', shortcut: '?', onclick: actions.shortcuts },
		{ label: T.shell.logout, icon: 'logout', onclick: actions.logout },
	]);
}

function pageLinks(classes) {
	return el('nav', { class: classes, 'aria-label': T.shell.pages },
		pages().map((page) => el('a', { href: href(page.name), data: { page: page.name }, title: page.label }, icon(page.icon), el('span', {}, page.label))));
}

/** Builds the frame. actions: theme(key), logout(), shortcuts() or null. Returns where the pages are put. */
export function mount(container, actions) {
	const burger = iconButton({ label: T.shell.menu, icon: 'menu', class: 'burger', 'aria-expanded': false, 'aria-controls': 'side', onclick: openDrawer });
	const search = el('div', { class: 'topbar-search' });
	const account = el('button', { type: 'button', class: 'account', 'aria-label': T.shell.account(session.user), title: session.user, 'aria-haspopup': 'menu',
		onclick: () => accountMenu(account, actions) }, avatar(session.user));
	const sideBody = el('div', { class: 'side-body' });
	const side = el('div', { class: 'side', id: 'side' }, el('div', { class: 'drawer-head' },
		el('strong', {}, T.product), iconButton({ label: T.close, icon: 'close', onclick: closeDrawer })), pageLinks('drawer-pages'), sideBody);
	const main = el('main', { class: 'page', id: 'main', tabindex: -1 });
	const frame = el('div', { class: 'shell' },
		el('a', { class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); main.focus(); } }, T.shell.skip),
		el('header', { class: 'topbar' }, burger,
			el('a', { class: 'brand', href: href(session.mail ? 'mail' : 'settings') }, el('img', { src: '/logo.svg', alt: '', width: 26, height: 26 }), el('span', {}, T.product)),
			search, pageLinks('topbar-pages'), account),
		side, el('div', { class: 'drawer-shade', onclick: closeDrawer }), main);

	frame.addEventListener('keydown', (event) => {
		if (event.key === 'Escape')
			closeDrawer();
	});
	side.addEventListener('click', (event) => {
		if (event.target.closest('a'))
			closeDrawer();
	});
	parts = { frame, burger, search, side, sideBody, main };
	fill(container, frame);
	fitDrawer();
	return main;
}

export function unmount() {
	parts = null;
}

/**
 * Says which page is shown: name (mail, contacts, settings, admin), its title in the window, its side navigation and its search
 * (elements or null).
 */
export function setPage({ name, title, side = null, search = null }) {
	for (const link of parts.frame.querySelectorAll('[data-page]')) {
		if (link.dataset.page === name)
			link.setAttribute('aria-current', 'page');
		else
			link.removeAttribute('aria-current');
	}
	if (parts.sideBody.firstChild !== side)
		fill(parts.sideBody, side);
	if (parts.search.firstChild !== search)
		fill(parts.search, search);
	parts.frame.classList.toggle('with-side', Boolean(side));
	parts.frame.dataset.page = name;
	setTitle(title);
}

export function setTitle(title) {
	document.title = title ? `${title} – ${T.product}` : T.product;
}

/** What a user without a mailbox sees instead of mail. */
export function noMailbox() {
	return el('div', { class: 'empty' }, icon('mail', 'large'), el('h2', {}, T.shell.noMailbox), el('p', {}, T.shell.noMailboxText),
		session.admin && button({ label: T.shell.administration, kind: 'primary', onclick: () => { location.hash = href('admin'); } }));
}
