/* The login page. */
import * as api from './api.js';
import { T } from './texts.js';
import { button, el, field, fill, form, icon, iconButton, input } from './ui.js';

function passwordWithEye(control) {
	const eye = iconButton({
		label: T.login.show, icon: 'eye', 'aria-pressed': false,
		onclick: () => {
			const shown = control.type === 'text';
			control.type = shown ? 'password' : 'text';
			eye.setAttribute('aria-pressed', String(!shown));
		},
	});
	return el('div', { class: 'with-button' }, control, eye);
}

/** Shows the page; done(session) is called when somebody has logged in. why: a sentence shown above, or null. */
export function show(container, { why = null, done }) {
	const user = input({ name: 'user', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true, id: 'login-user' });
	const password = input({ type: 'password', name: 'password', autocomplete: 'current-password', required: true, id: 'login-password' });
	const userField = field({ label: T.login.user, control: user });
	const passwordField = field({ label: T.login.password, control: password, around: passwordWithEye(password) });
	const page = form({
		class: 'login-card', label: T.login.title,
		buttons: [button({ label: T.login.action, kind: 'primary', class: 'wide' })],
		submit: async (node) => {
			userField.setError(user.value.trim() ? null : T.needed);
			passwordField.setError(password.value ? null : T.needed);
			if (!user.value.trim() || !password.value)
				return;
			try {
				done(await api.post('login', { user: user.value.trim(), password: password.value }));
			} catch (error) {
				node.setError(error.status === 429 ? T.login.slow : error.message);
				password.focus();
				password.select();
			}
		},
	}, el('div', { class: 'login-head' }, el('img', { src: '/logo.svg', alt: '', width: 44, height: 44 }), el('h1', {}, T.product), el('p', {}, T.login.lead)),
	why && el('p', { class: 'notice' }, icon('info'), why), userField, passwordField);

	document.title = `${T.login.title} – ${T.product}`;
	fill(container, el('main', { class: 'login' }, page));
	user.focus();
}
