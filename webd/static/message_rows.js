/*
 * The rows of a view of messages, fetched in blocks as they are looked at: a view of 100,000 messages costs what is on the
 * screen. Knows nothing of how rows are drawn: changed() is called when some came or went.
 */
import * as api from './api.js';

const BLOCK = 100;
const BLOCK_MAX = 500;

export const keyOf = (row) => `${row.folder}.${row.uid}`;

export class MessageRows {
	/** query: { folder, q, filter, label, sort, order, threads } as GET messages has them. */
	constructor(query, changed) {
		this.query = query;
		this.changed = changed;
		this.rows = [];			/* sparse: what is known, at its place */
		this.total = null;		/* null: not known yet */
		this.modseq = 0;
		this.error = null;
		this.problem = null;
		this.asked = new Map();		/* block → AbortController */
		this.generation = 0;
	}

	at(index) {
		return this.rows[index] ?? null;
	}

	indexOf(key) {
		let found = -1;

		this.rows.some((row, index) => row && keyOf(row) === key && ((found = index), true));
		return found;
	}

	find(key) {
		return this.at(this.indexOf(key));
	}

	/** Sees to it that the rows from first up to last come; what was asked for elsewhere is given up. */
	want(first, last) {
		const wanted = new Set();

		for (let block = Math.floor(first / BLOCK); block <= Math.floor(Math.max(first, last - 1) / BLOCK); block++) {
			wanted.add(block);
			if (!this.asked.has(block) && this.lacks(block * BLOCK, (block + 1) * BLOCK))
				this.ask(block);
		}
		for (const [block, control] of this.asked) {
			if (!wanted.has(block)) {
				control.abort();
				this.asked.delete(block);
			}
		}
	}

	lacks(first, last) {
		if (this.total === null)
			return true;
		for (let i = first; i < Math.min(last, this.total); i++) {
			if (!this.rows[i])
				return true;
		}
		return false;
	}

	async ask(block) {
		const control = new AbortController();
		const { generation } = this;

		this.asked.set(block, control);
		try {
			const answer = await this.fetch(block * BLOCK, BLOCK, control.signal);
			if (generation === this.generation)
				this.take(block * BLOCK, answer);
		} catch (error) {
			if (error.name === 'AbortError' || generation !== this.generation)
				return;
			this.error = error;
		} finally {
			if (this.asked.get(block) === control)
				this.asked.delete(block);
		}
		this.changed();
	}

	fetch(offset, limit, signal) {
		return api.get('messages', { ...this.query, offset, limit }, { signal });
	}

	take(offset, answer) {
		this.error = null;
		this.total = answer.total;
		this.modseq = answer.modseq;
		this.problem = answer.problem ?? null;
		this.rows.length = Math.min(this.rows.length, answer.total);
		answer.messages.forEach((row, i) => { this.rows[offset + i] = row; });
	}

	/** All rows from first to last, fetched if need be (for a selection that reaches over what was not looked at). */
	async range(first, last) {
		const rows = [];
		const { generation } = this;

		for (let at = first; at <= last; at += BLOCK_MAX) {
			const end = Math.min(last + 1, at + BLOCK_MAX);
			if (!this.lacks(at, end)) {
				rows.push(...this.rows.slice(at, end));
				continue;
			}
			const answer = await this.fetch(at, end - at);
			if (generation === this.generation)
				this.take(at, answer);
			rows.push(...answer.messages);
		}
		return rows.filter(Boolean);
	}

	/** Reads the view anew; old rows stay in sight until the new ones come. */
	async reload(first, last) {
		const from = Math.floor(first / BLOCK) * BLOCK;
		const generation = ++this.generation;

		this.asked.forEach((control) => control.abort());
		this.asked.clear();
		try {
			const answer = await this.fetch(from, Math.min(BLOCK_MAX, Math.max(BLOCK, Math.ceil((last - from) / BLOCK) * BLOCK)));
			if (generation !== this.generation)
				return;
			this.rows = [];
			this.take(from, answer);
		} catch (error) {
			if (error.name === 'AbortError' || generation !== this.generation)
				return;
			this.error = error;
		}
		this.changed();
	}

	/** What the server says has changed since: patched in place when that is enough. False: the view must be read anew. */
	async sync() {
		const { generation } = this;
		const changes = await api.get('changes', { folder: this.query.folder, since: this.modseq });

		if (generation !== this.generation)
			return true;
		const folder = Number(this.query.folder);
		const known = new Map();
		this.rows.forEach((row, index) => row && known.set(keyOf(row), index));
		const strange = changes.changed.some((row) => !known.has(keyOf({ folder, ...row })));
		const gone = changes.gone.map((uid) => `${folder}.${uid}`).filter((key) => known.has(key));
		if (strange || this.total - gone.length !== changes.total)
			return false;
		changes.changed.forEach((row) => { this.rows[known.get(keyOf({ folder, ...row }))] = row; });
		this.remove(new Set(gone));
		this.modseq = changes.modseq;
		this.changed();
		return true;
	}

	patch(keys, changes) {
		this.rows.forEach((row, index) => {
			if (row && keys.has(keyOf(row)))
				this.rows[index] = { ...row, ...(typeof changes === 'function' ? changes(row) : changes) };
		});
		this.changed();
	}

	/** Takes rows out of the view at once. */
	remove(keys) {
		const places = [];

		this.rows.forEach((row, index) => row && keys.has(keyOf(row)) && places.push(index));
		for (const index of places.reverse())
			this.rows.splice(index, 1);
		this.total = Math.max(0, (this.total ?? 0) - places.length);
	}
}
