/** What the pages of a broker's account look like: pictures to be looked at by people, and nothing that somebody cannot use. */
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { alert, setBrokerStage } from './broker_stage';
import { ALPACA, BINANCE_FUTURES, IBKR_TWS, IBKR_WEB, TRADOVATE, byStrategies, connect, fill, fillIn, stands } from './brokers';
import { overhang, violations } from './judged';
import { settled } from './pages';

const at = setBrokerStage();
const FOLDER = fileURLToPath(new URL('shown_brokers', import.meta.url));

beforeAll(() => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
});

/** Takes a picture, and says what is wrong with the page. */
async function look(page: Page, name: string, full = true): Promise<Record<string, unknown>> {
  await settled(page);
  await page.screenshot({ path: `${FOLDER}/${name}.png`, fullPage: full });
  const [wider, found] = [await overhang(page), await violations(page)];
  return wider === 0 && found.length === 0 ? {} : { [name]: [wider, ...found] };
}

for (const [colorScheme, width] of [
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
] as const) {
  const options = { colorScheme, viewport: { width, height: 900 } };
  const named = (name: string) => `${name}-${width}-${colorScheme}`;

  test(`the forms that connect fit ${width} pixels, ${colorScheme}`, { timeout: 180_000 }, async () => {
    const found = {};
    for (const account of [ALPACA, BINANCE_FUTURES, TRADOVATE, IBKR_WEB, IBKR_TWS]) {
      const venue = await at.venueOf(account);
      const page = await at.signedIn(options);
      const form = await fillIn(page, account, venue, account.broker);
      Object.assign(found, await look(page, named(`form-${account.venue}`), false));
      await form.getByRole('button', { name: /^Connect/ }).scrollIntoViewIfNeeded();
      Object.assign(found, await look(page, named(`form-end-${account.venue}`), false));
    }
    const page = await at.signedIn(options);
    const mistyped = { ...ALPACA, environment: 'Live: real money', credentials: { ...ALPACA.credentials, 'Secret key': 'two words' } };
    const form = await fillIn(page, mistyped, await at.venueOf(ALPACA), 'Mistyped');
    at.stage.expects(/status of 422 .*\/broker-accounts$/);
    await form.getByRole('button', { name: /^Connect/ }).click();
    await form.getByRole('alert').getByRole('link').waitFor();
    await form.getByRole('alert').getByRole('link').scrollIntoViewIfNeeded();
    Object.assign(found, await look(page, named('form-refused'), false));
    expect(found).toEqual({});
  });

  test(`an account's page fits ${width} pixels, ${colorScheme}, as the account stands`, { timeout: 180_000 }, async () => {
    const venue = await at.venueOf(ALPACA);
    const page = await at.signedIn(options);
    const mistyped = { ...ALPACA, credentials: { ...ALPACA.credentials, 'Secret key': 'secretOfSomebodyElse' } };
    const id = await connect(page, mistyped, venue, 'Stocks and funds');
    await stands(page, 'disconnected');
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('status').filter({ hasText: 'The connection does not work' }).waitFor();
    const found = await look(page, named('refused'));
    await page.goto('/');
    await page.getByText('Alpaca refused the keys').first().waitFor();
    Object.assign(found, await look(page, named('overview')));
    await page.goto(`/accounts/${id}`);
    await page.getByRole('tab', { name: 'Settings' }).click();
    Object.assign(found, await look(page, named('settings')));
    const parts = page.getByRole('tabpanel', { name: 'Settings' });
    await fill(parts, ALPACA.credentials);
    await parts.getByRole('button', { name: 'Replace the credentials' }).click();
    await stands(page, 'ready');
    Object.assign(found, await look(page, named('settings-replaced')));

    await page.getByRole('tab', { name: 'Holdings' }).click();
    const { webhook, name } = await at.strategyAt(id, ALPACA);
    await page.reload();
    await alert(webhook, { action: 'BUY', comment: 'ENTRY' });
    await byStrategies(page).filter({ hasText: name }).waitFor();
    await page.getByText('the books agree with the broker’s').waitFor();
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('status').filter({ hasText: 'The connection works' }).waitFor();
    Object.assign(found, await look(page, named('connected')));

    await venue.tradeByHand('ACME', 3);
    await page.getByRole('alert').filter({ hasText: 'ACME: entries are paused here' }).waitFor();
    Object.assign(found, await look(page, named('differs')));
    await page.getByRole('button', { name: 'Adopt ACME', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    Object.assign(found, await look(page, named('differs-adopt'), false));
    await page.goto('/accounts');
    await page.getByText('books differ', { exact: true }).waitFor();
    Object.assign(found, await look(page, named('accounts')));
    expect(found).toEqual({});
  });
}
