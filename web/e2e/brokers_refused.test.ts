/** What goes wrong when an account is connected: said in the trader's words, where the trader can mend it. */
import { expect, test } from 'vitest';

import { setBrokerStage } from './broker_stage';
import { ALPACA, BINANCE_SPOT, IBKR_TWS, IBKR_WEB, TRADOVATE, type Account, connect, field, figure, fill, fillIn, stands } from './brokers';

const at = setBrokerStage();

test('what cannot be a key is refused at its field, and what was typed stays', async () => {
  const venue = await at.venueOf(ALPACA);
  const page = await at.signedIn();
  const form = await fillIn(page, ALPACA, venue, 'Mistyped');
  await fill(form, { 'Secret key': 'pasted with more', 'API address': 'ftp://127.0.0.1' });
  // A part that is closed is opened where something in it is wrong.
  await form.getByRole('button', { name: /^Settings/ }).click();
  await field(form, 'API address').waitFor({ state: 'hidden' });
  at.stage.expects(/status of 422 .*\/broker-accounts$/);
  await form.getByRole('button', { name: 'Connect', exact: true }).click();

  await expect.poll(() => field(form, 'API address').getAttribute('aria-invalid')).toBe('true');
  await form.getByText('must be an address that begins with https:// or http://', { exact: true }).waitFor();
  expect(await field(form, 'Label').inputValue()).toBe('Mistyped');
  expect(await field(form, 'API key ID').inputValue()).toBe(ALPACA.credentials['API key ID']);
  expect(await form.getByRole('radio', { name: 'Paper', exact: true }).isChecked()).toBe(true);
  expect(await field(form, 'Stream address').inputValue()).toBe(ALPACA.settings(venue.address)['Stream address']);

  await fill(form, { 'API address': venue.address });
  await form.getByRole('button', { name: 'Connect', exact: true }).click();
  await expect.poll(() => field(form, 'Secret key').getAttribute('aria-invalid')).toBe('true');
  await form.getByText("has a character that no key of Alpaca's has: copy it again", { exact: true }).waitFor();
  expect(await field(form, 'API address').getAttribute('aria-invalid')).not.toBe('true');

  await fill(form, ALPACA.credentials);
  await form.getByRole('button', { name: 'Connect', exact: true }).click();
  await page.getByRole('heading', { name: 'Mistyped', level: 1 }).waitFor();
  await stands(page, 'ready');
});

test('a wrong key is said, and the right one takes its place', async () => {
  const venue = await at.venueOf(ALPACA);
  const page = await at.signedIn();
  const mistyped = { ...ALPACA, credentials: { ...ALPACA.credentials, 'Secret key': 'secretOfSomebodyElse' } };
  await connect(page, mistyped, venue, 'Wrong key');
  await stands(page, 'disconnected');
  const words = 'Alpaca refused the keys: the key ID or the secret key is wrong';
  await page.getByText(words).first().waitFor();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await page.getByRole('status').filter({ hasText: 'The connection does not work' }).getByText(words).waitFor();

  await page.getByRole('tab', { name: 'Settings' }).click();
  const parts = page.getByRole('tabpanel', { name: 'Settings' });
  expect(await field(parts, 'API address').inputValue()).toBe(venue.address);
  await fill(parts, ALPACA.credentials);
  await parts.getByRole('button', { name: 'Replace the credentials' }).click();
  await parts.getByRole('status').getByText('Replaced.').waitFor();
  await stands(page, 'ready');
  expect(await field(parts, 'Secret key').inputValue()).toBe('');
  expect(await page.getByText('The connection does not work').count()).toBe(0);
  expect(await page.getByText(words).count()).toBe(0);
  await page.getByRole('tab', { name: 'Holdings' }).click();
  await expect.poll(() => figure(page, 'Equity').textContent()).toBe(ALPACA.equity);
});

const WRONG: Readonly<Record<string, readonly [Account, RegExp]>> = {
  'keys of the live account for paper trading': [
    { ...ALPACA, credentials: { ...ALPACA.credentials, 'API key ID': 'AKLIVE' } },
    /they are keys of a live account, and this is paper trading/,
  ],
  'keys of paper trading for the live account': [
    { ...ALPACA, environment: 'Live: real money', credentials: { ...ALPACA.credentials, 'API key ID': 'PKANOTHER' } },
    /they are keys of paper trading, and this account is a live one/,
  ],
  'a key that is wrong, or is bound to other addresses': [
    { ...BINANCE_SPOT, credentials: { ...BINANCE_SPOT.credentials, 'API key': 'another-key' } },
    /refused the key for spot \(testnet\): it is wrong, belongs to another environment or market, is bound to other IP addresses/,
  ],
  'the secret of another key': [
    { ...BINANCE_SPOT, credentials: { ...BINANCE_SPOT.credentials, 'Secret key': 'another-secret' } },
    /the secret or private key does not belong to the API key/,
  ],
  'a key that only reads': [{ ...BINANCE_SPOT, venue: 'binance_read_only' }, /may read the spot \(testnet\) account but not trade: allow trading/],
  'a clock that is wrong': [{ ...BINANCE_SPOT, venue: 'binance_other_time' }, /refused the request's time: set this machine's clock/],
  'a wrong password': [
    { ...TRADOVATE, credentials: { ...TRADOVATE.credentials, Password: 'another-password' } },
    /Tradovate refused the login: .* Check user name, password, cid and sec/,
  ],
  'a gateway with the paper user, linked as live': [{ ...IBKR_WEB, environment: 'Live: real money' }, /DU1234567 is a paper account, and this account is set to live/],
  'a TWS with the paper user, linked as live': [{ ...IBKR_TWS, environment: 'Live: real money' }, /DU1234567 is a paper account\. Link it as paper/],
  'a TWS that does not run': [
    { ...IBKR_TWS, settings: () => ({ Connection: 'tws', Port: '1' }) },
    /nothing answers at 127\.0\.0\.1:1 .*Is TWS or IB Gateway running and logged in/,
  ],
};

for (const [what, [account, words]] of Object.entries(WRONG)) {
  test(`${what}: the page says so, and so does the test of the connection`, async () => {
    const venue = await at.venueOf(account);
    const page = await at.signedIn();
    await connect(page, account, venue, what);
    await stands(page, 'disconnected');
    await page.getByText(words).first().waitFor();
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('status').filter({ hasText: 'The connection does not work' }).getByText(words).waitFor();
  });
}
