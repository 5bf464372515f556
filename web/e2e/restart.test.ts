import { expect, test } from 'vitest';

import { logIn } from './acts';
import { sendAlert } from './alerts';
import { desk, registered } from './owner';
import { setStage } from './stage';

const stage = setStage();

test('a restart during use is said, survived, and made up for', async () => {
  const { program } = stage;
  const { webhook } = await desk(await registered(program.url));
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto('/signals');
  const sign = page.locator('.stream');
  await expect.poll(() => sign.textContent()).toBe('Live');
  const rows = page.getByRole('table', { name: 'Signals' }).getByRole('row');

  // Which word the browser has for a program that is gone depends on the moment it asked.
  stage.expects(/net::ERR_(CONNECTION|SOCKET|EMPTY|INCOMPLETE)_\w+|status of 503/);
  await program.stop();
  await expect.poll(() => sign.textContent()).toBe('Reconnecting …');

  await program.again();
  // Nobody is connected yet, or only just: the alert must be shown either way.
  expect((await sendAlert(webhook.url, '{"action": "BUY"}')).status).toBe(202);
  await expect.poll(() => sign.textContent()).toBe('Live');
  await expect.poll(() => rows.filter({ hasText: 'BUY' }).filter({ hasText: 'filled' }).count()).toBe(1);
});
