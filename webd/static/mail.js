/*
 * The mail page: folders, list and reading pane beside each other, on phones one at a time. The address says what is shown:
 * mail/FOLDER/FOLDER.UID?q=&filter=&label=&sort=&order= (folder 0: all).
 */
import * as actions from './actions.js';
import * as api from './api.js';
import * as compose from './compose.js';
import * as events from './events.js';
import * as folders from './folders.js';
import { empty, folderPane } from './folder_pane.js';
import { number } from './format.js';
import * as labels from './labels.js';
import { MessageList } from './message_list.js';
import { keyOf } from './message_rows.js';
import * as preferences from './preferences.js';
import { Reader } from './reader.js';
import { go, here } from './router.js';
import { focusSearch, search, searchBox, showHelp } from './search.js';
import * as shell from './shell.js';
import { setKeys } from './shortcuts.js';
import { T } from './texts.js';
import { button, complain, download, el, errorState, fill, iconButton, menu, skeleton } from './ui.js';

const SYNC_MS = 400;
const FILTERS = ['unread', 'flagged', 'attachment'];

let page = null;

class MailPage {
	constructor() {
		this.list = new MessageList({
			open: (row) => this.open(row), picked: () => this.drawBar(), drawn: () => this.onDrawn(),
			star: (row) => actions.star({ all: false, rows: [row] }),
		});
		this.reader = new Reader({ compose, back: () => this.back(), step: (by) => this.step(by), unpick: () => this.list.clearPicks() });
		this.bar = el('div', { class: 'list-bar', role: 'toolbar', 'aria-label': T.list.toolbar });
		this.filters = el('div', { class: 'list-filters' });
		this.total = el('span', { class: 'list-total' });
		this.pane = el('section', { class: 'list-pane', 'aria-label': T.list.title }, this.bar, this.filters, this.list.node,
			iconButton({ label: T.compose.action, icon: 'pencil', class: 'floating', onclick: () => compose.blank() }));
		this.node = el('div', { class: 'mail' }, this.pane, this.reader.node);
		this.view = null;		/* the view as text: what the list shows */
		this.openKey = null;
		actions.setView({
			list: this.list, reader: this.reader, opened: () => (this.openKey ? this.reader.row : null),
			leave: (next) => this.leave(next),
		});
		this.listen();
	}

	listen() {
		let timer = 0;
		const soon = () => {
			clearTimeout(timer);
			timer = setTimeout(() => {
				if (this.node.isConnected)
					this.list.sync();
				else
					this.stale = true;
			}, SYNC_MS);
		};

		const ends = [events.on('folder', (change) => {
			if (!this.query || change.gone)
				return;
			if (Number(this.query.folder) === change.id ? change.modseq !== this.list.data.modseq : Number(this.query.folder) === 0 && change.total !== this.totals?.[change.id])
				soon();
			this.totals = { ...this.totals, [change.id]: change.total };
		}),
		folders.onChange(() => this.node.isConnected && this.onFolders()),
		preferences.onChange((_settings, changes) => {
			if ('threads' in changes)
				this.view = null;
			if ('density' in changes)
				this.list.draw();
		})];
		this.unlisten = () => ends.forEach((end) => end());
	}

	/* --- the address --- */

	show(path, params) {
		const folder = path[0] === undefined ? folders.byRole('inbox')?.id : Number(path[0]);
		const wanted = Object.fromEntries(['q', 'filter', 'label', 'sort', 'order'].map((name) => [name, params.get(name) ?? undefined]));

		this.query = { folder, ...wanted, threads: preferences.prefs().threads ? 1 : 0 };
		this.folder = folders.byId(folder) ?? null;
		if (folder && !this.folder)
			return go('mail', {}, { replace: true });
		this.showList();
		this.showMessage(path[1] ?? null);
		shell.setTitle(this.title());
	}

	title() {
		const unread = folders.byRole('inbox')?.unread;

		return (unread ? `(${number(unread)}) ` : '') + this.heading();
	}

	heading() {
		if (this.query.q)
			return T.list.results;
		if (this.query.label)
			return this.query.label;
		return this.folder ? folders.label(this.folder) : T.list.everything;
	}

