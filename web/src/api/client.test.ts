import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { keepSession, send } from './client';

const URL = 'http://127.0.0.1/api/v1/webhooks';
const json = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const write = () => new Request(URL, { method: 'POST', body: '{"name":"one"}' });

let requests: Request[];

/** A program whose session has this user and this token. */
function program(id: number, token: string) {
  requests = [];
  vi.stubGlobal('fetch', (asked: Request | string) => {
    if (typeof asked === 'string') {
      return Promise.resolve(json(200, { id, csrf_token: token }));
    }
    requests.push(asked);
    const known = asked.headers.get('X-CSRF-Token') === token;
    return Promise.resolve(known ? json(201, {}) : json(403, { code: 'csrf_required', detail: 'no token' }));
  });
}

beforeEach(() => {
  keepSession({ id: 1, csrf_token: 'old' });
});
afterEach(() => {
  keepSession(undefined);
  vi.unstubAllGlobals();
});

it('sends a write once where its token is known', async () => {
  program(1, 'old');
  expect((await send(write())).status).toBe(201);
  expect(requests).toHaveLength(1);
});

it('sends it once more where the same user has another session', async () => {
  program(1, 'new');
  expect((await send(write())).status).toBe(201);
  expect(requests.map((request) => request.headers.get('X-CSRF-Token'))).toEqual(['old', 'new']);
  expect(await requests[1]?.text()).toBe('{"name":"one"}');
  expect((await send(write())).status).toBe(201);
  expect(requests).toHaveLength(3);
});

it('sends nothing for somebody else', async () => {
  program(2, 'new');
  expect((await send(write())).status).toBe(403);
  expect(requests).toHaveLength(1);
});
