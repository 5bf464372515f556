/** What is wrong with a page as it stands: for those who cannot see it, and on a narrow screen. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import type axe from 'axe-core';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds, one line a fault. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => {
    const { axe: runner } = window as unknown as { axe: typeof axe };
    return runner.run(document, { resultTypes: ['violations'] });
  });
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html.slice(0, 300)}\n${failureSummary ?? ''}`),
  );
}

/** By how many pixels the page is wider than its window, or a table of it than its place. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate(() => {
    const places = [document.documentElement, ...document.querySelectorAll('.rows .mantine-ScrollArea-viewport')];
    // A wide screen has room to scroll a table in.
    const looked = innerWidth < 768 ? places : places.slice(0, 1);
    return Math.max(...looked.map((place) => place.scrollWidth - place.clientWidth));
  });
}
