/** The brokers, as a trader connects an account at each: what is chosen and typed, by the words on the page. */
import { readFileSync } from 'node:fs';

import type { Locator, Page } from 'playwright-core';

import { navigate } from './acts';
import type { Venue } from './venue';

type Texts = Readonly<Record<string, string>>;

export interface Account {
  /** The name of the fake venue. */
  venue: string;
  broker: string;
  environment: string;
  credentials: Texts;
  settings: (address: string) => Texts;
}

export interface Trading extends Account {
  /** What the account is worth to begin with. */
  equity: string;
  /** What a strategy trades, how much of it, and the venue's own name for it. */
  symbol: string;
  quantity: string;
  listed: string;
}

const addresses = (http: string, stream = http.replace('http', 'ws')) => ({ 'API address': http, 'Stream address': stream });

export const ALPACA: Trading = {
  venue: 'alpaca',
  broker: 'Alpaca',
  environment: 'Paper',
  credentials: { 'API key ID': 'PKTESTKEYOFTHEVENUE1', 'Secret key': 'secretOfTheVenue0123456789abcdefABCDEF42' },
  settings: (address) => addresses(address, `${address.replace('http', 'ws')}/stream`),
  equity: '1,000,000.00 USD',
  symbol: 'ACME',
  quantity: '4',
  listed: 'ACME',
};

export const BINANCE_SPOT: Trading = {
  venue: 'binance_spot',
  broker: 'Binance',
  environment: 'Testnet',
  credentials: { 'API key': 'fake-api-key', 'Secret key': 'fake-secret-key' },
  settings: addresses,
  equity: '1,000,000.00 USDT',
  symbol: 'BTCUSDT',
  quantity: '0.04',
  listed: 'BTCUSDT',
};

export const BINANCE_FUTURES: Trading = {
  ...BINANCE_SPOT,
  venue: 'binance_usdm',
  settings: (address) => ({ Market: 'usdm', ...addresses(address) }),
};

export const TRADOVATE: Trading = {
  venue: 'tradovate',
  broker: 'Tradovate',
  environment: 'Demo',
  credentials: {
    'User name': 'trader-one',
    Password: 'correct-horse-battery',
    'API key id (cid)': '471108154711',
    'API key secret (sec)': 'f03741b6-f634-48d6-9308-c8fb871150c2',
  },
  settings: (address) => addresses(`${address}/v1`, `${address.replace('http', 'ws')}/v1/websocket`),
  equity: '100,000.00 USD',
  symbol: 'MESM6',
  quantity: '4',
  listed: 'MESM6',
};

export const IBKR_WEB: Trading = {
  venue: 'ibkr_web',
  broker: 'Interactive Brokers',
  environment: 'Paper',
  credentials: {},
  settings: (address) => ({ 'Gateway address': address }),
  equity: '1,000,000.00 USD',
  symbol: 'AAPL',
  quantity: '4',
  listed: '265598',
};

/** The fake's own test keys. */
const keys = JSON.parse(
  readFileSync(new URL('../../crates/testkit/src/venues/ibkr_web/oauth_test_keys.json', import.meta.url), 'utf8'),
) as Record<'consumer_key' | 'access_token' | 'access_token_secret' | 'signature_key' | 'encryption_key' | 'dh_parameters', string>;

export const IBKR_OAUTH: Trading = {
  ...IBKR_WEB,
  venue: 'ibkr_web_oauth',
  credentials: {
    'Consumer key': keys.consumer_key,
    'Access token': keys.access_token,
    'Access token secret': keys.access_token_secret,
    'Private signature key': keys.signature_key,
    'Private encryption key': keys.encryption_key,
    'Diffie-Hellman parameters': keys.dh_parameters,
  },
  settings: (address) => ({ Connection: 'oauth', 'API address': `${address}/v1/api` }),
};

export const IBKR_TWS: Trading = {
  ...IBKR_WEB,
  venue: 'tws',
  settings: (address) => ({ Connection: 'tws', Port: address.replace(/^.*:/, '') }),
  listed: 'AAPL',
};

/** A field by its label; one that has to be filled in has an asterisk there. */
export function field(form: Locator, label: string): Locator {
  return form.getByLabel(new RegExp(`^${label.replace(/[()]/g, '\\$&')}( \\*)?$`));
}

/** Fills in fields and choices. */
export async function fill(form: Locator, texts: Texts): Promise<void> {
  for (const [label, text] of Object.entries(texts)) {
    const place = field(form, label);
    const isChoice = await place.evaluate((element) => element instanceof HTMLSelectElement);
    await (isChoice ? place.selectOption(text) : place.fill(text));
  }
}

/** Opens the form and fills it in, up to the button that connects. */
export async function fillIn(page: Page, account: Account, venue: Venue, label: string): Promise<Locator> {
  await navigate(page, 'Broker accounts');
  await page.getByRole('button', { name: 'Connect account' }).click();
  const form = page.getByRole('dialog');
  await form.getByRole('radio', { name: account.broker, exact: true }).check();
  await field(form, 'Label').fill(label);
  await form.getByRole('radio', { name: account.environment, exact: true }).check();
  await fill(form, account.credentials);
  await form.getByRole('button', { name: /^Settings/ }).click();
  await fill(form, account.settings(venue.address));
  return form;
}

/** Ends on the account's page, whose id it gives. */
export async function connect(page: Page, account: Account, venue: Venue, label: string): Promise<number> {
  const form = await fillIn(page, account, venue, label);
  await form.getByRole('button', { name: /^Connect/ }).click();
  await page.waitForURL(/\/accounts\/\d+$/);
  await page.getByRole('heading', { name: label, level: 1 }).waitFor();
  return Number(/\d+$/.exec(page.url())?.[0]);
}

/** Until the account's page says that it stands so. */
export async function stands(page: Page, state: string): Promise<void> {
  await page.getByRole('main').locator('.status').getByText(state, { exact: true }).first().waitFor();
}

/** One of the figures of the account's balance. */
export function figure(page: Page, name: string): Locator {
  return page.getByRole('term').filter({ hasText: new RegExp(`^${name}$`) }).locator('+ dd');
}

/** The rows of a table. */
export function rows(page: Page, table: string): Locator {
  return page.getByRole('table', { name: table, exact: true }).locator('tbody').getByRole('row');
}

export function atBroker(page: Page): Locator {
  return rows(page, 'Positions at the broker');
}

export function byStrategies(page: Page): Locator {
  return rows(page, 'Positions by your strategies');
}
