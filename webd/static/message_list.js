/*
 * The list of messages: of any number only the rows in sight exist. Picks with the mouse (Ctrl, Shift, the round pictures),
 * the keyboard and, by holding, with a finger. It is a listbox: its scroller has the focus and names the current row.
 */
import * as folders from './folders.js';
import { number } from './format.js';
import { MessageRows, keyOf } from './message_rows.js';
import { fillRow, makeRow } from './message_row.js';
import { prefs } from './preferences.js';
import { T } from './texts.js';
import { announce, complain, el, emptyState, errorState, fill, newId } from './ui.js';

const HEIGHTS = { airy: 82, compact: 58 };
const OVERSCAN = 8;
const PIXELS_MAX = 12e6;		/* browsers cap an element's height; beyond it rows move faster than the bar */
const HOLD_MS = 450;
const SETTLE_MS = 70;

export class MessageList {
	/** handlers: open(row), picked(n), star(row), drawn() */
	constructor(handlers) {
		this.handlers = handlers;
		this.picked = new Map();	/* key → row */
		this.all = false;		/* all of the view is picked, seen or not */
		this.current = 0;		/* the row the keyboard is at */
		this.anchor = 0;
		this.active = null;		/* key of the message shown beside */
		this.nodes = new Map();		/* index → node */
		this.spare = [];
		this.data = null;
		this.spacer = el('div', { class: 'list-spacer' });
		this.rowsNode = el('div', { class: 'list-rows' });
		this.scroller = el('div', { class: 'list-scroller', role: 'listbox', tabindex: 0, 'aria-multiselectable': true, 'aria-label': T.list.title, id: newId('list') },
			this.spacer, this.rowsNode);
		this.notice = el('div', { class: 'list-notice', hidden: true });
		this.node = el('div', { class: 'list' }, this.scroller, this.notice);
		this.listen();
	}

	/* --- what is shown --- */

	show(query, { outgoing, everywhere }) {
		this.data = new MessageRows(query, () => this.draw());
		this.outgoing = outgoing;
		this.everywhere = everywhere;
		this.clearPicks();
		this.current = 0;
		this.anchor = 0;
		this.scroller.scrollTop = 0;
		this.remembered = 0;
		this.draw();
		this.data.want(0, 1);
	}

	get height() {
		return HEIGHTS[prefs().density] ?? HEIGHTS.airy;
	}

	/** How many pixels of rows one pixel of the bar stands for. */
	get scale() {
		const pixels = (this.data?.total ?? 0) * this.height;

		return pixels > PIXELS_MAX ? (pixels - this.scroller.clientHeight) / (PIXELS_MAX - this.scroller.clientHeight) : 1;
	}

	visible() {
		const top = this.scroller.scrollTop * this.scale;
		const first = Math.max(0, Math.floor(top / this.height));

		return { top, first, last: Math.min(this.data?.total ?? 0, Math.ceil((top + this.scroller.clientHeight) / this.height)) };
	}

	draw() {
		if (!this.data || this.drawing)
			return;
		this.drawing = true;
		const total = this.data.total ?? 0;
		const waiting = this.data.total === null && !this.data.error;
		const count = waiting ? Math.ceil((this.scroller.clientHeight || 800) / this.height) : total;
		this.spacer.style.setProperty('height', `${Math.min(count * this.height, PIXELS_MAX)}px`);
		this.node.style.setProperty('--row', `${this.height}px`);
		this.current = Math.max(0, Math.min(this.current, total - 1));
		const { top, first, last } = this.visible();
		this.drawRows(Math.max(0, first - OVERSCAN), waiting ? count : Math.min(total, last + OVERSCAN), top);
		this.drawNotice();
		this.drawing = false;
		if (total)
			this.wantSoon(first, last);
		this.handlers.drawn?.();
	}

	drawRows(from, to, top) {
		for (const [index, node] of this.nodes) {
			if (index < from || index >= to) {
				this.nodes.delete(index);
				this.spare.push(node);
			}
		}
		const offset = this.scroller.scrollTop - top;		/* 0 unless the bar is scaled */
		for (let index = from; index < to; index++) {
			let node = this.nodes.get(index);
			if (!node) {
				node = this.spare.pop() ?? makeRow();
				node.id ||= newId('row');
				this.nodes.set(index, node);
				if (!node.isConnected)
					this.rowsNode.append(node);
				node.index = index;
				node.setAttribute('aria-posinset', index + 1);
			}
			node.hidden = false;
			node.setAttribute('aria-setsize', this.data.total ?? -1);
			node.style.setProperty('transform', `translateY(${Math.round(index * this.height + offset)}px)`);
			this.fillNode(node, this.data.at(index), index);
		}
		for (const node of this.spare)
			node.hidden = true;
		const now = this.nodes.get(this.current);
		if (now)
			this.scroller.setAttribute('aria-activedescendant', now.id);
		else
			this.scroller.removeAttribute('aria-activedescendant');
	}

