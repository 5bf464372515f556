import { beforeAll, expect, test } from 'vitest';

import { logIn, navigate } from './acts';
import { CREDENTIALS, type Client, done, registered } from './owner';
import { setStage } from './stage';

const stage = setStage();
let client: Client;

beforeAll(async () => {
  client = await registered(stage.program.url);
});

test('a refused log-in keeps what was typed and says why', async () => {
  const page = await stage.open('/sign-in');
  stage.expects(/status of 401 .*\/auth\/login$/);
  await page.getByRole('textbox', { name: 'Email' }).fill(CREDENTIALS.email);
  await page.getByLabel(/^Password/).fill('not the password');
  await page.locator('[type=submit]').click();

  await page.getByRole('alert').waitFor();
  expect(await page.getByRole('textbox', { name: 'Email' }).inputValue()).toBe(CREDENTIALS.email);
  expect(await page.getByLabel(/^Password/).inputValue()).toBe('not the password');
  await page.getByLabel(/^Password/).fill(CREDENTIALS.password);
  await page.locator('[type=submit]').click();
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
});

test('what the server refuses is said at its field, and the rest stays as typed', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await navigate(page, 'Webhooks');
  await page.getByRole('button', { name: 'Create New Webhook' }).click();
  const form = page.getByRole('dialog');
  const name = form.getByRole('textbox', { name: 'Name' });
  stage.expects(/status of 422 .*\/webhooks$/);
  await name.fill('   ');
  await form.getByRole('textbox', { name: 'Description' }).fill('Breakouts on the hour');
  await form.getByRole('button', { name: 'Save' }).click();

  await expect.poll(() => name.getAttribute('aria-invalid')).toBe('true');
  const said = await name.getAttribute('aria-describedby');
  const words = form.locator((said ?? '').split(' ').map((id) => `[id="${id}"]`).join(', '));
  expect(await words.allTextContents()).toContain('must not be empty');
  expect(await form.getByRole('textbox', { name: 'Description' }).inputValue()).toBe('Breakouts on the hour');

  const opening = page.waitForEvent('popup');
  await form.getByRole('link', { name: /^What this means/ }).click();
  const help = await opening;
  await help.getByRole('heading', { level: 1 }).waitFor();
  expect(new URL(help.url()).pathname).toBe('/help/invalid_request');
  expect(await form.getByRole('textbox', { name: 'Description' }).inputValue()).toBe('Breakouts on the hour');
});

test('without a network, what was fetched stays, what was typed stays, and trying again works', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await navigate(page, 'Webhooks');
  await page.getByRole('button', { name: 'Create New Webhook' }).click();
  const form = page.getByRole('dialog');
  await form.getByRole('textbox', { name: 'Name' }).fill('Typed offline');

  stage.expects(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED/);
  await page.context().setOffline(true);
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByRole('alert').getByText('cannot be reached').waitFor();
  expect(await form.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('Typed offline');

  await page.context().setOffline(false);
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByRole('textbox', { name: 'Secret' }).waitFor();
});

test('a page that is opened without a network says so, offers to try again, and comes when the network does', async () => {
  for (const name of ['Seen before', 'Not seen yet']) {
    await done(client.POST('/api/v1/webhooks', { body: { name } }));
  }
  const page = await stage.open('/sign-in');
  await logIn(page);
  await navigate(page, 'Webhooks');
  // The code of the page comes before the network goes: only its data is missing.
  await page.getByRole('link', { name: 'Seen before' }).click();
  await page.getByRole('heading', { name: 'Seen before', level: 1 }).waitFor();
  await navigate(page, 'Webhooks');
  const other = page.getByRole('link', { name: 'Not seen yet' });
  await other.waitFor();
  stage.expects(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED/);
  await page.context().setOffline(true);
  await other.click();
  await page.getByRole('alert').getByText('cannot be reached').waitFor();

  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('alert').getByText('cannot be reached').waitFor();

  await page.context().setOffline(false);
  await page.getByRole('heading', { name: 'Not seen yet', level: 1 }).waitFor();
  await expect.poll(() => page.getByText('cannot be reached').count()).toBe(0);
});
