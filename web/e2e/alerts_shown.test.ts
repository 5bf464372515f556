/** What happens to an alert shows by itself: nothing here loads a page again. */
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { answered, live, logIn, logs } from './acts';
import { sendAlert } from './alerts';
import { type Client, type Desk, desk, done, registered } from './owner';
import { setStage } from './stage';

const stage = setStage();
let client: Client;
let at: Desk;

beforeAll(async () => {
  client = await registered(stage.program.url);
  at = await desk(client);
});

/** Signed in, at this path, with the event stream open. */
async function watching(path: string): Promise<Page> {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto(path);
  await live(page);
  return page;
}

/** A webhook of its own, so that no test meets the repeats and the rate of another. */
function another(name: string) {
  return done(client.POST('/api/v1/webhooks', { body: { name } }));
}

test('a signal appears in the log and as a fill', async () => {
  const [log, signals, trades, positions] = await Promise.all([
    watching(`/webhooks/${at.webhook.id}`),
    watching('/signals'),
    watching('/trades'),
    watching('/positions'),
  ]);
  await log.getByText('No request yet').waitFor();
  await trades.getByText('No trade here').waitFor();
  await positions.getByText('No position is open').waitFor();

  expect((await sendAlert(at.webhook.url, '{"action": "BUY", "comment": "ENTRY"}')).status).toBe(202);
  await answered(log, 202).filter({ hasText: '"comment": "ENTRY"' }).waitFor();
  const signal = signals.getByRole('table', { name: 'Signals' }).getByRole('row').filter({ hasText: 'BUY ENTRY' });
  await signal.filter({ hasText: '1/1' }).waitFor();
  const fill = trades.getByRole('table', { name: 'Trades' }).getByRole('row').filter({ hasText: 'ES' });
  await fill.filter({ hasText: '5,000' }).waitFor();
  await positions.getByRole('table', { name: 'Positions' }).getByRole('row').filter({ hasText: /LONG 2 ES/ }).waitFor();

  expect((await sendAlert(at.webhook.url, '{"action": "SELL", "comment": "EXIT_FINAL"}')).status).toBe(202);
  await expect.poll(() => answered(log, 202).count()).toBe(2);
  await expect.poll(() => fill.count()).toBe(2);
  await positions.getByText('No position is open').waitFor();
});

test('a page that nobody looks at stops listening, and makes up for it', async () => {
  const webhook = await another('Hidden');
  const page = await watching(`/webhooks/${webhook.id}`);
  const turn = (hidden: boolean) =>
    page.evaluate((away) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: away });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const sign = page.locator('.stream');
  await turn(true);
  await expect.poll(() => sign.textContent()).toBe('Connecting …');
  expect((await sendAlert(webhook.url, '{"action": "BUY"}')).status).toBe(202);
  await turn(false);
  await answered(page, 202).waitFor();
  await live(page);
});

test('what is no JSON is refused with a reason, as TradingView would send it', async () => {
  const webhook = await another('Malformed');
  const page = await watching(`/webhooks/${webhook.id}`);
  expect((await sendAlert(webhook.url, 'buy some')).body['code']).toBe('malformed_json');
  await answered(page, 422).filter({ hasText: 'malformed_json' }).filter({ hasText: 'buy some' }).waitFor();
});

test('a repeat within the window trades once and says so', async () => {
  const webhook = await another('Repeats');
  // A window that no machine is too slow for.
  const params = { path: { id: webhook.id } };
  await done(client.PATCH('/api/v1/webhooks/{id}', { params, body: { dedupe_window_s: 60 } }));
  const page = await watching(`/webhooks/${webhook.id}`);
  const first = await sendAlert(webhook.url, '{"action": "BUY"}');
  const second = await sendAlert(webhook.url, '{"action": "BUY"}');
  expect(second.status).toBe(202);
  expect(second.body).toEqual(first.body);
  expect(second.headers.get('idempotent-replayed')).toBe('true');
  await logs(page).getByRole('link', { name: 'replayed', exact: true }).waitFor();
  await logs(page).getByRole('link', { name: 'accepted', exact: true }).waitFor();
  expect(await logs(page).count()).toBe(2);

  await page.getByLabel('Outcome').selectOption('replayed');
  await expect.poll(() => logs(page).count()).toBe(1);
  expect(page.url()).toContain('outcome=replayed');
});

test('more than ten a second are refused with 429, and the log says so', async () => {
  const webhook = await another('Too many');
  const page = await watching(`/webhooks/${webhook.id}`);
  const burst = await Promise.all(
    Array.from({ length: 40 }, (_, index) => sendAlert(webhook.url, `{"action": "BUY", "id": "${index}"}`)),
  );
  const refused = burst.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]?.headers.get('retry-after')).not.toBeNull();
  await answered(page, 429).filter({ hasText: 'rate_limited' }).first().waitFor();
  await page.getByLabel('Outcome').selectOption('rate_limited');
  await expect.poll(() => answered(page, 202).count()).toBe(0);
  expect(await answered(page, 429).count()).toBeGreaterThan(0);
});

test('a wrong secret and none are refused with 401, an unknown token with 404', async () => {
  const webhook = await another('Wrong secrets');
  const page = await watching(`/webhooks/${webhook.id}`);
  const wrong = new URL(webhook.url);
  wrong.searchParams.set('secret', 'guessed');
  expect((await sendAlert(wrong.href, '{"action": "BUY"}')).status).toBe(401);
  await answered(page, 401).filter({ hasText: 'invalid_secret' }).waitFor();
  wrong.search = '';
  expect((await sendAlert(wrong.href, '{"action": "BUY"}')).status).toBe(401);
  await answered(page, 401).filter({ hasText: 'secret_required' }).waitFor();

  const unknown = webhook.url.replace(webhook.token, 'x'.repeat(webhook.token.length));
  expect((await sendAlert(unknown, '{"action": "BUY"}')).status).toBe(404);
  expect(await logs(page).count()).toBe(2);
});
