/** An account at each broker, connected by the form and traded on, at a fake of the broker's venue. */
import { expect, test } from 'vitest';

import { live, navigate } from './acts';
import { alert, setBrokerStage } from './broker_stage';
import {
  ALPACA,
  BINANCE_FUTURES,
  BINANCE_SPOT,
  IBKR_TWS,
  IBKR_OAUTH,
  IBKR_WEB,
  TRADOVATE,
  atBroker,
  byStrategies,
  connect,
  figure,
  rows,
  stands,
} from './brokers';

const at = setBrokerStage();

for (const [name, account] of Object.entries({
  Alpaca: ALPACA,
  'Binance spot': BINANCE_SPOT,
  'Binance futures': BINANCE_FUTURES,
  Tradovate: TRADOVATE,
  'Interactive Brokers by the gateway': IBKR_WEB,
  'Interactive Brokers by OAuth': IBKR_OAUTH,
  'Interactive Brokers by TWS': IBKR_TWS,
})) {
  test(`${name}: an account is connected, an alert buys on it and another one sells`, async () => {
    const venue = await at.venueOf(account);
    const page = await at.signedIn();
    const id = await connect(page, account, venue, name);
    await stands(page, 'ready');
    await expect.poll(() => figure(page, 'Equity').textContent()).toBe(account.equity);
    await page.getByRole('button', { name: 'Test connection' }).click();
    const answer = page.getByRole('status').filter({ hasText: 'The connection works' });
    await answer.getByText(/^Connected; the equity is 10{5,6}(\.0+)? USDT?\.$/).waitFor();
    await page.getByText('The broker holds nothing.').waitFor();

    const { webhook, name: strategy } = await at.strategyAt(id, account);
    const trades = await at.signedIn();
    await navigate(trades, 'Trades');
    // The names of strategies that somebody else makes come with the page.
    await page.reload();
    await Promise.all([live(page), live(trades)]);
    const held = `LONG ${account.quantity}`;
    await alert(webhook, { action: 'BUY', comment: 'ENTRY' });
    await atBroker(page).filter({ hasText: account.symbol }).filter({ hasText: held }).waitFor();
    await byStrategies(page).filter({ hasText: strategy }).filter({ hasText: held }).waitFor();
    expect(await venue.held(account.listed)).toBe(account.quantity);
    const fills = rows(trades, 'Trades').filter({ hasText: strategy });
    await fills.filter({ hasText: `BUY ${account.quantity} ${account.symbol}` }).waitFor();

    await alert(webhook, { action: 'SELL', comment: 'EXIT_FINAL' });
    await page.getByText('The broker holds nothing.').waitFor();
    await page.getByText('No strategy holds anything here.').waitFor();
    await fills.filter({ hasText: `SELL ${account.quantity} ${account.symbol}` }).waitFor();
    expect(await venue.held(account.listed)).toBe('0');
    await stands(page, 'ready');
  });
}

test('what the market does to a position shows by itself', async () => {
  const venue = await at.venueOf(ALPACA);
  const page = await at.signedIn();
  const id = await connect(page, ALPACA, venue, 'Moves');
  await stands(page, 'ready');
  const { webhook } = await at.strategyAt(id, ALPACA);
  await alert(webhook, { action: 'BUY', comment: 'ENTRY' });
  await atBroker(page).filter({ hasText: 'LONG 4' }).waitFor();
  await venue.movePrice('ACME', '110');
  // Alpaca is asked for prices every ten seconds.
  const patience = { timeout: 30_000 };
  await expect.poll(() => figure(page, 'Equity').textContent(), patience).toBe('1,000,040.00 USD');
  await expect.poll(() => atBroker(page).filter({ hasText: '+40.00' }).count(), patience).toBe(1);
});
