import type { Locator, Page } from 'playwright-core';
import { expect, test } from 'vitest';

import { logIn, register } from './acts';
import { setStage } from './stage';

const stage = setStage();

/** More stops than any page here has before what a test looks for. */
const STOPS = 40;

/** Goes on by Tab until this has the focus, and asserts that it can be seen there. */
async function tabTo(page: Page, place: Locator): Promise<void> {
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press('Tab');
    if (await place.evaluate((element) => element === document.activeElement)) {
      expect(await place.evaluate((element) => element.matches(':focus-visible'))).toBe(true);
      return;
    }
  }
  throw new Error(`${STOPS} times Tab do not lead to ${place.toString()}`);
}

test('a webhook is made by the keyboard alone', async () => {
  const page = await stage.open('/');
  await register(page);
  await tabTo(page, page.getByRole('link', { name: 'Webhooks', exact: true }));
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  const create = page.getByRole('button', { name: 'Create New Webhook' });
  await tabTo(page, create);
  await page.keyboard.press('Enter');

  const name = page.getByRole('dialog').getByRole('textbox', { name: 'Name' });
  await expect.poll(() => name.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.type('By keyboard');
  await tabTo(page, page.getByRole('textbox', { name: 'Description' }));
  await page.keyboard.type('No mouse near');
  await tabTo(page, page.getByRole('button', { name: 'Save' }));
  await page.keyboard.press('Enter');

  await page.getByRole('textbox', { name: 'Secret' }).waitFor();
  await tabTo(page, page.getByRole('button', { name: 'I have saved them' }));
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  // The focus goes back to where it was, and does not get lost.
  await expect.poll(() => create.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.getByRole('table', { name: 'Webhooks' }).getByText('By keyboard').waitFor();
});

test('a dialog keeps the focus, and Escape closes it', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto('/webhooks');
  await page.getByRole('button', { name: 'Create New Webhook' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name' }).waitFor();
  for (let stop = 0; stop < 8; stop += 1) {
    await page.keyboard.press('Tab');
    expect(await dialog.evaluate((element) => element.contains(document.activeElement))).toBe(true);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

test('a symbol is found by the keyboard, and what is named as reached is there', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto('/start');
  await page.getByRole('button', { name: 'Make the paper account' }).click();
  await page.getByRole('button', { name: 'Make the webhook' }).click();
  const symbol = page.getByRole('combobox', { name: 'Symbol' });
  const reached = () => symbol.getAttribute('aria-activedescendant');
  await symbol.fill('E');
  await page.getByRole('option', { name: /^ES / }).waitFor();
  await page.keyboard.press('ArrowDown');
  await expect.poll(reached).not.toBeNull();
  expect(await page.locator(`[id="${await reached()}"]`).getAttribute('data-combobox-selected')).toBe('true');

  await page.keyboard.type('URUSD');
  await expect.poll(reached).toBeNull();
  await symbol.fill('AAPL');
  await page.getByRole('option', { name: /^AAPL / }).waitFor();
  await page.keyboard.press('ArrowDown');
  await expect.poll(reached).not.toBeNull();
  expect(await page.locator(`[id="${await reached()}"]`).textContent()).toContain('AAPL');
  await page.keyboard.press('Enter');
  expect(await symbol.inputValue()).toBe('AAPL');
});
