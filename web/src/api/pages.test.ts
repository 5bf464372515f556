import { expect, it } from 'vitest';

import { PAGE, firstPages } from './pages';

/** A list of so many rows, and which pages of it were read. */
function list(rows: number) {
  const read: (string | undefined)[] = [];
  const page = ({ limit, cursor }: { limit: number; cursor?: string }) => {
    read.push(cursor);
    const from = Number(cursor ?? 0);
    const to = Math.min(from + limit, rows);
    const items = Array.from({ length: to - from }, (_, index) => from + index);
    return Promise.resolve({ items, next_cursor: to < rows ? String(to) : null });
  };
  return { page, read };
}

it('reads a short list once', async () => {
  const { page, read } = list(3);
  expect(await firstPages(page)).toEqual({ items: [0, 1, 2], next_cursor: null });
  expect(read).toEqual([undefined]);
});

it('reads a longer one to its end', async () => {
  const { page } = list(2 * PAGE + 1);
  const { items, next_cursor } = await firstPages(page);
  expect(items).toEqual(Array.from({ length: 2 * PAGE + 1 }, (_, index) => index));
  expect(next_cursor).toBeNull();
});

it('reads no more than a thousand rows, and says that there are more', async () => {
  const { page, read } = list(100_000);
  const { items, next_cursor } = await firstPages(page);
  expect([items.length, next_cursor, read.length]).toEqual([1_000, '1000', 5]);
});