	showList() {
		const view = JSON.stringify(this.query);

		if (view === this.view) {
			this.list.restore();
			if (this.stale)
				this.list.sync();
		} else {
			this.view = view;
			this.openKey = null;
			this.reader.clear();
			this.list.active = null;
			this.list.show(this.query, { outgoing: ['sent', 'drafts'].includes(this.folder?.role), everywhere: !this.folder });
		}
		this.stale = false;
		this.drawBar();
		this.drawFilters();
	}

	showMessage(key) {
		this.node.classList.toggle('reading', Boolean(key));
		if (key === this.openKey)
			return;
		this.openKey = key;
		this.list.setActive(key);
		if (!key)
			return this.reader.clear();
		const [folder, uid] = key.split('.').map(Number);
		const row = this.list.data.find(key);
		this.reader.show(row ?? { folder, uid, thread_total: 1 }, { threads: Boolean(this.query.threads) });
		if (row)
			this.reader.foresee(this.list.data.at(this.list.data.indexOf(key) + 1));
	}

	address(key) {
		const { folder, threads, ...params } = this.query;

		return [key ? `mail/${folder}/${key}` : `mail/${folder}`, params];
	}

	open(row, { replace = Boolean(this.openKey) } = {}) {
		if (row.draft && folders.byId(row.folder)?.role === 'drafts')
			return compose.draft(row);
		go(...this.address(keyOf(row)), { replace });
		if (shell.isPhone())
			this.reader.node.focus({ preventScroll: true });
	}

	back() {
		if (this.openKey)
			go(...this.address(null), { replace: !shell.isPhone() });
		this.list.scroller.focus({ preventScroll: true });
	}

	/** After the open message went away: the next one beside the list, else the list. */
	leave(next) {
		this.openKey = null;
		if (next && !shell.isPhone() && matchMedia('(min-width: 1001px)').matches && !next.draft)
			this.open(next, { replace: true });
		else
			go(...this.address(null), { replace: true });
	}

	async step(by) {
		await this.list.step(by);
		const row = this.list.currentRow();
		if (this.openKey && row && !row.draft)
			this.open(row);
	}

	/* --- bars --- */

	onFolders() {
		this.folder = folders.byId(this.query.folder) ?? null;
		shell.setTitle(this.title());
	}

	onDrawn() {
		const { data } = this.list;

		if (data.total !== this.drawnTotal || data.problem !== this.drawnProblem) {
			this.drawBar();
			if (data.problem !== this.drawnProblem)
				this.drawFilters();
			this.drawnTotal = data.total;
			this.drawnProblem = data.problem;
		}
	}

	/** Made anew only when it shows something else, so that nothing goes away under a finger; the total changes often. */
	drawBar() {
		const picked = this.list.pickedCount;
		const unread = !this.list.all && [...this.list.picked.values()].some((row) => !row.seen);
		const shown = JSON.stringify([picked, unread, this.list.all, this.heading(), this.query.folder, ['trash', 'junk'].includes(this.folder?.role) && this.list.data?.total > 0]);

		this.pane.classList.toggle('picking', picked > 0);
		this.total.textContent = this.list.totalText();
		if (this.shownBar === shown)
			return;
		this.shownBar = shown;
		fill(this.bar, picked ? this.pickedBar(picked) : this.plainBar());
	}

	plainBar() {
		const sort = iconButton({ label: T.list.sort, icon: 'sort', 'aria-haspopup': 'menu', onclick: () => this.sortMenu(sort) });
		const emptiable = ['trash', 'junk'].includes(this.folder?.role) && this.list.data?.total;

		return [
			iconButton({ label: T.list.pickAll, icon: 'check', class: 'pick-all', hint: `${T.list.pickAll} (* a)`, onclick: () => this.list.pickAll() }),
			el('h1', { class: 'list-title' }, this.heading(), this.total),
			emptiable ? button({ label: T.folders.emptyAction, kind: 'quiet', onclick: async () => { await empty(this.folder); this.list.reload(); } }) : null,
			iconButton({ label: T.list.refresh, icon: 'refresh', onclick: () => this.list.reload() }), sort,
		];
	}

