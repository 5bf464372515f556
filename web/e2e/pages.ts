/** Every page that there is, with something on it. */
import { readFileSync } from 'node:fs';

import type { Page } from 'playwright-core';
import { vi } from 'vitest';

import { sendAlert } from './alerts';
import { type Client, type Desk, desk, done } from './owner';

/** A path to go to, by the path of its route; more than one where a page has parts of its own. */
export const PLACES: Readonly<Record<string, readonly string[]>> = {
  '/sign-in': ['/sign-in'],
  '/help': ['/help'],
  '/help/$code': ['/help/ip_not_allowed'],
  '/': ['/'],
  '/start': ['/start'],
  '/webhooks': ['/webhooks'],
  '/webhooks/$id': ['/webhooks/1', '/webhooks/1?tab=alert', '/webhooks/1?tab=edit'],
  '/strategies': ['/strategies'],
  '/strategies/new': ['/strategies/new'],
  '/strategies/$id': ['/strategies/1', '/strategies/1?tab=settings'],
  '/signals': ['/signals'],
  '/signals/$id': ['/signals/1'],
  '/orders': ['/orders'],
  '/positions': ['/positions?flat=shown'],
  '/trades': ['/trades'],
  '/accounts': ['/accounts'],
  '/accounts/$id': ['/accounts/1', '/accounts/1?tab=settings'],
  '/settings': ['/settings'],
  '/users': ['/users'],
  '/nodes': ['/nodes'],
};

/** The paths of the routes, as the application itself has them. */
export function routes(): string[] {
  const source = readFileSync(new URL('../src/router.tsx', import.meta.url), 'utf8');
  return [...source.matchAll(/path: '([^']+)'/g)].map(([, path = '']) => path);
}

/** Trades and refusals of every kind, so that no page is empty. Needs open registration. */
export async function furnish(client: Client): Promise<Desk> {
  const at = await desk(client);
  const { account, webhook } = at;
  const strategy = (name: string, symbol: string, of: number, active = true) =>
    done(
      client.POST('/api/v1/strategies', {
        body: { name, symbol, quantity: '3', active, webhook_id: of, broker_account_id: account.id },
      }),
    );
  const swing = await done(
    client.POST('/api/v1/webhooks', {
      body: { name: 'Swing trades', description: 'Daily closes', allowed_ips: ['52.89.214.238', '34.212.75.30'] },
    }),
  );
  const stocks = await done(client.POST('/api/v1/webhooks', { body: { name: 'Stocks' } }));
  await strategy('Apple on strength', 'AAPL', stocks.id);
  const stopped = await strategy('Bitcoin, halted', 'BTCUSD', stocks.id);
  await strategy('Gold, paused', 'GC', swing.id, false);
  await done(
    client.POST('/api/v1/halts', {
      body: { scope: 'strategy', id: stopped.id, mode: 'entries', reason: 'The exchange has an outage' },
    }),
  );
  await done(client.POST('/api/v1/auth/register', { body: { email: 'second@example.com', password: 'battery staple horse' } }));

  await sendAlert(webhook.url, '{"action": "BUY", "comment": "ENTRY", "price": "4999.75"}');
  await filled(client, 1);
  await sendAlert(webhook.url, '{"action": "SELL", "comment": "EXIT_50"}');
  await filled(client, 2);
  await sendAlert(stocks.url, '{"action": "BUY", "comment": "ENTRY", "price": "212.34"}');
  await filled(client, 3);
  await sendAlert(stocks.url, '{"action": "SELL", "comment": "EXIT_25"}');
  await filled(client, 4);
  await sendAlert(webhook.url, 'buy it now');
  await sendAlert(webhook.url.replace(/secret=.*/, 'secret=guessed'), '{"action": "BUY"}');
  await sendAlert(swing.url, '{"action": "BUY"}');
  return at;
}

/** Until this many fills are on record. */
async function filled(client: Client, count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { items } = await done(client.GET('/api/v1/fills', {}));
      if (items.length < count) {
        throw new Error(`${items.length} fills of ${count}`);
      }
    },
    { timeout: 15_000 },
  );
}

/** Until nothing more is to come: data, pictures of it, and what moves into its place. */
export async function settled(page: Page): Promise<void> {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.waitForFunction(
    () =>
      document.querySelector('[aria-label="Loading"], .mantine-Skeleton-root') === null &&
      document.getAnimations().every(({ playState }) => playState !== 'running'),
  );
}
