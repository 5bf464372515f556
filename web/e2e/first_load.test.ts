import { expect, test } from 'vitest';

import { logIn } from './acts';
import { registered } from './owner';
import { setStage } from './stage';

const stage = setStage();

/** What the issue allows for the first load. In bytes, as they travel. */
const LIMIT = 350_000;

test('the first load is small', async () => {
  await registered(stage.program.url);
  const page = await stage.open('/sign-in');
  await logIn(page);

  // Signed in, and nothing of it in the browser's cache yet.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.clearBrowserCache');
  const loading: Promise<{ path: string; bytes: number; encoding: string }>[] = [];
  page.on('requestfinished', (request) => {
    const path = new URL(request.url()).pathname;
    if (!path.startsWith('/api/')) {
      const answered = Promise.all([request.sizes(), request.response()]);
      const described = ([sizes, response]: Awaited<typeof answered>) => ({
        path,
        bytes: sizes.responseBodySize,
        encoding: response?.headers()['content-encoding'] ?? 'none',
      });
      loading.push(answered.then(described));
    }
  });
  await page.reload({ waitUntil: 'networkidle' });
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();

  const loaded = await Promise.all(loading);
  const scripts = loaded.filter(({ path }) => path.endsWith('.js'));
  expect(scripts.length, JSON.stringify(loaded)).toBeGreaterThan(0);
  // The smallest travel as they are.
  expect(scripts.filter(({ encoding, bytes }) => encoding === 'none' && bytes > 1_000)).toEqual([]);
  expect(loaded.filter(({ bytes }) => bytes <= 0)).toEqual([]);
  const total = loaded.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total, JSON.stringify(loaded, null, 1)).toBeLessThan(LIMIT);
});
