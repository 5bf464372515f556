/** A position that was traded at the broker by hand: it stops entries, explains itself, and is taken over or exited. */
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';

import { navigate } from './acts';
import { alert, setBrokerStage } from './broker_stage';
import { ALPACA, IBKR_WEB, type Trading, atBroker, byStrategies, connect, rows, stands } from './brokers';

const at = setBrokerStage();

const card = (page: Page, symbol: string) => page.getByRole('alert').filter({ hasText: `${symbol}: entries are paused here` });

/** A page of an account on which a strategy holds four, and somebody bought three more by hand. */
async function tradedByHand(account: Trading) {
  const { symbol, listed } = account;
  const venue = await at.venueOf(account);
  const page = await at.signedIn();
  const id = await connect(page, account, venue, 'By hand');
  await stands(page, 'ready');
  const { webhook, name } = await at.strategyAt(id, account);
  await page.reload();
  await alert(webhook, { action: 'BUY', comment: 'ENTRY' });
  await byStrategies(page).filter({ hasText: name }).filter({ hasText: 'LONG 4' }).waitFor();
  await page.getByText('the books agree with the broker’s').waitFor();

  await venue.tradeByHand(listed, 3);
  await stands(page, 'books differ');
  const said = `The account holds 7 ${symbol}, and the strategies there account for 4: something was traded there past Atomik`;
  await card(page, symbol).getByText(said).waitFor();
  return { venue, page, webhook, name };
}

/** Presses a way out of the difference and, after reading what it does, the button that does it. */
async function decide(page: Page, way: string, symbol: string, does: string): Promise<void> {
  await card(page, symbol).getByRole('button', { name: `${way} ${symbol}`, exact: true }).click();
  const question = page.getByRole('dialog', { name: `${way} ${symbol}` });
  await question.getByText(does).waitFor();
  await question.getByRole('button', { name: way, exact: true }).click();
  await question.waitFor({ state: 'detached' });
  await card(page, symbol).waitFor({ state: 'detached' });
  await stands(page, 'ready');
}

for (const [name, account] of Object.entries({ Alpaca: ALPACA, 'Interactive Brokers': IBKR_WEB })) {
  const { symbol, listed } = account;

  test(`${name}: entries pause on what was traded by hand, until a strategy adopts it`, async () => {
    const { venue, page, webhook, name: strategy } = await tradedByHand(account);
    await alert(webhook, { action: 'BUY', comment: 'ENTRY' });
    const orders = await at.signedIn();
    await navigate(orders, 'Orders');
    const denied = rows(orders, 'Orders').filter({ hasText: strategy });
    await denied.filter({ hasText: 'denied' }).getByRole('link', { name: 'books_differ' }).waitFor();
    expect(await venue.held(listed)).toBe('7');

    await decide(page, 'Adopt', symbol, 'Nothing is sent to the broker');
    await byStrategies(page).filter({ hasText: strategy }).filter({ hasText: 'LONG 7' }).waitFor();
    expect(await venue.held(listed)).toBe('7');

    await alert(webhook, { action: 'SELL', comment: 'EXIT_FINAL' });
    await page.getByText('The broker holds nothing.').waitFor();
    await alert(webhook, { action: 'BUY', comment: 'ENTRY' });
    await atBroker(page).filter({ hasText: 'LONG 4' }).waitFor();
  });

  test(`${name}: what was traded by hand is flattened`, async () => {
    const { venue, page } = await tradedByHand(account);
    await decide(page, 'Adopt and flatten', symbol, 'exits it at the market at once');
    await page.getByText('The broker holds nothing.').waitFor();
    await page.getByText('No strategy holds anything here.').waitFor();
    expect(await venue.held(listed)).toBe('0');
  });
}
