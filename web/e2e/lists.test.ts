/** What the lists show, and how it is chosen. */
import type { Page } from 'playwright-core';
import { beforeAll, expect, test, vi } from 'vitest';

import { logIn } from './acts';
import { sendAlert } from './alerts';
import { type Client, type Desk, desk, done, registered } from './owner';
import { setStage } from './stage';

const stage = setStage();
let client: Client;
let at: Desk;

/** A webhook and a strategy that trades a symbol by its alerts. */
async function trading(name: string, symbol: string) {
  const webhook = await done(client.POST('/api/v1/webhooks', { body: { name } }));
  const { id } = await done(
    client.POST('/api/v1/strategies', {
      body: { name, symbol, quantity: '1', active: true, webhook_id: webhook.id, broker_account_id: at.account.id },
    }),
  );
  return { webhook, id };
}

/** Sends an alert, and waits for what came of it. */
async function settled(url: string, message: string): Promise<void> {
  const since = new Date().toISOString();
  expect((await sendAlert(url, message)).status).toBe(202);
  await vi.waitFor(
    async () => {
      const { items } = await done(client.GET('/api/v1/signals', { params: { query: { since } } }));
      expect(items.map(({ status }) => status)).not.toContain('pending');
      expect(items).toHaveLength(1);
    },
    { timeout: 15_000 },
  );
}

async function seen(path: string): Promise<Page> {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto(path);
  return page;
}

beforeAll(async () => {
  client = await registered(stage.program.url);
  at = await desk(client);
  await settled(at.webhook.url, '{"action": "BUY", "comment": "ENTRY", "price": "5000"}');
  const closed = await trading('Closed again', 'AAPL');
  await settled(closed.webhook.url, '{"action": "BUY", "comment": "ENTRY", "price": "212"}');
  await settled(closed.webhook.url, '{"action": "SELL", "comment": "EXIT_FINAL", "price": "213"}');
  const halted = await trading('Halted', 'MSFT');
  const reason = 'The exchange has an outage';
  await done(client.POST('/api/v1/halts', { body: { scope: 'strategy', id: halted.id, mode: 'entries', reason } }));
  await settled(halted.webhook.url, '{"action": "BUY", "comment": "ENTRY", "price": "400"}');
});

test('positions are the open ones, and the flat ones too when asked, in either order', async () => {
  const page = await seen('/positions');
  const rows = page.getByRole('table', { name: 'Positions' }).locator('tbody').getByRole('row');
  const symbols = () => rows.locator('[data-head=Position]').allTextContents();
  await expect.poll(symbols).toEqual(['LONG 2 ES']);

  await page.getByLabel('Flat ones too').check();
  await expect.poll(symbols).toEqual(['FLAT  AAPL', 'LONG 2 ES']);
  await page.getByLabel('Order').selectOption('oldest');
  await expect.poll(symbols).toEqual(['LONG 2 ES', 'FLAT  AAPL']);
  expect(await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href')).toBe('/api/v1/positions.csv?sort=oldest');
  await page.reload();
  await expect.poll(symbols).toEqual(['LONG 2 ES', 'FLAT  AAPL']);

  await page.getByLabel('Flat ones too').uncheck();
  await expect.poll(symbols).toEqual(['LONG 2 ES']);
});

test('a denied order says why once, with the way to what it means', async () => {
  const page = await seen('/orders?status=denied');
  const why = page.getByRole('table', { name: 'Orders' }).locator('[data-head=Why]');
  await expect.poll(() => why.allTextContents()).toEqual(['Entries are halted: The exchange has an outage halted']);
  await why.getByRole('link', { name: 'halted' }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  expect(new URL(page.url()).pathname).toBe('/help/halted');
});

test('a symbol is filtered while it is typed, and Back takes it back', async () => {
  const page = await seen('/trades');
  const rows = page.getByRole('table', { name: 'Trades' }).locator('tbody').getByRole('row');
  await expect.poll(() => rows.count()).toBe(3);
  const symbol = page.getByRole('textbox', { name: 'Symbol' });
  await symbol.click();
  await page.keyboard.type('E');
  await page.waitForURL('**/trades?symbol=E');
  // The field stays as it is, with the focus in it, when the address follows.
  await page.keyboard.type('S');
  await page.waitForURL('**/trades?symbol=ES');
  await expect.poll(() => rows.count()).toBe(1);

  await page.goBack();
  await expect.poll(() => symbol.inputValue()).toBe('E');
  await page.goForward();
  await expect.poll(() => symbol.inputValue()).toBe('ES');
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await expect.poll(() => symbol.inputValue()).toBe('');
  await expect.poll(() => rows.count()).toBe(3);
});

test('what is chosen from has no end at 200', { timeout: 120_000 }, async () => {
  for (let n = 0; n < 200; n += 1) {
    await done(client.POST('/api/v1/webhooks', { body: { name: `Webhook ${n}` } }));
  }
  const page = await seen('/signals');
  const webhook = page.getByLabel('Webhook');
  // The oldest of all.
  await webhook.selectOption(at.webhook.name);
  await expect.poll(() => page.getByRole('table', { name: 'Signals' }).locator('tbody').getByRole('row').count()).toBe(1);
  expect(await webhook.locator('option').count()).toBe(204);

  await page.goto('/signals?webhook_id=999999');
  await expect.poll(() => webhook.locator('option:checked').textContent()).toBe('#999999');
});
