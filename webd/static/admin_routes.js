/*
 * Routes & TLS Policy: the lines of [routes] and [tls policy], each with a form that writes what common/next_hop.h reads.
 */
import { setConfig, tellSaved } from './admin_form.js';
import { askMaster, card, heading, load, row, rowMenu, table } from './admin_page.js';
import { partsOf } from './admin_values.js';
import { button, checkbox, complain, dialog, el, field, fill, form, input, select } from './ui.js';
import { texts } from './texts_admin.js';

const t = texts.routes;

/* Each: a control for the value of one line: { nodes, read(): text }. */
function routeControls(value) {
	const host = value && !/^(mx|smart host)$/i.test(value.trim()) ? value.trim() : '';
	const implicit = /\s+implicit\s+tls$/i;
	const kind = select([['mx', t.routeMx], ['smart host', t.routeSmart], ['host', t.routeHost]], { value: host ? 'host' : (value ?? 'mx').trim().toLowerCase(), onchange: () => fit() });
	const box = input({ value: host.replace(implicit, ''), spellcheck: 'false', autocapitalize: 'none', placeholder: 'relay.example.org:2525' });
	const tls = checkbox({ label: t.implicit, checked: implicit.test(host) });
	const boxField = field({ label: t.host, control: box });
	const fit = () => { boxField.hidden = tls.hidden = kind.value !== 'host'; };

	fit();
	return {
		nodes: [field({ label: t.routeValue, control: kind }), boxField, tls],
		read: () => (kind.value === 'host' ? box.value.trim() + (tls.input.checked ? ' implicit tls' : '') : kind.value),
	};
}

function policyControls(value) {
	const [word = 'encrypt', ...names] = partsOf(value);
	const kind = select([['none', t.policyNone], ['may', t.policyMay], ['encrypt', t.policyEncrypt], ['verify', t.policyVerify], ['dane', t.policyDane]],
		{ value: word.toLowerCase(), onchange: () => fit() });
	const box = input({ value: names.join(' '), spellcheck: 'false', autocapitalize: 'none' });
	const boxField = field({ label: t.names, control: box });
	const fit = () => { boxField.hidden = kind.value !== 'verify'; };

	fit();
	return {
		nodes: [field({ label: t.policyValue, control: kind }), boxField],
		read: () => [kind.value, kind.value === 'verify' ? box.value.trim() : ''].join(' ').trim(),
	};
}

const parts = [
	{ section: 'routes', title: t.routes, note: t.routesNote, empty: t.noRoutes, column: t.routeValue, controls: routeControls },
	{ section: 'tls policy', title: t.policy, note: t.policyNote, empty: t.noPolicy, column: t.policyValue, controls: policyControls },
];

function panelOf(part) {
	const content = el('div', {});
	const again = () => load(content, draw);

	async function save(changes, text) {
		const answer = await setConfig(changes.map((change) => ({ section: part.section, ...change })));
		tellSaved(text, answer, again);
		again();
	}
	function edit(entry) {
		const name = input({ value: entry?.name ?? '', spellcheck: 'false', autocapitalize: 'none', placeholder: '*.example.org', autofocus: true });
		const nameField = field({ label: t.routeName, control: name });
		const controls = part.controls(entry?.value);
		const node = dialog({
			title: entry ? t.editTitle(entry.name) : part.title,
			body: form({
				buttons: [button({ label: texts.save, kind: 'primary' }), button({ label: texts.cancel, onclick: () => node.shut() })],
				submit: async () => {
					const key = name.value.trim();
					nameField.setError(key ? null : t.noName);
					if (!key)
						return;
					const old = entry && entry.name !== key ? [{ key: entry.name, value: null }] : [];
					await save([...old, { key, value: controls.read() }], t.saved(key));
					node.shut();
				},
			}, nameField, controls.nodes),
		});
	}
	async function draw() {
		const { entries } = await askMaster('entries', part.section);
		if (!entries.length)
			return el('p', { class: 'muted pad' }, part.empty);
		return table(part.title, [t.routeName, part.column, { label: texts.actions, hidden: true }], entries.map((entry) => row([
			el('button', { type: 'button', class: 'link', onclick: () => edit(entry) }, entry.name), el('code', {}, entry.value),
			{ class: 'actions', in: rowMenu(entry.name, () => [
				{ label: texts.edit, icon: 'pencil', onclick: () => edit(entry) },
				{ label: texts.remove, icon: 'trash', danger: true, onclick: () => save([{ key: entry.name, value: null }], t.removed(entry.name)).catch(complain) },
			]) },
		])));
	}
	again();
	return card({ title: part.title, note: part.note, actions: [button({ label: t.new, icon: 'plus', onclick: () => edit(null) })] }, content);
}

export function show(body) {
	fill(body, heading('routes'), parts.map(panelOf));
}