	fillNode(node, row, index) {
		const key = row && keyOf(row);

		fillRow(node, row, {
			selected: this.all || this.picked.has(key), active: key !== null && key === this.active, current: index === this.current,
			outgoing: this.everywhere ? ['sent', 'drafts'].includes(folders.byId(row?.folder)?.role) : this.outgoing,
			folderName: this.everywhere && row ? folders.label(folders.byId(row.folder) ?? { name: '' }) : null,
		});
	}

	drawNotice() {
		const { error, total, query } = this.data;

		this.notice.hidden = !(error && !total) && total !== 0;
		if (error && !total)
			fill(this.notice, errorState(error, () => { this.data.error = null; this.data.want(0, 1); this.draw(); }));
		else if (total === 0)
			fill(this.notice, this.emptyNotice(query));
	}

	emptyNotice(query) {
		if (query.q)
			return emptyState({ icon: 'search', title: T.list.nothingFound, text: T.list.nothingFoundText });
		if (query.filter || query.label)
			return emptyState({ icon: 'filter', title: T.list.nothingMatches, text: T.list.nothingMatchesText });
		const role = folders.byId(query.folder)?.role ?? 'folder';
		const [title, text] = T.list.empty[role] ?? T.list.empty.folder;
		return emptyState({ icon: folders.iconOf({ role }), title, text });
	}

	/** Fetches at once when still, a little later while one scrolls. */
	wantSoon(first, last) {
		clearTimeout(this.wanting);
		const near = [Math.max(0, first - 20), last + 30];
		if (!this.data.lacks(first, last) && !this.data.lacks(...near))
			return;
		const wait = performance.now() - (this.scrolled ?? 0) < SETTLE_MS ? SETTLE_MS : 0;
		this.wanting = setTimeout(() => this.data.want(...near), wait);
	}

	/** Back on the screen: a scroller that was away has lost its place. */
	restore() {
		this.scroller.scrollTop = this.remembered ?? 0;
		this.draw();
	}

	reload() {
		const { first, last } = this.visible();

		return this.data.reload(first, last);
	}

	/** After a notice of the server's: small changes in place, else anew. */
	async sync() {
		const plain = !this.data.query.q && !this.data.query.filter && !this.data.query.label && !this.data.query.threads;

		try {
			if (!plain || !await this.data.sync())
				await this.reload();
		} catch (error) {
			complain(error);
		}
	}

	/* --- places and picks --- */

	reveal(index) {
		const top = index * this.height;
		const { clientHeight } = this.scroller;
		const seen = this.visible().top;

		if (top < seen)
			this.scroller.scrollTop = top / this.scale;
		else if (top + this.height > seen + clientHeight)
			this.scroller.scrollTop = (top + this.height - clientHeight) / this.scale;
	}

	/** Goes to a row; extend picks all on the way. */
	async moveTo(index, { extend = false } = {}) {
		const { total } = this.data;

		if (!total)
			return;
		this.current = Math.max(0, Math.min(index, total - 1));
		this.reveal(this.current);
		if (extend)
			await this.pickRange();
		else
			this.anchor = this.current;
		this.draw();
	}

	step(by, options) {
		return this.moveTo(this.current + by, options);
	}

	currentRow() {
		return this.data?.at(this.current);
	}

	setActive(key) {
		this.active = key;
		const index = key && this.data ? this.data.indexOf(key) : -1;
		if (index >= 0) {
			this.current = index;
			this.anchor = index;
			this.reveal(index);
		}
		this.draw();
	}

	async pickRange() {
		const [first, last] = [Math.min(this.anchor, this.current), Math.max(this.anchor, this.current)];

		try {
			const rows = await this.data.range(first, last);
			this.all = false;
			this.picked = new Map(rows.map((row) => [keyOf(row), row]));
			this.tellPicked();
		} catch (error) {
			complain(error);
		}
	}

	toggle(index) {
		const row = this.data.at(index);

		if (!row)
			return;
		if (this.all) {
			this.all = false;
			this.picked = new Map(this.data.rows.filter(Boolean).map((known) => [keyOf(known), known]));
		}
		if (!this.picked.delete(keyOf(row)))
			this.picked.set(keyOf(row), row);
		this.current = index;
		this.anchor = index;
		this.tellPicked();
	}

