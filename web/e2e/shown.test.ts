/** What the pages look like: pictures to be looked at by people, and nothing that hangs over the edge of a telephone. */
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { beforeAll, expect, test } from 'vitest';

import { logIn } from './acts';
import { overhang } from './judged';
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
