/*
 * A list that is edited as chips: Enter, a blank, a comma or leaving the box adds what was typed, Backspace in the empty
 * box removes the last one.
 */
import { el, icon } from './ui.js';
import { partsOf } from './admin_values.js';
import { texts } from './texts_admin.js';

/**
 * items: [text]; changed(items) after each change; suggestions: the id of a datalist; label: the name of the box. Returns the
 * box: .items is what it holds, also what was typed and not added yet; .input the text box.
 */
export function chips({ items, changed = () => {}, placeholder = texts.config.item, suggestions = null, label = null }) {
	let list = [...items];
	const entry = el('input', {
		type: 'text', class: 'tag-input', placeholder: list.length ? '' : placeholder, list: suggestions, 'aria-label': label, autocomplete: 'off',
		autocapitalize: 'none', spellcheck: 'false',
	});
	const box = el('div', { class: 'tag-box input', role: 'group', 'aria-label': label }, entry);

	function draw() {
		box.querySelectorAll('.tag').forEach((chip) => chip.remove());
		entry.before(...list.map((item, at) => el('span', { class: 'tag' }, item, el('button', {
			type: 'button', 'aria-label': texts.config.removeItem(item), onclick: () => take(at),
		}, icon('close')))));
		entry.placeholder = list.length ? '' : placeholder;
	}
	function set(items_) {
		list = items_;
		draw();
		changed([...list]);
	}
	function take(at) {
		set(list.filter((_, i) => i !== at));
		entry.focus();
	}
	function add() {
		const fresh = partsOf(entry.value.replace(/[,;]+(\s|$)/g, ' ')).filter((item) => !list.includes(item));

		entry.value = '';
		if (fresh.length)
			set([...list, ...fresh]);
	}
	entry.addEventListener('keydown', (event) => {
		const complete = event.key === 'Enter' || ((event.key === ' ' || event.key === ',') && !entry.value.includes('"'));
		if (complete && entry.value.trim()) {
			event.preventDefault();
			add();
		} else if (event.key === 'Backspace' && entry.value === '' && list.length) {
			set(list.slice(0, -1));
		}
	});
	entry.addEventListener('change', add);
	entry.addEventListener('paste', () => setTimeout(add));
	box.addEventListener('click', (event) => event.target === box && entry.focus());
	Object.defineProperty(box, 'items', { get: () => { add(); return [...list]; }, set: (items_) => { list = [...items_]; draw(); } });
	box.input = entry;
	draw();
	return box;
}
