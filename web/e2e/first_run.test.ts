import { expect, test } from 'vitest';

import { register, shown } from './acts';
import { setStage } from './stage';

const stage = setStage();

test('the first user comes from nothing to a filled alert in three steps', async () => {
  const page = await stage.open('/');
  await register(page);

  await page.getByRole('heading', { name: 'A paper account' }).waitFor();
  expect(await shown(page, 'Name')).not.toBe('');
  await page.getByRole('button', { name: 'Make the paper account' }).click();

  await page.getByRole('heading', { name: 'A webhook' }).waitFor();
  expect(await shown(page, 'Name')).not.toBe('');
  await page.getByRole('button', { name: 'Make the webhook' }).click();

  await page.getByRole('heading', { name: 'A strategy' }).waitFor();
  expect(await shown(page, 'Quantity')).toBe('1');
  await page.getByRole('button', { name: 'Make and activate the strategy' }).click();

  await page.getByRole('heading', { name: /^Ready/ }).waitFor();
  expect(await shown(page, 'Webhook URL')).toContain('?secret=');
  expect(JSON.parse(await shown(page, 'Message to buy'))).toEqual({ action: 'BUY' });
  expect(JSON.parse(await shown(page, 'Message to close'))).toEqual({ action: 'SELL', comment: 'EXIT_FINAL' });

  await page.getByRole('button', { name: 'Send test alert' }).click();
  await page.getByText('The receiver answered 202').waitFor();
  const log = page.getByRole('log', { name: 'What came of the alerts' });
  await log.getByText(/Filled 1 AAPL at [\d,.]+/).waitFor();

  await page.getByRole('button', { name: 'Close the position again' }).click();
  await expect.poll(() => log.getByText(/Filled 1 AAPL at [\d,.]+/).count()).toBe(2);
  await page.getByRole('link', { name: 'To the overview' }).click();
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
  await page.getByRole('link', { name: '2 filled' }).waitFor();
});