	pickAll() {
		this.all = Boolean(this.data.total);
		this.picked.clear();
		this.tellPicked();
	}

	clearPicks() {
		this.all = false;
		this.picked.clear();
		this.tellPicked();
	}

	get pickedCount() {
		return this.all ? this.data.total : this.picked.size;
	}

	tellPicked() {
		this.draw();
		if (this.data && this.pickedCount)
			announce(T.list.picked(this.pickedCount));
		this.handlers.picked(this.data ? this.pickedCount : 0);
	}

	patch(keys, changes) {
		for (const [key, row] of this.picked) {
			if (keys.has(key))
				this.picked.set(key, { ...row, ...(typeof changes === 'function' ? changes(row) : changes) });
		}
		this.data.patch(keys, changes);
	}

	/** Takes rows away at once; returns the row that is then where the first one was, or null. */
	remove(keys) {
		const index = Math.min(...[...keys].map((key) => this.data.indexOf(key)).filter((at) => at >= 0));

		this.data.remove(keys);
		keys.forEach((key) => this.picked.delete(key));
		this.tellPicked();
		if (!Number.isFinite(index))
			return null;
		this.current = Math.min(index, Math.max(0, this.data.total - 1));
		this.anchor = this.current;
		this.draw();
		return this.currentRow();
	}

	/* --- mouse, fingers, keyboard --- */

	listen() {
		let drawSoon = 0;

		this.scroller.addEventListener('scroll', () => {
			this.scrolled = performance.now();
			this.remembered = this.scroller.scrollTop;
			drawSoon ||= requestAnimationFrame(() => {
				drawSoon = 0;
				this.draw();
			});
		}, { passive: true });
		new ResizeObserver(() => this.draw()).observe(this.scroller);
		this.rowsNode.addEventListener('click', (event) => this.onClick(event));
		this.rowsNode.addEventListener('dragstart', (event) => this.onDrag(event));
		this.scroller.addEventListener('keydown', (event) => this.onKey(event));
		this.listenForHolding();
	}

	async onClick(event) {
		const node = event.target.closest('.row');

		if (!node?.row || this.held)
			return void (this.held = false);
		if (event.target.closest('.row-star'))
			return this.handlers.star(node.row);
		if (event.shiftKey) {
			this.current = node.index;
			return this.pickRange();
		}
		if (event.target.closest('.row-pick') || event.ctrlKey || event.metaKey)
			return this.toggle(node.index);
		this.current = node.index;
		this.anchor = node.index;
		this.clearPicks();
		this.handlers.open(node.row);
	}

	onDrag(event) {
		const node = event.target.closest('.row');

		if (!node?.row)
			return;
		if (!this.all && !this.picked.has(keyOf(node.row))) {
			this.clearPicks();
			this.toggle(node.index);
		}
		event.dataTransfer.setData('application/x-messages', '1');
		event.dataTransfer.effectAllowed = 'move';
		const ghost = el('div', { class: 'drag-ghost' }, T.list.dragged(this.pickedCount));
		document.body.append(ghost);
		event.dataTransfer.setDragImage(ghost, -8, -8);
		setTimeout(() => ghost.remove());
	}

	listenForHolding() {
		let timer = 0;
		const end = () => clearTimeout(timer);

		this.rowsNode.addEventListener('touchstart', (event) => {
			const node = event.target.closest('.row');
			this.held = false;
			end();
			timer = setTimeout(() => {
				this.held = true;
				this.toggle(node.index);
				navigator.vibrate?.(15);
			}, HOLD_MS);
		}, { passive: true });
		['touchend', 'touchmove', 'touchcancel'].forEach((name) => this.rowsNode.addEventListener(name, end, { passive: true }));
		this.rowsNode.addEventListener('contextmenu', (event) => {
			if (this.held || event.pointerType === 'touch')
				event.preventDefault();
		});
	}

	onKey(event) {
		const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 1);
		const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };

		if (event.ctrlKey && event.key === 'a') {
			this.pickAll();
			event.preventDefault();
		} else if (event.key in steps && !event.altKey && !event.ctrlKey) {
			this.step(steps[event.key], { extend: event.shiftKey });
			event.preventDefault();
		} else if (event.key === ' ' && !event.ctrlKey) {
			this.toggle(this.current);
			event.preventDefault();
		} else if (event.key === 'Enter' && this.currentRow()) {
			this.handlers.open(this.currentRow());
			event.preventDefault();
		}
	}

	/** "12 of 3,400" for the heading. */
	totalText() {
		return this.data?.total === null || !this.data ? '' : number(this.data.total);
	}
}
