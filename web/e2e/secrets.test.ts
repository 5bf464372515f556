import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';

import { logIn, navigate, register, shown } from './acts';
import { CREDENTIALS } from './owner';
import { setStage } from './stage';

const stage = setStage();

/** Everything that the browser keeps of a page, or shows: its text and fields, its stores, its history, its caches. */
function kept(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const fields = [...document.querySelectorAll('input, textarea')].map((field) => (field as HTMLInputElement).value);
    const caches_ = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
    const databases = await indexedDB.databases();
    return JSON.stringify([
      document.documentElement.outerHTML,
      fields,
      Object.entries(localStorage),
      Object.entries(sessionStorage),
      document.cookie,
      location.href,
      window.history.state,
      performance.getEntries().map(({ name }) => name),
      caches_.flat().map(({ url }) => url),
      databases,
    ]);
  });
}

test('a secret is shown once and never again', async () => {
  const page = await stage.open('/');
  const addresses: string[] = [];
  page.on('framenavigated', (frame) => addresses.push(frame.url()));
  await register(page);
  await navigate(page, 'Webhooks');
  await page.getByRole('button', { name: 'Create New Webhook' }).click();
  const form = page.getByRole('dialog');
  await form.getByRole('textbox', { name: 'Name' }).fill('Only once');
  await form.getByRole('button', { name: 'Save' }).click();
  const secret = await shown(page, 'Secret');
  const url = await shown(page, 'Webhook URL');
  expect(secret.length).toBeGreaterThanOrEqual(20);
  expect(url).toContain(`?secret=${secret}`);
  expect(await kept(page), 'it is shown now, or this test looks in the wrong places').toContain(secret);
  const stores = () => page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), history.state]));
  expect(await stores()).not.toContain(secret);

  await form.getByRole('button', { name: 'I have saved them' }).click();
  await form.waitFor({ state: 'detached' });
  expect(await kept(page)).not.toContain(secret);

  for (const path of ['/webhooks', '/webhooks/1', '/webhooks/1?tab=edit', '/webhooks/1?tab=alert']) {
    await page.goto(path);
    await page.getByText('Only once').first().waitFor();
    await page.waitForLoadState('networkidle');
    expect(await kept(page), path).not.toContain(secret);
  }
  await page.goBack();
  await page.waitForLoadState('networkidle');
  expect(await kept(page)).not.toContain(secret);
  expect(addresses.join('\n')).not.toContain(secret);
});

/** Whether a text is anywhere in the memory of the page's scripts, once what nobody needs is thrown away. */
async function isInMemory(page: Page, text: string): Promise<boolean> {
  const devtools = await page.context().newCDPSession(page);
  let snapshot = '';
  devtools.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => (snapshot += chunk));
  await devtools.send('HeapProfiler.collectGarbage');
  await devtools.send('HeapProfiler.takeHeapSnapshot');
  await devtools.detach();
  return snapshot.includes(text);
}

test('the secret of a rotation goes with its page', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto('/webhooks/1?tab=edit');
  await page.getByRole('button', { name: 'Rotate secret' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Make another secret' }).click();
  const secret = await shown(page, 'Secret');
  expect(secret.length).toBeGreaterThanOrEqual(20);
  expect(await isInMemory(page, secret), 'it is shown now, or this test looks in the wrong places').toBe(true);
  await navigate(page, 'Overview');
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
  expect(await kept(page)).not.toContain(secret);
  await expect.poll(() => isInMemory(page, secret)).toBe(false);
});

test('the secret of the first run goes with its page', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto('/start');
  await page.getByRole('button', { name: 'Make the paper account' }).click();
  await page.getByRole('button', { name: 'Make the webhook' }).click();
  await page.getByRole('button', { name: 'Make and activate the strategy' }).click();
  const secret = new URL(await shown(page, 'Webhook URL')).searchParams.get('secret') ?? '';
  expect(secret.length).toBeGreaterThanOrEqual(20);
  await page.getByRole('button', { name: 'Send test alert' }).click();
  await page.getByText('The receiver answered 202').waitFor();
  // What comes of it moves the links below it.
  await page.getByText(/^Filled 1 AAPL/).waitFor();
  await page.getByRole('link', { name: 'To the overview' }).click();
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
  expect(await kept(page)).not.toContain(secret);
  await expect.poll(() => isInMemory(page, secret)).toBe(false);
  await page.goBack();
  await page.getByRole('heading', { name: 'Start', level: 1 }).waitFor();
  expect(await kept(page)).not.toContain(secret);
});

test('a password and an API key are not kept either', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  expect(await kept(page)).not.toContain(CREDENTIALS.password);
  await expect.poll(() => isInMemory(page, CREDENTIALS.password)).toBe(false);
  await navigate(page, 'Settings');
  await page.getByRole('textbox', { name: 'Name of a new key' }).fill('ci');
  await page.getByRole('button', { name: 'Make a key' }).click();
  const key = await shown(page, 'Key ci');
  expect(key.length).toBeGreaterThanOrEqual(20);
  await page.reload();
  await page.getByRole('table', { name: 'API keys' }).getByText('ci', { exact: true }).waitFor();
  expect(await kept(page)).not.toContain(key);
});