	pickedBar(n) {
		const whole = this.list.data.total;
		const role = this.folder?.role;
		const label = iconButton({ label: T.actions.label, icon: 'label', 'aria-haspopup': 'menu', onclick: () => actions.labelMenu(label) });
		const more = iconButton({ label: T.more, icon: 'more', 'aria-haspopup': 'menu', onclick: () => menu(more, [
			{ label: T.actions.markRead, icon: 'mail-open', onclick: () => actions.markRead(true) },
			{ label: T.actions.markUnread, icon: 'mail', onclick: () => actions.markRead(false) },
			{ label: T.actions.star, icon: 'star', onclick: () => actions.star() },
			'-',
			{ label: T.actions.copy, icon: 'copy', onclick: actions.chooseAndCopy },
			this.folder && !this.list.all && { label: T.actions.exportAction, icon: 'download', onclick: () => this.exportPicked() },
			!this.list.all && whole > n && { label: this.query.q ? T.list.pickWholeSearch(whole) : T.list.pickWhole(whole), icon: 'check', onclick: () => this.list.pickAll() },
		]) });
		const unread = !this.list.all && [...this.list.picked.values()].some((row) => !row.seen);

		return [
			iconButton({ label: T.list.unpick, icon: 'close', onclick: () => { this.list.clearPicks(); this.list.scroller.focus({ preventScroll: true }); } }),
			el('h1', { class: 'list-title' }, T.list.pickedShort(n)),
			role !== 'archive' && iconButton({ label: T.actions.archive, icon: 'archive', hint: `${T.actions.archive} (e)`, onclick: () => actions.archive() }),
			iconButton({ label: T.actions.trash, icon: 'trash', hint: `${T.actions.trash} (#)`, onclick: () => actions.trash() }),
			iconButton({ label: role === 'junk' ? T.actions.noJunk : T.actions.junk, icon: role === 'junk' ? 'inbox' : 'junk', hint: `${T.actions.junk} (!)`, class: 'wide-only', onclick: () => actions.junk() }),
			iconButton({ label: unread ? T.actions.markRead : T.actions.markUnread, icon: unread ? 'mail-open' : 'mail', class: 'wide-only', onclick: () => actions.markRead(unread) }),
			iconButton({ label: T.actions.move, icon: 'folder', hint: `${T.actions.move} (v)`, onclick: actions.chooseAndMove }), label, more,
		];
	}

	exportPicked() {
		const uids = [...this.list.picked.values()].map((row) => row.uid);

		download(api.url('export', { folder: this.folder.id, uids: uids.join(',') }));
	}

	/** Replaces parts of the address's parameters. */
	refine(changes) {
		const { folder, threads, ...params } = this.query;

		go(`mail/${folder}`, { ...params, ...changes });
	}

	sortMenu(anchor) {
		const { sort = 'date', order = 'desc' } = this.query;
		const by = (key) => ({ label: T.list.sorts[key], checked: sort === key, onclick: () => this.refine({ sort: key === 'date' ? null : key, order: ['from', 'subject'].includes(key) ? 'asc' : null }) });

		menu(anchor, [
			{ heading: T.list.sort }, ...['date', 'arrival', 'from', 'subject', 'size'].map(by), '-',
			{ label: T.list.descending, checked: order !== 'asc', onclick: () => this.refine({ order: null }) },
			{ label: T.list.ascending, checked: order === 'asc', onclick: () => this.refine({ order: 'asc' }) }, '-',
			{ label: T.list.threads, checked: preferences.prefs().threads, onclick: () => this.set({ threads: !preferences.prefs().threads }) },
			{ label: T.list.compact, checked: preferences.prefs().density === 'compact', onclick: () => this.set({ density: preferences.prefs().density === 'compact' ? 'airy' : 'compact' }) },
		]);
	}

	set(changes) {
		preferences.save(changes).catch(complain);
		if ('threads' in changes)
			this.show(here().path.slice(1), here().params);
	}

