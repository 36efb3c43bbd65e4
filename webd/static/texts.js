/*
 * All that the pages of WebMail say, in English: whoever wants another language translates this file. Texts with
 * something in them are functions. The administration's are in texts_admin.js.
 */

const plural = (n, one, many) => (n === 1 ? one : many.replace('#', n.toLocaleString()));

export const T = {
	product: 'Sambar Mail',
	close: 'Close',
	cancel: 'Cancel',
	save: 'Save',
	saved: 'Saved',
	remove: 'Delete',
	undo: 'Undo',
	dismiss: 'Dismiss',
	retry: 'Try again',
	failed: 'That did not work',
	needed: 'This is needed.',
	loading: 'Loading',
	more: 'More',
	bytes: (n) => plural(n, '1 byte', '# bytes'),
	unknownSender: '(unknown sender)',
	count: plural,

	shell: {
		skip: 'Skip to content',
		menu: 'Menu',
		mail: 'Mail',
		contacts: 'Contacts',
		settings: 'Settings',
		administration: 'Administration',
		account: (user) => `Account: ${user}`,
		logout: 'Log out',
		theme: 'Theme',
		themes: [['auto', 'As the device'], ['light', 'Light'], ['dark', 'Dark']],
		shortcuts: 'Keyboard shortcuts',
		pages: 'Pages',
		noMailbox: 'You have no mailbox here',
		noMailboxText: 'An administrator can create one for you under User Management.',
	},

	login: {
		title: 'Log in',
		lead: 'Read and write your mail.',
		user: 'User name',
		password: 'Password',
		show: 'Show password',
		action: 'Log in',
		ended: 'Your session has ended. Log in again to go on.',
		bye: 'You are logged out.',
		slow: 'Too many attempts. Wait a moment, then try again.',
		setup: 'The one-time link that the server printed at its first start creates the administrator.',
	},
};
