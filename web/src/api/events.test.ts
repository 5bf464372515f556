import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { gathering } from './events';

let queries: QueryClient;
let lists: ReturnType<typeof gathering>;
/** The requests for the list that is shown, to be answered by the test. */
let asked: ((answer: string) => void)[];

beforeEach(() => {
  vi.useFakeTimers();
  queries = new QueryClient();
  lists = gathering(queries);
  asked = [];
  const queryFn = () => new Promise<string>((answer) => asked.push(answer));
  new QueryObserver(queries, { queryKey: ['orders', 'newest'], queryFn }).subscribe(() => undefined);
});
afterEach(() => {
  lists.stop();
  queries.clear();
  vi.useRealTimers();
});

it('asks again at once for what is shown, and not for the rest', async () => {
  asked[0]?.('old');
  await vi.advanceTimersByTimeAsync(0);
  lists.happened([['fills']]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(1);
  lists.happened([['orders']]);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(2);
});

it('asks at a pace, however much happens', async () => {
  asked[0]?.('old');
  await vi.advanceTimersByTimeAsync(0);
  for (let event = 0; event < 100; event += 1) {
    lists.happened([['orders']]);
    await vi.advanceTimersByTimeAsync(10);
    asked.at(-1)?.('newer');
  }
  expect(asked.length).toBeGreaterThan(2);
  expect(asked.length).toBeLessThan(8);
});

it.each([
  ['what happened', () => { lists.happened([['orders']]); }],
  ['what was missed', () => { lists.missed(); }],
])('asks again after an answer that may be older than %s', async (_, happens) => {
  happens();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(1);
  asked[0]?.('perhaps from before');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(2);
});