	drawFilters() {
		const { q, filter, label, folder } = this.query;
		const chip = (name, on, run) => el('button', { type: 'button', class: 'chip', 'aria-pressed': on, onclick: run }, name);
		const home = folders.byRole('inbox');

		fill(this.filters,
			chip(T.list.all, !filter, () => this.refine({ filter: null })),
			FILTERS.map((name) => chip(T.list.filters[name], filter === name, () => this.refine({ filter: filter === name ? null : name }))),
			q && el('span', { class: 'scope' },
				chip(T.search.everywhere, folder === 0, () => search(q, 0)),
				chip(folders.label(folder ? this.folder : home), folder !== 0, () => search(q, folder || home.id))),
			label && folder === 0 && chip(T.list.leaveLabel(label), true, () => go('mail')),
			q && el('p', { class: 'search-note' }, this.list.data?.problem ?? T.list.searchFor(q), button({ label: T.search.helpShort, kind: 'quiet', onclick: showHelp })));
	}

	keys() {
		const goTo = (role) => () => folders.byRole(role) && go(`mail/${folders.byRole(role).id}`);
		const about = (run) => () => this.openKey && this.reader.row?.headers && run(this.reader.kept.get(this.openKey) ?? this.reader.row);

		return {
			j: () => this.step(1), k: () => this.step(-1), n: () => this.step(1), p: () => this.step(-1),
			ArrowDown: () => this.list.scroller.focus(), ArrowUp: () => this.list.scroller.focus(),
			'Shift+J': () => this.list.step(1, { extend: true }), 'Shift+K': () => this.list.step(-1, { extend: true }),
			o: () => this.list.currentRow() && this.open(this.list.currentRow()), Enter: (event) => event.target === document.body && this.list.currentRow() && this.open(this.list.currentRow()),
			u: () => this.back(), Escape: () => (this.list.pickedCount ? this.list.clearPicks() : this.back()),
			x: () => this.list.toggle(this.list.current), '* a': () => this.list.pickAll(), '* n': () => this.list.clearPicks(),
			c: () => compose.blank(), r: about(compose.reply), a: about(compose.replyAll), f: about(compose.forward),
			e: () => actions.archive(), '#': () => actions.trash(), Delete: () => actions.trash(), '!': () => actions.junk(), s: () => actions.star(),
			v: () => actions.chooseAndMove(), l: () => actions.labelMenu(this.pane.querySelector('.picking .list-bar') ? this.bar : this.reader.toolbar.hidden ? this.bar : this.reader.toolbar),
			'Shift+U': () => actions.markRead(false), 'Shift+I': () => actions.markRead(true), '/': () => focusSearch(), '.': () => this.list.reload(),
			'g i': goTo('inbox'), 'g s': goTo('sent'), 'g d': goTo('drafts'), 'g a': goTo('archive'), 'g t': goTo('trash'), 'g j': goTo('junk'),
			'g o': () => go('outbox'), 'g c': () => go('contacts'), 'g ,': () => go('settings'),
		};
	}
}

/** The part of the side that all mail pages share; also starts what runs while one is logged in. */
export async function prepare() {
	events.start();		/* first: what changes from now on is heard */
	await Promise.all([folders.load(), preferences.load()]);
	if (!api.session)		/* logged out meanwhile */
		throw new api.ApiError(401, 'login', T.login.bye);
	shell.setTheme(preferences.prefs().theme);
	compose.resume();
	labels.start();
	return folderPane(() => compose.blank());
}

export async function show(container, path, params) {
	if (!api.session.mail) {
		shell.setPage({ name: 'mail', title: T.shell.mail });
		return fill(container, shell.noMailbox());
	}
	if (!page)
		fill(container, skeleton(12));
	try {
		const side = await prepare();
		page ??= new MailPage();
		if (here().path[0] !== 'mail')
			return;
		shell.setPage({ name: 'mail', title: '', side: folderPane(() => compose.blank()) ?? side, search: searchBox() });
		if (container.firstChild !== page.node)
			fill(container, page.node);
		setKeys(page.keys());
		page.show(path, params);
	} catch (error) {
		if (error.status !== 401)
			fill(container, errorState(error, () => show(container, path, params)));
	}
}

addEventListener('logged-out', () => {
	page?.unlisten();
	page = null;
});
