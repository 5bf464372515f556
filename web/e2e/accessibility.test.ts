import { beforeAll, expect, test } from 'vitest';

import { logIn } from './acts';
import { violations } from './judged';
import { registered } from './owner';
import { PLACES, furnish, routes, settled } from './pages';
import { setStage } from './stage';

const stage = setStage({ ATOMIK_AUTH__REGISTRATION: 'open' });

beforeAll(async () => {
  await furnish(await registered(stage.program.url));
});

test('every route is looked at', () => {
  expect(Object.keys(PLACES).sort()).toEqual(routes().sort());
});

for (const [colorScheme, width] of [
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
] as const) {
  test(`no page has an axe violation when it is ${colorScheme} and ${width} wide`, { timeout: 180_000 }, async () => {
    const page = await stage.open('/sign-in', { colorScheme, viewport: { width, height: 900 } });
    const found: Record<string, string[]> = {};
    const look = async (name: string) => {
      await settled(page);
      const faults = await violations(page);
      if (faults.length > 0) {
        found[name] = faults;
      }
    };
    await look('/sign-in');
    await logIn(page);
    for (const path of Object.values(PLACES).flat().filter((place) => place !== '/sign-in')) {
      await page.goto(path);
      await look(path);
    }
    for (const [path, button] of [
      ['/webhooks', 'Create New Webhook'],
      ['/accounts', 'Connect account'],
      ['/positions', /^Flatten/],
      ['/strategies/1', /^Halt/],
    ] as const) {
      await page.goto(path);
      await page.getByRole('button', { name: button }).first().click();
      await page.getByRole('dialog').waitFor();
      await look(`${path} with its dialog`);
    }
    expect(found).toEqual({});
  });
}
