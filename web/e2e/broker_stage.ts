/** What tests of the brokers play on: a program that may ask fake venues, and the venues, which end with the test. */
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterEach, beforeAll, expect } from 'vitest';

import { logIn } from './acts';
import { sendAlert } from './alerts';
import type { Account, Trading } from './brokers';
import { type Client, type Schemas, done, registered } from './owner';
import { type Stage, setStage } from './stage';
import { Venue } from './venue';

export interface BrokerStage {
  readonly stage: Stage;
  readonly client: Client;
  venueOf: (account: Account) => Promise<Venue>;
  /** Opens a tab of somebody who is signed in. */
  signedIn: (options?: BrowserContextOptions) => Promise<Page>;
  strategyAt: (account: number, at: Trading) => Promise<{ webhook: Schemas['WebhookWithSecret']; name: string }>;
}

/** To be called once, at the top of a file. */
export function setBrokerStage(): BrokerStage {
  const clients: Client[] = [];
  let venues: Venue[] = [];

  const user = (): Client => {
    const [client] = clients;
    if (client === undefined) {
      throw new Error('Nobody is registered yet');
    }
    return client;
  };
  // Before the stage's own, which closes the tabs: the last to come is the first to go.
  afterEach(async () => {
    const { items } = await done(user().GET('/api/v1/broker-accounts', {}));
    for (const { id } of items) {
      await done(user().DELETE('/api/v1/broker-accounts/{id}', { params: { path: { id } } }));
    }
    venues.forEach((venue) => {
      venue.stop();
    });
    venues = [];
  });
  // Books are compared often, so that nobody waits half a minute for what was traded by hand.
  const stage = setStage({ ATOMIK_BROKERS__ALLOW_CUSTOM_URLS: 'true', ATOMIK_TRADING__RECONCILE_INTERVAL_S: '1' });
  beforeAll(async () => {
    clients.push(await registered(stage.program.url));
  });
  return {
    stage,
    get client() {
      return user();
    },
    venueOf: async (account) => {
      const venue = await Venue.start(account.venue);
      venues.push(venue);
      return venue;
    },
    signedIn: async (options) => {
      const page = await stage.open('/sign-in', options);
      await logIn(page);
      return page;
    },
    strategyAt: async (account, { broker, symbol, quantity }) => {
      const webhook = await done(user().POST('/api/v1/webhooks', { body: { name: `${broker} ${account}` } }));
      const name = `${symbol} at ${broker} ${account}`;
      const body = { name, symbol, quantity, max_position: '100', active: true, webhook_id: webhook.id, broker_account_id: account };
      await done(user().POST('/api/v1/strategies', { body }));
      return { webhook, name };
    },
  };
}

export async function alert(webhook: Schemas['WebhookWithSecret'], message: Readonly<Record<string, string>>): Promise<void> {
  expect((await sendAlert(webhook.url, JSON.stringify(message))).status).toBe(202);
}
