/** What the pages look like: pictures to be looked at by people, and nothing that hangs over the edge of a telephone. */
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { logIn } from './acts';
import { registered } from './owner';
import { PLACES, furnish, settled } from './pages';
import { setStage } from './stage';

const stage = setStage({ ATOMIK_AUTH__REGISTRATION: 'open' });
const FOLDER = fileURLToPath(new URL('shown', import.meta.url));

beforeAll(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  await furnish(await registered(stage.program.url));
});

/** `/webhooks/1?tab=edit` becomes `webhooks-1-edit`. */
function nameOf(path: string): string {
  return path.replace(/\?\w+=/, '-').replaceAll('/', '-').replace(/^-/, '') || 'overview';
}

/** By how many pixels the page is wider than its window, or a table of it than its place. */
function overhang(page: Page): Promise<number> {
  return page.evaluate(() => {
    const places = [document.documentElement, ...document.querySelectorAll('.rows .mantine-ScrollArea-viewport')];
    // A wide screen has room to scroll a table in.
    const looked = innerWidth < 768 ? places : places.slice(0, 1);
    return Math.max(...looked.map((place) => place.scrollWidth - place.clientWidth));
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [390, 1280, 1920]) {
    test(`the pages fit ${width} pixels, ${colorScheme}`, { timeout: 180_000 }, async () => {
      const page = await stage.open('/sign-in', { colorScheme, viewport: { width, height: 900 } });
      const overhanging: Record<string, number> = {};
      const look = async (path: string) => {
        await settled(page);
        const wider = await overhang(page);
        if (wider > 0) {
          overhanging[path] = wider;
        }
        await page.screenshot({ path: `${FOLDER}/${nameOf(path)}-${width}-${colorScheme}.png`, fullPage: true });
      };
      await look('/sign-in');
      await logIn(page);
      for (const path of Object.values(PLACES).flat().filter((place) => place !== '/sign-in')) {
        await page.goto(path);
        await look(path);
      }
      expect(overhanging).toEqual({});
    });
  }
}
