/** Somebody who uses the program's API beside the pages: what a test is not about is set up through it. */
import createClient from 'openapi-fetch';

import type { components, paths } from '../src/api/schema';

export type Schemas = components['schemas'];

export const CREDENTIALS = { email: 'trader@example.com', password: 'correct horse battery' };

/** Registers and makes an API key, with which the client signs in. */
export async function registered(url: string, credentials = CREDENTIALS) {
  const stranger = createClient<paths>({ baseUrl: url });
  await done(stranger.POST('/api/v1/auth/register', { body: credentials }));
  const login = await stranger.POST('/api/v1/auth/login', { body: credentials });
  const cookie = login.response.headers.get('set-cookie')?.split(';')[0] ?? '';
  const me = await done(stranger.GET('/api/v1/me', { headers: { cookie } }));
  const { key } = await done(
    stranger.POST('/api/v1/api-keys', {
      body: { name: 'tests' },
      headers: { cookie, 'X-CSRF-Token': me.csrf_token ?? '' },
    }),
  );
  return createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${key}` } });
}

export type Client = Awaited<ReturnType<typeof registered>>;

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export async function done<T>(reply: Promise<Reply<T>>): Promise<T> {
  const { data, error, response } = await reply;
  if (!response.ok) {
    throw new Error(`${response.url} answered ${response.status}: ${JSON.stringify(error)}`);
  }
  return data as T;
}

export interface Desk {
  account: Schemas['BrokerAccount'];
  webhook: Schemas['WebhookWithSecret'];
  strategy: Schemas['Strategy'];
}

/** A paper account, a webhook and an active strategy on ES, whose price stands still. */
export async function desk(client: Client): Promise<Desk> {
  const account = await done(
    client.POST('/api/v1/broker-accounts', {
      body: {
        broker: 'paper',
        environment: 'paper',
        label: 'Paper',
        // The document says of settings only that they are an object: their shape is the broker's.
        settings: { prices: { ES: '5000' } } as unknown as Record<string, never>,
      },
    }),
  );
  const webhook = await done(client.POST('/api/v1/webhooks', { body: { name: 'ES Long Entry' } }));
  const strategy = await done(
    client.POST('/api/v1/strategies', {
      body: {
        name: 'ES long',
        webhook_id: webhook.id,
        broker_account_id: account.id,
        symbol: 'ES',
        quantity: '2',
        active: true,
      },
    }),
  );
  return { account, webhook, strategy };
}
