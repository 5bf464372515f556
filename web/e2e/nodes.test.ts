/** What administrators see of the cluster. */
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { logIn, navigate } from './acts';
import { overhang, violations } from './judged';
import { type Desk, type Schemas, desk, registered } from './owner';
import { settled } from './pages';
import { setStage } from './stage';

const stage = setStage();
let at: Desk;

beforeAll(async () => {
  at = await desk(await registered(stage.program.url));
});

/** Nodes share a database server, which a test in the browser does without: the program's answer is played. */
async function play(page: Page, items: Schemas['Node'][]): Promise<void> {
  await page.route('**/api/v1/admin/nodes', (route) => route.fulfill({ json: { items, next_cursor: null } }));
}

function node(name: string, differs: Partial<Schemas['Node']> = {}): Schemas['Node'] {
  const { works_on = [] } = differs;
  return {
    name,
    version: '0.1.0',
    generation: 1,
    address: `http://${name}.trading.internal.example.com:8080`,
    started_at: '2026-03-20T12:34:56.000001Z',
    alive: true,
    broker_accounts: works_on.length,
    works_on,
    ...differs,
  };
}

const rows = (page: Page) => page.getByRole('table', { name: 'Nodes' }).locator('tbody').getByRole('row');

test('a program on a database of its own runs alone', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await navigate(page, 'Nodes');
  await page.getByText('This program runs alone').waitFor();
});

for (const [colorScheme, width] of [
  ['light', 1280],
  ['dark', 390],
] as const) {
  test(`nodes come, are upgraded and die by themselves, ${colorScheme} and ${width} wide`, async () => {
    const page = await stage.open('/sign-in', { colorScheme, viewport: { width, height: 900 } });
    const many = Array.from({ length: 100 }, (_, index) => 1_000 + index);
    const old = node('ip-10-0-0-7', { works_on: [at.account.id, 77] });
    await play(page, [old]);
    await logIn(page);
    await navigate(page, 'Nodes');
    await rows(page).filter({ hasText: '2: Paper, #77' }).filter({ hasText: 'alive' }).waitFor();
    expect(await page.getByText('An upgrade is under way').count()).toBe(0);
    expect(await page.getByText('A dead node').count()).toBe(0);

    const fresh = node('ip-10-0-0-8', { version: '0.2.0', works_on: many, broker_accounts: 130 });
    await play(page, [old, fresh]);
    await page.getByText('different versions: 0.1.0, 0.2.0.').waitFor();
    await rows(page).getByText('122 more').click();
    await rows(page).getByText('#1099 and 30 more').waitFor();

    await play(page, [{ ...old, alive: false }, fresh]);
    await page.getByText('A dead node').waitFor();
    expect(await page.getByText('An upgrade is under way').count()).toBe(0);
    await rows(page).nth(1).filter({ hasText: 'dead' }).getByText('Nobody works on these').waitFor();

    await settled(page);
    expect(await violations(page)).toEqual([]);
    expect(await overhang(page)).toBeLessThanOrEqual(0);
    await rows(page).getByRole('link', { name: 'Paper' }).click();
    await page.getByRole('heading', { name: 'Paper', level: 1 }).waitFor();
  });
}
